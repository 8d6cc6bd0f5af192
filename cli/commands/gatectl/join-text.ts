// How another machine reaches the auth service, as far as this one knows, and the command lines to run there. Every
// value in them is one word of a shell, whatever it holds.
import { networkInterfaces } from 'node:os';
import { isIP } from 'node:net';
import { status } from '#core/api/cluster.ts';
import { formatAddress } from '#config/address.ts';
import { proxyKind } from '#kinds/proxy/kind.ts';
import { shellWord } from '../../format/text.ts';
import type { Gatectl } from './context.ts';

export interface JoinCommand {
  readonly roles: readonly string[];
  readonly token: string;
  readonly caPins: readonly string[];
  readonly authServer: string;
}

/** `gatehouse start --roles=node --token=… --ca-pin=… --auth-server=…` */
export function joinCommand({ roles, token, caPins, authServer }: JoinCommand): string {
  return [
    'gatehouse',
    'start',
    `--roles=${shellWord(roles.join(','))}`,
    `--token=${shellWord(token)}`,
    ...caPins.map((pin) => `--ca-pin=${shellWord(pin)}`),
    `--auth-server=${shellWord(authServer)}`,
  ].join(' ');
}

export async function statusPins(context: Gatectl): Promise<readonly string[]> {
  const api = await context.api();
  return (await api.call(status, {})).ca_pins;
}

/**
 * Where a new machine of these roles goes to: through a proxy that is there, which it also reaches from behind a NAT; a
 * proxy or auth server itself, and the first machine of all, to the auth service.
 */
export async function joinAddresses(context: Gatectl, roles: readonly string[]): Promise<readonly string[]> {
  const isDoor = roles.some((role) => role === 'auth' || role === 'proxy');
  const proxies = isDoor ? [] : await (await context.api()).list(proxyKind);
  const addresses = proxies.flatMap(({ spec }) => spec.public_addrs.slice(0, 1));
  return addresses.length > 0 ? addresses : publicAddresses(context);
}

/** True for one of the addresses that proxies are reached at. */
export async function isProxyAddress(context: Gatectl, address: string): Promise<boolean> {
  const proxies = await (await context.api()).list(proxyKind);
  return proxies.some(({ spec }) => spec.public_addrs.includes(address));
}

/** `host:port` under which others reach the auth service: as configured, else a guess from this machine. */
export async function publicAddresses(context: Gatectl): Promise<readonly string[]> {
  const { addresses, config } = await context.connection();
  const auth = config?.auth;
  if (auth === undefined) return addresses;
  const { port } = auth.listenAddr;
  if (auth.publicAddrs.length > 0) return auth.publicAddrs.map(formatAddress);
  const advertised = (config?.advertiseIp ?? '').split(' ').filter((ip) => isIP(ip) !== 0);
  const bound = portOf(addresses[0]) ?? port;
  if (advertised.length > 0) return advertised.map((host) => formatAddress({ host, port: bound }));
  const isWildcard = ['0.0.0.0', '::'].includes(auth.listenAddr.host);
  return isWildcard ? [formatAddress({ host: ownAddress() ?? context.io.hostname, port: bound })] : addresses;
}

/** The port in fact, when the configured one is 0. */
function portOf(address: string | undefined): number | undefined {
  const port = /:(\d+)$/.exec(address ?? '')?.[1];
  return port === undefined ? undefined : Number(port);
}

/** An address by which other machines may know this one. */
function ownAddress(): string | undefined {
  const all = Object.values(networkInterfaces()).flatMap((addresses) => addresses ?? []);
  return all.find(({ internal, family }) => !internal && family === 'IPv4')?.address;
}
