// What the proxies that are there say of themselves: where people reach the cluster, and names that no other machine may
// have. Pure over the state.
import { parseAddress } from '#config/address.ts';
import { parseIp } from '#core/certs/ip-address.ts';
import { isCode } from '#core/errors/error.ts';
import type { Resource } from '#core/resource.ts';
import type { ProxySpec } from '#kinds/proxy/kind.ts';
import type { AuthContext } from './context.ts';

const HTTPS = 443;

/** `host:port` for links: of the first proxy that is there and has a public address, else as configured. */
export function publicAddressOf({
  state,
  publicAddress,
}: Pick<AuthContext, 'state' | 'publicAddress'>): string {
  for (const { spec } of liveProxies(state)) {
    const [first] = spec.public_addrs;
    if (first !== undefined && hostOf(first) !== undefined) return first;
  }
  return publicAddress;
}

/**
 * DNS names under which proxies are dialled. Not their own host names and IP addresses: an agent of the same machine has
 * those as well.
 */
export function proxyNames(state: Pick<AuthContext['state'], 'list'>): readonly string[] {
  return liveProxies(state).flatMap(({ spec }) =>
    [...spec.public_addrs, ...spec.ssh_addrs, ...spec.tunnel_addrs]
      .map(hostOf)
      .filter((host) => host !== undefined && parseIp(host) === undefined && host !== spec.hostname),
  ) as readonly string[];
}

/** In the order of their names, so that all auth servers say the same. */
function liveProxies(state: Pick<AuthContext['state'], 'list'>): readonly Resource<ProxySpec>[] {
  return [...state.list('proxy')] as readonly Resource<ProxySpec>[];
}

/** Undefined for what is no address: proxies write it themselves. */
function hostOf(address: string): string | undefined {
  try {
    return parseAddress(address, HTTPS).host;
  } catch (error) {
    if (isCode(error)) return undefined;
    throw error;
  }
}
