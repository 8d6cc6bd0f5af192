// Network addresses as people write them: host, host:port, [v6]:port, tcp://host:port.
import { isIP, isIPv6 } from 'node:net';
import { GatehouseError } from '#core/errors/error.ts';

export interface Address {
  /** A name or an IP address, without brackets. */
  readonly host: string;
  /** 0 in an address to listen on means any free port. */
  readonly port: number;
}

export const ADDRESS_SAYS = 'host, host:port or [IPv6]:port, such as 10.0.10.5:3025';

const SCHEME = /^(?:tcp|https):\/\//i;
/** Names of machines; underscores are common in practice. A name of digits alone is a forgotten host. */
const HOST_NAME = /^(?!\d+$)[A-Za-z0-9_](?:[A-Za-z0-9_.-]{0,251}[A-Za-z0-9_])?$/;

/**
 * Reads an address; `defaultPort` fills in a missing port, and `anyHost` a missing host (":3025"). BAD_REQUEST when it
 * is not one.
 */
export function parseAddress(text: string, defaultPort: number, anyHost?: string): Address {
  const bare = text.trim().replace(SCHEME, '').replace(/\/$/, '');
  const { host, port } = splitPort(bare);
  const found = host === '' && port !== undefined ? anyHost : host;
  if (found === undefined || !isHost(found)) throw bad(text);
  return { host: found, port: port === undefined ? defaultPort : parsePort(port, text) };
}

/** The shortest form that parseAddress reads back: "[::1]:3025". */
export function formatAddress({ host, port }: Address): string {
  return isIPv6(host) ? `[${host}]:${port}` : `${host}:${port}`;
}

export const isHost = (text: string): boolean => isIP(text) !== 0 || HOST_NAME.test(text);

function splitPort(text: string): { host: string; port?: string } {
  if (isIPv6(text)) return { host: text };
  const match = /^(?:\[([^\]]*)\]|([^:]*))(?::(.*))?$/s.exec(text);
  if (match === null) return { host: '' };
  const [, inBrackets, plain, port] = match;
  // Only an IPv6 address belongs in brackets.
  const host = inBrackets === undefined ? (plain ?? '') : isIPv6(inBrackets) ? inBrackets : '?';
  return port === undefined ? { host } : { host, port };
}

function parsePort(text: string, whole: string): number {
  const port = /^\d{1,5}$/.test(text) ? Number(text) : Number.NaN;
  if (Number.isNaN(port) || port > 65_535) throw bad(whole);
  return port;
}

function bad(text: string): GatehouseError {
  return new GatehouseError('BAD_REQUEST', `"${text.slice(0, 80)}" is not an address; write ${ADDRESS_SAYS}`);
}
