// The auth service's own TLS certificate: issued by the host authority, renewed long before it ends, and made anew
// when the authorities change. Apart from server.ts because it is about keys and time, not about requests.
import { networkInterfaces } from 'node:os';
import { isIP } from 'node:net';
import type { SecureContextOptions } from 'node:tls';
import { constants } from 'node:crypto';
import { generateKeyPair, privateKeyPem } from '#core/certs/x509/keys.ts';
import { certificateToPem } from '#core/certs/x509/pem.ts';
import type { Clock, Timer } from '#core/clock.ts';
import type { HostIdentity } from '#core/identity.ts';
import type { Log } from '#core/log.ts';
import type { CertificateAuthorities } from './authority/authority.ts';
import type { ClusterState } from './state/state.ts';

const DAY_MS = 86_400_000;
/** Short, because the key lives in memory only and a new one costs nothing. */
export const SERVER_CERTIFICATE_MS = 7 * DAY_MS;
const RENEW_AFTER_MS = SERVER_CERTIFICATE_MS / 2;
const RETRY_MS = 60_000;
/** Gives the authorities time to load their new keys. */
const AFTER_ROTATION_MS = 1000;
/** Clients whose clock is a little behind ours shall not refuse a fresh certificate. */
const SKEW_MS = 60_000;

/** TLS 1.3 picks its own; for 1.2 only forward secrecy with authenticated encryption is left. */
const TLS12_CIPHERS = [
  'ECDHE-ECDSA-AES128-GCM-SHA256',
  'ECDHE-ECDSA-AES256-GCM-SHA384',
  'ECDHE-ECDSA-CHACHA20-POLY1305',
];
const TLS13_CIPHERS = ['TLS_AES_128_GCM_SHA256', 'TLS_AES_256_GCM_SHA384', 'TLS_CHACHA20_POLY1305_SHA256'];

export interface ServerCertificateOptions {
  readonly clock: Clock;
  readonly log: Log;
  readonly state: Pick<ClusterState, 'onChange'>;
  readonly authorities: CertificateAuthorities;
  readonly clusterName: string;
  readonly hostId: string;
  /** Host names and addresses under which clients dial; see `namesOf`. */
  readonly names: readonly string[];
}

export interface ServerCertificate {
  /** What the listener is to use now. */
  current(): SecureContextOptions;
  close(): void;
}

/** `apply` is called with each later context; the first is in `current()`. */
export function startServerCertificate(
  options: ServerCertificateOptions,
  apply: (context: SecureContextOptions) => void,
): ServerCertificate {
  const { clock, log } = options;
  let context = issue(options);
  let timer: Timer | undefined;

  const schedule = (delayMs: number): void => {
    timer?.cancel();
    timer = clock.after(delayMs, renew);
  };
  const renew = (): void => {
    try {
      context = issue(options);
      apply(context);
      schedule(RENEW_AFTER_MS);
    } catch (error) {
      log.error({ err: error }, 'the certificate of the auth service could not be renewed');
      schedule(RETRY_MS);
    }
  };
  const stop = options.state.onChange((event) => {
    if (event.kind === 'cert_authority') schedule(AFTER_ROTATION_MS);
  });
  schedule(RENEW_AFTER_MS);
  return {
    current: () => context,
    close() {
      stop();
      timer?.cancel();
    },
  };
}

function issue(options: ServerCertificateOptions): SecureContextOptions {
  const { authorities, clock, clusterName, hostId, names } = options;
  const { publicKey, privateKey } = generateKeyPair('ecdsa-p256');
  const identity: HostIdentity = {
    kind: 'host',
    cluster: clusterName,
    host_id: hostId,
    name: names[0] ?? hostId,
    roles: ['auth'],
  };
  const own = [`${hostId}.${clusterName}`, clusterName, ...names];
  const der = authorities.signTls('host', {
    subject: publicKey,
    commonName: `${hostId}.${clusterName}`,
    organization: ['auth'],
    validAfter: clock.now() - SKEW_MS,
    validBefore: clock.now() + SERVER_CERTIFICATE_MS,
    usage: 'server',
    dnsNames: [...new Set(own.filter((name) => isIP(name) === 0).map((name) => name.toLowerCase()))],
    ipAddresses: [...new Set(own.filter((name) => isIP(name) !== 0))],
    identity,
  });
  const hostCas = authorities.publicPart('host').tlsCertificates;
  const userCas = authorities.publicPart('user').tlsCertificates;
  return {
    key: privateKeyPem(privateKey).reveal(),
    // The authority goes along, so that a joining machine can compare it with its pin in the handshake itself.
    cert: [certificateToPem(der), ...hostCas.slice(0, 1)].join(''),
    // Only names for the client to choose its certificate by; guard/identify.ts does the checking.
    ca: [...userCas, ...hostCas],
    minVersion: 'TLSv1.2',
    ciphers: [...TLS13_CIPHERS, ...TLS12_CIPHERS].join(':'),
    honorCipherOrder: true,
    // A connection keeps the identity it began with, and each shows its certificate with proof of its key.
    secureOptions: constants.SSL_OP_NO_RENEGOTIATION | constants.SSL_OP_NO_TICKET,
  };
}

/**
 * What the certificate must be good for: the listener's host, the names and addresses given, the machine's own name,
 * loopback, and every address of this machine when the listener takes them all.
 */
export function namesOf(listenHost: string, given: readonly string[], machine: string): readonly string[] {
  const isWildcard = listenHost === '0.0.0.0' || listenHost === '::' || listenHost === '';
  const interfaces = Object.values(networkInterfaces()).flatMap((addresses) => addresses ?? []);
  const own = interfaces.filter(({ internal }) => !internal).map(({ address }) => address);
  const all = [machine, ...given, ...(isWildcard ? own : [listenHost]), 'localhost', '127.0.0.1', '::1'];
  return [...new Set(all.map((name) => name.replace(/^\[|\]$/g, '').split('%', 1)[0] ?? ''))].filter(
    isUsable,
  );
}

function isUsable(name: string): boolean {
  return isIP(name) !== 0 || /^(?!-)[a-z\d-]{1,63}(\.[a-z\d-]{1,63})*$/i.test(name);
}
