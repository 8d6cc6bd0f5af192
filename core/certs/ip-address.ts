// IP addresses and networks as bytes: SSH source-address lists and X.509 alternative names need the bytes, which
// node:net does not give. Pure and strict: one spelling rule for both formats.

/** 4 or 16 bytes, or undefined when `text` is not an address. Zones ("%eth0") and leading zeros are refused. */
export function parseIp(text: string): Uint8Array | undefined {
  return text.includes(':') ? parseIpv6(text) : parseIpv4(text);
}

/** The text of 4 or 16 bytes; IPv6 as RFC 5952 asks (lower case, longest run of zeros folded). */
export function formatIp(bytes: Uint8Array): string {
  if (bytes.length === 4) return bytes.join('.');
  const groups: number[] = [];
  for (let i = 0; i < 16; i += 2) groups.push(((bytes[i] ?? 0) << 8) | (bytes[i + 1] ?? 0));
  const hex = groups.map((group) => group.toString(16));
  const fold = longestZeroRun(groups);
  if (fold === undefined) return hex.join(':');
  return `${hex.slice(0, fold.start).join(':')}::${hex.slice(fold.start + fold.length).join(':')}`;
}

export interface IpNetwork {
  readonly address: Uint8Array;
  readonly prefixBits: number;
}

/** "10.0.0.0/8" or a single address; undefined when it is neither, or when bits beyond the prefix are set. */
export function parseNetwork(text: string): IpNetwork | undefined {
  const slash = text.indexOf('/');
  const address = parseIp(slash < 0 ? text : text.slice(0, slash));
  if (address === undefined) return undefined;
  const size = address.length * 8;
  const digits = slash < 0 ? String(size) : text.slice(slash + 1);
  const prefixBits = /^(0|[1-9]\d{0,2})$/.test(digits) ? Number(digits) : Number.NaN;
  if (!(prefixBits <= size)) return undefined;
  for (let bit = prefixBits; bit < size; bit++) if (bitAt(address, bit) === 1) return undefined;
  return { address, prefixBits };
}

/** True when the address lies in the network. An IPv4 address mapped into IPv6 counts as IPv4. */
export function isInNetwork(address: Uint8Array, network: IpNetwork): boolean {
  const plain = unmapIpv4(address);
  if (plain.length !== network.address.length) return false;
  for (let bit = 0; bit < network.prefixBits; bit++) {
    if (bitAt(plain, bit) !== bitAt(network.address, bit)) return false;
  }
  return true;
}

function bitAt(bytes: Uint8Array, bit: number): number {
  return ((bytes[bit >> 3] ?? 0) >> (7 - (bit & 7))) & 1;
}

function unmapIpv4(address: Uint8Array): Uint8Array {
  if (address.length !== 16) return address;
  const mapped = address.subarray(0, 12).every((byte, i) => byte === (i < 10 ? 0 : 0xff));
  return mapped ? address.subarray(12) : address;
}

function parseIpv4(text: string): Uint8Array | undefined {
  const parts = text.split('.', 5);
  if (parts.length !== 4) return undefined;
  const bytes = new Uint8Array(4);
  for (const [i, part] of parts.entries()) {
    if (!/^(0|[1-9]\d{0,2})$/.test(part) || Number(part) > 255) return undefined;
    bytes[i] = Number(part);
  }
  return bytes;
}

function parseIpv6(text: string): Uint8Array | undefined {
  if (text.length > 45) return undefined;
  const halves = text.split('::');
  if (halves.length > 2) return undefined;
  const head = parseGroups(halves[0] ?? '', halves.length === 1);
  const tail = halves.length === 2 ? parseGroups(halves[1] ?? '', true) : [];
  if (head === undefined || tail === undefined) return undefined;
  const missing = 16 - head.length - tail.length;
  if (halves.length === 1 ? missing !== 0 : missing < 2) return undefined;
  return Uint8Array.from([...head, ...Array<number>(missing).fill(0), ...tail]);
}

/** Groups of hex digits as bytes; `isLast`: the part may end with a dotted IPv4 address. */
function parseGroups(text: string, isLast: boolean): number[] | undefined {
  if (text === '') return [];
  const bytes: number[] = [];
  const groups = text.split(':');
  for (const [i, group] of groups.entries()) {
    if (isLast && i === groups.length - 1 && group.includes('.')) {
      const dotted = parseIpv4(group);
      if (dotted === undefined) return undefined;
      bytes.push(...dotted);
    } else if (/^[0-9a-fA-F]{1,4}$/.test(group)) {
      const value = Number.parseInt(group, 16);
      bytes.push(value >> 8, value & 0xff);
    } else return undefined;
  }
  return bytes;
}

function longestZeroRun(groups: readonly number[]): { start: number; length: number } | undefined {
  let best: { start: number; length: number } | undefined;
  let start = 0;
  for (let i = 0; i <= groups.length; i++) {
    if (groups[i] === 0) continue;
    const length = i - start;
    if (length >= 2 && length > (best?.length ?? 0)) best = { start, length };
    start = i + 1;
  }
  return best;
}
