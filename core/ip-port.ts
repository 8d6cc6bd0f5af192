// `ip:port` of a peer as one text: "192.0.2.1:22", "[2001:db8::1]:22". Here because whoever relays a connection writes
// it, and whoever serves it reads it and puts it into events. Names are never part of it.
import { formatIp, parseIp } from './certs/ip-address.ts';

export interface IpPort {
  readonly ip: string;
  readonly port: number;
}

/** An IPv4 address that came mapped into IPv6 is written as IPv4. Undefined when `ip` is no address. */
export function formatIpPort(ip: string, port: number): string | undefined {
  const bytes = parseIp(/^::ffff:[\d.]+$/i.test(ip) ? ip.slice('::ffff:'.length) : ip);
  if (bytes === undefined || !isPort(port)) return undefined;
  return bytes.length === 4 ? `${formatIp(bytes)}:${port}` : `[${formatIp(bytes)}]:${port}`;
}

/** Undefined unless `text` is exactly what formatIpPort writes. */
export function parseIpPort(text: string): IpPort | undefined {
  const match = /^(?:\[([0-9a-f:.]{2,45})\]|([\d.]{7,15})):(\d{1,5})$/.exec(text);
  if (match === null) return undefined;
  const ip = match[1] ?? match[2] ?? '';
  const port = Number(match[3]);
  return formatIpPort(ip, port) === text ? { ip, port } : undefined;
}

const isPort = (port: number): boolean => Number.isInteger(port) && port >= 0 && port <= 65_535;
