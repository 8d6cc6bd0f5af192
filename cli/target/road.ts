// A connection to one database or application: TLS to the web port of the proxy with the certificate for it. What follows
// is the protocol of the target.
import type { TLSSocket } from 'node:tls';
import { dialTcp } from '#client/outbound/tcp-dial.ts';
import type { Environment } from '#client/outbound/http-proxy.ts';
import type { Clock } from '#core/clock.ts';
import { GatehouseError } from '#core/errors/error.ts';
import type { Profile, ProfileProxy } from '../profile/profile.ts';
import type { TargetLogin } from '../profile/target-files.ts';
import { openProxyTls } from '../proxy-tls.ts';

const CONNECT_MS = 15_000;

export type ProxyProfile = Profile & { readonly proxy: ProfileProxy };

export interface RoadOptions {
  readonly profile: ProxyProfile;
  readonly login: TargetLogin;
  /** One of wire/target/protocols.ts. */
  readonly protocol: string;
  readonly clock: Clock;
  /** Names the HTTP proxy in between, if there is one. */
  readonly environment: Environment;
}

/**
 * The caller destroys the socket. UNAVAILABLE when the proxy cannot be reached, CERTIFICATE_INVALID when it is no proxy of
 * the cluster, NOT_SUPPORTED where something in front of the proxy ends TLS.
 */
export async function openTarget(options: RoadOptions): Promise<TLSSocket> {
  const { profile, login, protocol, clock, environment } = options;
  requireRoad(profile);
  const tcp = await dialTcp(profile.proxy.web, { environment, timeoutMs: CONNECT_MS });
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

/** NOT_SUPPORTED where a balancer ends TLS: the certificate would not get through. */
function requireRoad({ proxy }: ProxyProfile): void {
  if (proxy.ends_tls) return;
  throw new GatehouseError(
    'NOT_SUPPORTED',
    `something in front of ${proxy.web} ends TLS, and certificates for databases and applications do not pass it`,
    { details: { remedy: 'Sign in at an address of the proxy where TLS is passed through.' } },
  );
}
