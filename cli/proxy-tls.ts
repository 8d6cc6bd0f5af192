// TLS to the web port of a proxy as a person, with a certificate of theirs: which protocol runs inside is named by ALPN.
// What answers must be a proxy of the cluster; nothing is sent to anybody else.
import { isIP, type Socket } from 'node:net';
import { connect as connectTls, type TLSSocket } from 'node:tls';
import { splitAddress } from '#client/outbound/tcp-dial.ts';
import { identityOfCertificate } from '#core/certs/x509/identity.ts';
import type { Clock } from '#core/clock.ts';
import { GatehouseError } from '#core/errors/error.ts';
import { parseIdentity } from '#core/identity.ts';

const CONNECT_MS = 15_000;

export interface ProxyTlsOptions {
  /** `host:port` of the web port, as the person named it. */
  readonly address: string;
  /** A connection to it. */
  readonly tcp: Socket;
  readonly clock: Clock;
  readonly protocol: string;
  /** PEM of the host authorities of the cluster. */
  readonly authorities: readonly string[];
  readonly certificate: string;
  readonly privateKey: string;
}

/**
 * Resolves when the proxy proved itself; the caller destroys the socket. UNAVAILABLE when it does not answer,
 * CERTIFICATE_INVALID when it is no proxy of this cluster or does not take the certificate.
 */
export function openProxyTls(options: ProxyTlsOptions): Promise<TLSSocket> {
  const { address, tcp, clock } = options;
  const { host } = splitAddress(address);
  return new Promise((resolve, reject) => {
    const socket = connectTls({
      socket: tcp,
      ...(isIP(host) === 0 ? { servername: host } : {}),
      ALPNProtocols: [options.protocol],
      ca: [...options.authorities],
      cert: options.certificate,
      key: options.privateKey,
      minVersion: 'TLSv1.2',
      rejectUnauthorized: true,
      checkServerIdentity: (_host, certificate) => requireProxy(certificate.raw),
    });
    const fail = (cause: unknown): void => {
      timer.cancel();
      socket.destroy();
      reject(explain(address, cause));
    };
    const timer = clock.after(CONNECT_MS, () => fail({ code: 'ETIMEDOUT' }));
    socket.once('error', fail);
    socket.once('secureConnect', () => {
      timer.cancel();
      socket.off('error', fail);
      // Whoever uses it listens for the end; an error of a connection that is over says nothing more.
      socket.on('error', () => {});
      socket.setNoDelay(true);
      resolve(socket);
    });
  });
}

/** The address moves and names change: what counts is that the cluster made this machine a proxy. */
function requireProxy(der: Uint8Array): Error | undefined {
  try {
    const identity = parseIdentity(identityOfCertificate(der));
    if (identity.kind === 'host' && identity.roles.includes('proxy')) return undefined;
  } catch (cause) {
    return new GatehouseError('CERTIFICATE_INVALID', 'the proxy shows a certificate without an identity', {
      cause,
    });
  }
  return new GatehouseError('CERTIFICATE_INVALID', 'what answers is a member of the cluster and not a proxy');
}

function explain(address: string, cause: unknown): Error {
  if (cause instanceof GatehouseError) return cause;
  const { code = '' } = cause as NodeJS.ErrnoException;
  if (/CERT|SELF_SIGNED|UNABLE_TO|ALERT|INVALID/.test(code)) {
    return new GatehouseError(
      'CERTIFICATE_INVALID',
      `${address} is no proxy of this cluster, or does not take this login (${code})`,
      { cause },
    );
  }
  return new GatehouseError('UNAVAILABLE', `cannot reach the proxy at ${address} (${code})`, { cause });
}
