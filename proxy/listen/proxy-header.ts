// The PROXY protocol, versions 1 and 2: the line or block in which a balancer says whose connection it passes on. Only
// read from balancers that the configuration names. Bounded.
import { formatIp, parseIp } from '#core/certs/ip-address.ts';
import { formatIpPort } from '#core/ip-port.ts';

export interface ProxyHeader {
  /** Bytes of the header. */
  readonly length: number;
  /** `ip:port`; undefined when the balancer speaks for itself, as its health checks do. */
  readonly client: string | undefined;
}

/** A block of version 2 with its further fields; version 1 has 107 at most. */
export const MAX_PROXY_HEADER_BYTES = 2048;

const V1_START = Buffer.from('PROXY ');
const MAX_V1_BYTES = 107;
const V1 = /^PROXY (TCP4|TCP6) (\S{2,45}) (\S{2,45}) (\d{1,5}) (\d{1,5})$/;
const V1_UNKNOWN = /^PROXY UNKNOWN(?: [ -~]*)?$/;
const V2_START = Buffer.from('\r\n\r\n\0\r\nQUIT\n', 'latin1');
const V2_HEAD = 16;
const LOCAL = 0x20;
const PROXIED = 0x21;
/** Address family and stream, and how many bytes an address has. */
const V2_FAMILIES: Readonly<Record<number, number>> = { 0x11: 4, 0x21: 16 };

/** `absent` when the bytes cannot become a header, `partial` when they may, `malformed` when they are a bad one. */
export function readProxyHeader(bytes: Uint8Array): ProxyHeader | 'absent' | 'partial' | 'malformed' {
  if (startsLike(bytes, V1_START)) return bytes.length < V1_START.length ? 'partial' : readV1(bytes);
  if (startsLike(bytes, V2_START)) return bytes.length < V2_HEAD ? 'partial' : readV2(bytes);
  return 'absent';
}

/** True when one is the beginning of the other. */
function startsLike(bytes: Uint8Array, start: Uint8Array): boolean {
  const common = Math.min(bytes.length, start.length);
  for (let at = 0; at < common; at++) if (bytes[at] !== start[at]) return false;
  return common > 0;
}

function readV1(bytes: Uint8Array): ProxyHeader | 'partial' | 'malformed' {
  const window = Buffer.from(bytes.buffer, bytes.byteOffset, Math.min(bytes.length, MAX_V1_BYTES));
  const end = window.indexOf('\r\n');
  if (end < 0) return bytes.length < MAX_V1_BYTES ? 'partial' : 'malformed';
  const line = window.toString('latin1', 0, end);
  if (V1_UNKNOWN.test(line)) return { length: end + 2, client: undefined };
  const [, family, source = '', , port] = V1.exec(line) ?? [];
  const ip = parseIp(source);
  if (family === undefined || ip?.length !== (family === 'TCP4' ? 4 : 16)) return 'malformed';
  const client = formatIpPort(formatIp(ip), Number(port));
  return client === undefined ? 'malformed' : { length: end + 2, client };
}

function readV2(bytes: Uint8Array): ProxyHeader | 'partial' | 'malformed' {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const length = V2_HEAD + view.getUint16(14);
  if (length > MAX_PROXY_HEADER_BYTES) return 'malformed';
  if (bytes.length < length) return 'partial';
  const command = view.getUint8(12);
  if (command === LOCAL) return { length, client: undefined };
  if (command !== PROXIED) return 'malformed';
  const size = V2_FAMILIES[view.getUint8(13)];
  // Families without addresses that we know: datagrams and local sockets.
  if (size === undefined) return { length, client: undefined };
  if (length < V2_HEAD + 2 * size + 4) return 'malformed';
  const source = formatIp(bytes.subarray(V2_HEAD, V2_HEAD + size));
  const client = formatIpPort(source, view.getUint16(V2_HEAD + 2 * size));
  return client === undefined ? 'malformed' : { length, client };
}
