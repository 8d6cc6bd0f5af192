// Object identifiers: text <-> DER, and the ones certificates use. Arcs may be of 128 bits (2.25.<UUID>), hence bigint.
import type { Refuse } from '../refusal.ts';
import { der, TAG } from './der.ts';

const MAX_OID_BYTES = 64;
const MAX_OID_TEXT = 200;

export const OID = {
  commonName: '2.5.4.3',
  serialNumber: '2.5.4.5',
  country: '2.5.4.6',
  locality: '2.5.4.7',
  province: '2.5.4.8',
  organization: '2.5.4.10',
  organizationalUnit: '2.5.4.11',
  subjectKeyId: '2.5.29.14',
  keyUsage: '2.5.29.15',
  subjectAltName: '2.5.29.17',
  basicConstraints: '2.5.29.19',
  nameConstraints: '2.5.29.30',
  authorityKeyId: '2.5.29.35',
  extKeyUsage: '2.5.29.37',
  serverAuth: '1.3.6.1.5.5.7.3.1',
  clientAuth: '1.3.6.1.5.5.7.3.2',
  codeSigning: '1.3.6.1.5.5.7.3.3',
  emailProtection: '1.3.6.1.5.5.7.3.4',
  timeStamping: '1.3.6.1.5.5.7.3.8',
  ocspSigning: '1.3.6.1.5.5.7.3.9',
} as const;

/** True for dotted decimal within our bounds: first arc 0..2, second below 40 unless the first is 2. */
export function isOid(text: string): boolean {
  if (text.length > MAX_OID_TEXT || !/^[0-2]\.(0|[1-9]\d*)(\.(0|[1-9]\d*))*$/.test(text)) return false;
  const second = text.slice(2).split('.')[0] ?? '';
  return (text.startsWith('2') || Number(second) < 40) && oidContent(text).length <= MAX_OID_BYTES;
}

/** The whole DER element. `text` must be one that isOid takes. */
export function derOid(text: string): Uint8Array {
  return der(TAG.oid, oidContent(text));
}

/** From the content octets. Throws `refuse('malformed')` on an empty, cut, padded or too long one. */
export function decodeOid(content: Uint8Array, refuse: Refuse): string {
  const isCut = ((content[content.length - 1] ?? 0x80) & 0x80) !== 0;
  if (content.length > MAX_OID_BYTES || isCut)
    throw refuse('malformed', 'an object identifier is not in DER');
  const arcs: bigint[] = [];
  let arc = 0n;
  let isStart = true;
  for (const byte of content) {
    if (isStart && byte === 0x80) throw refuse('malformed', 'an object identifier is padded');
    arc = (arc << 7n) | BigInt(byte & 0x7f);
    isStart = byte < 0x80;
    if (isStart) {
      arcs.push(arc);
      arc = 0n;
    }
  }
  const [joined = 0n, ...rest] = arcs;
  const first = joined < 40n ? 0n : joined < 80n ? 1n : 2n;
  return [first, joined - first * 40n, ...rest].join('.');
}

function oidContent(text: string): Uint8Array {
  const [first = 0n, second = 0n, ...rest] = text.split('.').map(BigInt);
  const bytes: number[] = [];
  for (const arc of [first * 40n + second, ...rest]) bytes.push(...base128(arc));
  return Uint8Array.from(bytes);
}

function base128(value: bigint): number[] {
  const bytes = [Number(value & 0x7fn)];
  for (let left = value >> 7n; left > 0n; left >>= 7n) bytes.unshift(Number(left & 0x7fn) | 0x80);
  return bytes;
}
