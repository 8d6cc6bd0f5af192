// diffie-hellman-group14-sha256 and -group16-sha512 (RFC 8268), for old clients.
import { getDiffieHellman, type DiffieHellmanGroup } from 'node:crypto';
import { protocolError } from '../failure.ts';
import { asMpint } from './encoding.ts';
import type { KexMethod } from './method.ts';

export const group14 = group('modp14', 'sha256');
export const group16 = group('modp16', 'sha512');

function group(name: 'modp14' | 'modp16', hash: KexMethod['hash']): KexMethod {
  const make = (): { own: DiffieHellmanGroup; message: Uint8Array } => {
    const own = getDiffieHellman(name);
    // Without the length that mpint writes: all methods have their values as the content of a string.
    return { own, message: asMpint(own.generateKeys()).subarray(4) };
  };
  const secretOf = (own: DiffieHellmanGroup, theirs: Uint8Array): Uint8Array => {
    requireInRange(theirs, own.getPrime());
    return asMpint(own.computeSecret(theirs));
  };
  return {
    hash,
    offer() {
      const { own, message } = make();
      return { message, finish: (answer) => secretOf(own, answer) };
    },
    answer(offer) {
      const { own, message } = make();
      return { message, secret: secretOf(own, offer) };
    },
  };
}

/** RFC 4253 8 allows 1 to p - 1; its ends give everybody the secret, so 1 < value < p - 1 (RFC 8268 4). */
function requireInRange(content: Uint8Array, prime: Buffer): void {
  const value = magnitude(content);
  const last = Buffer.from(prime);
  last[last.length - 1] = (last[last.length - 1] ?? 0) - 1;
  const isAboveOne = value.length > 1 || (value[0] ?? 0) > 1;
  const isBelowLast = value.length < last.length || (value.length === last.length && value.compare(last) < 0);
  if (!isAboveOne || !isBelowLast) throw protocolError('the public value of Diffie-Hellman is out of range');
}

/** Of a positive mpint in its one shortest form. */
function magnitude(content: Uint8Array): Buffer {
  const bytes = Buffer.from(content.buffer, content.byteOffset, content.length);
  const first = bytes[0] ?? 0;
  const isNegative = first >= 0x80;
  const isPadded = first === 0 && (bytes[1] ?? 0) < 0x80;
  if (bytes.length === 0 || isNegative || isPadded)
    throw protocolError('the public value is not a positive mpint');
  return first === 0 ? bytes.subarray(1) : bytes;
}
