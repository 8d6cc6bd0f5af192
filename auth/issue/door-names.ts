// The names under which the doors of the cluster, auth and proxy, are dialled: a certificate for one of them in the
// hands of another machine would let it answer in their place. Apart from host-names.ts, which knows one host. Pure.
import { parseAddress } from '#config/address.ts';
import { formatIp, parseIp } from '#core/certs/ip-address.ts';
import type { AuthContext } from '../context.ts';
import { proxyNames } from '../live-proxies.ts';

/** Taken in every cluster, alone and with the name of the cluster. */
const RESERVED: readonly string[] = ['auth', 'proxy'];
const HTTPS = 443;

export type DoorSource = Pick<AuthContext, 'clusterName' | 'publicAddress' | 'names' | 'state'>;

/** Would a host of this name have a name of a door, as it is or with the name of the cluster? */
export function isDoorName(source: DoorSource, name: string): boolean {
  const given = plain(name);
  const suffix = `.${plain(source.clusterName)}`;
  const withCluster = (door: string): readonly string[] => [door, `${door}${suffix}`];
  const configured = parseAddress(source.publicAddress, HTTPS).host;
  const doors = [...RESERVED, ...source.names, configured, ...proxyNames(source.state)]
    .map(plain)
    .filter((door) => !isLoopback(door));
  const taken = new Set(doors.flatMap(withCluster));
  return withCluster(given).some((one) => taken.has(one));
}

function plain(name: string): string {
  const ip = parseIp(name);
  return ip === undefined ? name.toLowerCase() : formatIp(ip);
}

/** Every machine is this to itself, so nobody reaches a door of the cluster by it from elsewhere. */
function isLoopback(name: string): boolean {
  const ip = parseIp(name);
  return ip === undefined ? name === 'localhost' : name === '::1' || (ip.length === 4 && ip[0] === 127);
}
