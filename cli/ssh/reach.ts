// The way to a server: a TLS connection to the proxy as the user, one line that names the server, and from then on the
// bytes are SSH between this end and the server. The proxy sees no more than that they pass.
import type { Duplex } from 'node:stream';
import { dialTcp } from '#client/outbound/tcp-dial.ts';
import type { Environment } from '#client/outbound/http-proxy.ts';
import type { Clock } from '#core/clock.ts';
import { takeLine } from '#wire/line.ts';
import {
  encodeProxyRequest,
  MAX_PROXY_ANSWER_BYTES,
  PROXY_SSH_PROTOCOL,
  requireProxyReady,
  type ProxyRequest,
} from '#wire/proxy-request.ts';
import type { Profile, ProfileProxy } from '../profile/profile.ts';
import { openProxyTls } from '../proxy-tls.ts';
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
  const socket = await openProxyTls({
    address: profile.proxy.web,
    tcp,
    clock,
    protocol: PROXY_SSH_PROTOCOL,
    authorities: profile.tls_authorities,
    certificate: profile.tls_certificate,
    privateKey: profile.tls_private_key,
  });
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
