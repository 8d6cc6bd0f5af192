// `ip:port` of a peer as one text: "192.0.2.1:22", "[2001:db8::1]:22". Here because whoever relays a connection writes
// it, and whoever serves it reads it and puts it into events. Names are never part of it.
import { formatIp, parseIp } from './certs/ip-address.ts';

export interface IpPort {
  readonly ip: string;
  readonly port: number;
}

/** An IPv4 address that came mapped into IPv6 is written as IPv4. Undefined when `ip` is no address. */
export function formatIpPort(ip: string, port: number): string | undefined {
  const parsed = parseIp(ip);
  if (parsed === undefined || !isPort(port)) return undefined;
  const bytes = isMapped(parsed) ? parsed.subarray(12) : parsed;
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

/** ::ffff:0:0/96, however it was written: `::ffff:10.0.0.1` and `::ffff:a00:1` are one address. */
const isMapped = (bytes: Uint8Array): boolean =>
  bytes.length === 16 && bytes.subarray(0, 12).every((byte, i) => byte === (i < 10 ? 0 : 255));

const isPort = (port: number): boolean => Number.isInteger(port) && port >= 0 && port <= 65_535;
