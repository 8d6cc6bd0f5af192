// A connection to one database or application: TLS to the web port of the proxy with the certificate for it. What follows
// is the protocol of the target.
import type { TLSSocket } from 'node:tls';
import { dialTcp } from '#client/outbound/tcp-dial.ts';
import type { Environment } from '#client/outbound/http-proxy.ts';
import { dialUpgraded } from '#client/outbound/web-port.ts';
import { GatehouseError } from '#core/errors/error.ts';
import type { Clock } from '#core/clock.ts';
import type { APP_PROTOCOL, DB_PROTOCOL } from '#wire/target/protocols.ts';
import type { Profile, ProfileProxy } from '../profile/profile.ts';
import type { TargetLogin } from '../profile/target-files.ts';
import { openProxyTls } from '../proxy-tls.ts';

const CONNECT_MS = 15_000;

export type ProxyProfile = Profile & { readonly proxy: ProfileProxy };

/** NOT_SUPPORTED where a balancer ends TLS: a client's own certificate would not get through. */
export function requireDirect({ proxy }: ProxyProfile, name: string): void {
  if (proxy.ends_tls) return;
  throw new GatehouseError(
    'NOT_SUPPORTED',
    `something in front of ${proxy.web} ends TLS, and certificates of clients do not pass it`,
    { details: { remedy: `Use \`gate db connect ${name}\`, or \`gate proxy db --tunnel ${name}\`.` } },
  );
}

export interface RoadOptions {
  readonly profile: ProxyProfile;
  readonly login: TargetLogin;
  readonly protocol: typeof DB_PROTOCOL | typeof APP_PROTOCOL;
  readonly clock: Clock;
  /** Names the HTTP proxy in between, if there is one. */
  readonly environment: Environment;
}

/**
 * The caller destroys the socket. UNAVAILABLE when the proxy cannot be reached, CERTIFICATE_INVALID when it is no proxy of
 * the cluster.
 */
export async function openTarget(options: RoadOptions): Promise<TLSSocket> {
  const { profile, login, protocol, clock, environment } = options;
  const { web, ends_tls: endsTls } = profile.proxy;
  const outbound = { environment, timeoutMs: CONNECT_MS };
  // Where something in front ends TLS, ours runs inside of a stream through it.
  const tcp = endsTls ? await dialTcp(web, outbound) : await dialUpgraded(web, protocol, outbound);
  return openProxyTls({
    address: profile.proxy.web,
    tcp,
    clock,
    protocol,
    authorities: profile.tls_authorities,
    certificate: login.certificate,
    privateKey: login.privateKey,
  });
}
