// A small DER encoder (X.690): just the types that certificates use. The reader is der-reader.ts; encoding trusts
// its caller, reading trusts nobody.
export const TAG = {
  boolean: 0x01,
  integer: 0x02,
  bitString: 0x03,
  octetString: 0x04,
  null: 0x05,
  oid: 0x06,
  utf8String: 0x0c,
  printableString: 0x13,
  ia5String: 0x16,
  utcTime: 0x17,
  generalizedTime: 0x18,
  sequence: 0x30,
  set: 0x31,
} as const;

export const DER_NULL: Uint8Array = Uint8Array.of(TAG.null, 0);
export const DER_TRUE: Uint8Array = Uint8Array.of(TAG.boolean, 1, 0xff);

/** One element: the tag, the length of all parts, the parts. */
export function der(tag: number, ...parts: readonly Uint8Array[]): Uint8Array {
  let length = 0;
  for (const part of parts) length += part.length;
  const headerBytes = length < 0x80 ? 2 : length < 0x100 ? 3 : length < 0x1_0000 ? 4 : 5;
  const out = new Uint8Array(headerBytes + length);
  out[0] = tag;
  writeLength(out, headerBytes, length);
  let at = headerBytes;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}

export function derSequence(...parts: readonly Uint8Array[]): Uint8Array {
  return der(TAG.sequence, ...parts);
}

/** A context-specific tag: constructed for explicit wrapping, primitive for an implicit string. */
export function derContext(
  number: number,
  isConstructed: boolean,
  ...parts: readonly Uint8Array[]
): Uint8Array {
  return der((isConstructed ? 0xa0 : 0x80) | number, ...parts);
}

/** A non-negative integer, from its big-endian magnitude. */
export function derInteger(magnitude: Uint8Array): Uint8Array {
  let start = 0;
  while (start < magnitude.length - 1 && magnitude[start] === 0) start++;
  const body = magnitude.subarray(start);
  if (body.length === 0) return der(TAG.integer, Uint8Array.of(0));
  return (body[0] ?? 0) < 0x80 ? der(TAG.integer, body) : der(TAG.integer, Uint8Array.of(0), body);
}

export function derOctetString(bytes: Uint8Array): Uint8Array {
  return der(TAG.octetString, bytes);
}

/** Whole bytes only, except through `unusedBits`. */
export function derBitString(bytes: Uint8Array, unusedBits = 0): Uint8Array {
  return der(TAG.bitString, Uint8Array.of(unusedBits), bytes);
}

export function derString(tag: number, text: string): Uint8Array {
  return der(tag, Buffer.from(text, 'utf8'));
}

function writeLength(out: Uint8Array, headerBytes: number, length: number): void {
  if (headerBytes === 2) {
    out[1] = length;
    return;
  }
  out[1] = 0x80 | (headerBytes - 2);
  for (let i = headerBytes - 1, rest = length; i > 1; i--, rest >>>= 8) out[i] = rest & 0xff;
}
