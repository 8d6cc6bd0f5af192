// The address that others are told for what listens here on all addresses. Pure.
import { isIPv4 } from 'node:net';
import type { NetworkInterfaceInfo } from 'node:os';
import { formatAddress, type Address } from '#config/address.ts';

const EVERYWHERE = new Set(['0.0.0.0', '::']);

/**
 * `host:port`: what the configuration advertises, else the host that is listened on, else the first address of this
 * machine that is not its own loopback, IPv4 before IPv6.
 */
export function nodeAddress(
  listen: Address,
  advertised: string | undefined,
  interfaces: Readonly<Record<string, readonly NetworkInterfaceInfo[] | undefined>>,
): string {
  if (advertised !== undefined) return formatAddress({ host: advertised, port: listen.port });
  if (!EVERYWHERE.has(listen.host)) return formatAddress(listen);
  const outside = Object.values(interfaces)
    .flatMap((addresses) => addresses ?? [])
    .filter(({ internal, address }) => !internal && !/^fe80:/i.test(address))
    .map(({ address }) => address);
  const host = outside.find((address) => isIPv4(address)) ?? outside[0] ?? '127.0.0.1';
  return formatAddress({ host, port: listen.port });
}
