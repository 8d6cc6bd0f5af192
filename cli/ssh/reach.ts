// The way to a server: a TLS connection to the proxy as the user, one line that names the server, and from then on the
// bytes are SSH between this end and the server. The proxy sees no more than that they pass.
import { isIP, type Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { connect as connectTls, type TLSSocket } from 'node:tls';
import { dialTcp, splitAddress } from '#client/outbound/tcp-dial.ts';
import type { Environment } from '#client/outbound/http-proxy.ts';
import { identityOfCertificate } from '#core/certs/x509/identity.ts';
import type { Clock } from '#core/clock.ts';
import { GatehouseError } from '#core/errors/error.ts';
import { parseIdentity } from '#core/identity.ts';
import { takeLine } from '#wire/line.ts';
import {
  encodeProxyRequest,
  MAX_PROXY_ANSWER_BYTES,
  PROXY_SSH_PROTOCOL,
  requireProxyReady,
  type ProxyRequest,
} from '#wire/proxy-request.ts';
import type { Profile, ProfileProxy } from '../profile/profile.ts';
import type { SshIdentity } from './identity.ts';

/** A dial of the proxy may take its whole time before it is answered. */
const ANSWER_MS = 45_000;
const CONNECT_MS = 15_000;

export interface ReachOptions {
  readonly profile: Profile & { readonly proxy: ProfileProxy };
  readonly clock: Clock;
  readonly request: ProxyRequest;
  /** Names the HTTP proxy in between, if there is one. */
  readonly environment: Environment;
  /** Asked for only where something in front of the proxy ends TLS, so that SSH has to prove both ends. */
  readonly identity: () => Promise<SshIdentity>;
}

/**
 * Resolves when the server is at the other end; the caller destroys it. Throws what the proxy answers (NOT_FOUND,
 * AMBIGUOUS with candidates, ...), UNAVAILABLE when it cannot be reached, CERTIFICATE_INVALID when it is no proxy of this
 * cluster: then nothing was asked.
 */
export async function reachServer(options: ReachOptions): Promise<Duplex> {
  const { profile, clock, request, environment } = options;
  if (!profile.proxy.ends_tls) return (await import('./reach-by-ssh.ts')).reachBySsh(options);
  const tcp = await dialTcp(profile.proxy.web, { environment, timeoutMs: CONNECT_MS });
  const socket = await openProxy(profile, tcp, clock);
  try {
    socket.write(encodeProxyRequest(request));
    requireProxyReady(
      await takeLine(socket, { clock, maxBytes: MAX_PROXY_ANSWER_BYTES, timeoutMs: ANSWER_MS }),
    );
    return socket;
  } catch (error) {
    socket.destroy();
    throw error;
  }
}

function openProxy(profile: ReachOptions['profile'], tcp: Socket, clock: Clock): Promise<TLSSocket> {
  const { host } = splitAddress(profile.proxy.web);
  return new Promise((resolve, reject) => {
    const socket = connectTls({
      socket: tcp,
      ...(isIP(host) === 0 ? { servername: host } : {}),
      ALPNProtocols: [PROXY_SSH_PROTOCOL],
      ca: [...profile.tls_authorities],
      cert: profile.tls_certificate,
      key: profile.tls_private_key,
      minVersion: 'TLSv1.2',
      rejectUnauthorized: true,
      checkServerIdentity: (_host, certificate) => requireProxy(certificate.raw),
    });
    const fail = (cause: unknown): void => {
      timer.cancel();
      socket.destroy();
      reject(explain(profile.proxy.web, cause));
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
