// SubjectPublicKeyInfo: the key inside a certificate, in its one canonical form. Explicit curve parameters
// (CVE-2020-0601), compressed points and odd RSA encodings are refused by comparing bytes.
import { createHash, createPublicKey, type KeyObject } from 'node:crypto';
import { requireSoundKey, type KeyFamily } from '../key-rules.ts';
import type { Refuse } from '../refusal.ts';
import { derBitString, derSequence } from './der.ts';
import { derOid } from './oid.ts';

export interface PublicKeyInfo {
  readonly key: KeyObject;
  readonly family: KeyFamily;
  /** The SubjectPublicKeyInfo. */
  readonly der: Uint8Array;
}

const MAX_SPKI_BYTES = 2048;
const EC_KEY = derOid('1.2.840.10045.2.1');

/** Everything before the key's own bytes, and how many of these follow. */
const PREFIXES: Readonly<Partial<Record<KeyFamily, { prefix: Buffer; keyBytes: number }>>> = {
  ed25519: shape(derSequence(derOid('1.3.101.112')), 32, false),
  'ecdsa-p256': shape(derSequence(EC_KEY, derOid('1.2.840.10045.3.1.7')), 64, true),
  'ecdsa-p384': shape(derSequence(EC_KEY, derOid('1.3.132.0.34')), 96, true),
  'ecdsa-p521': shape(derSequence(EC_KEY, derOid('1.3.132.0.35')), 132, true),
};

/** Throws `unsupported-key`, `weak-key` or `bad-key`. */
export function publicKeyInfo(key: KeyObject, refuse: Refuse): PublicKeyInfo {
  const publicKey = key.type === 'private' ? createPublicKey(key) : key;
  const family = requireSoundKey(publicKey, refuse);
  const der = publicKey.export({ type: 'spki', format: 'der' });
  if (!isCanonical(family, der)) throw refuse('bad-key', 'the key is not on a named curve in its plain form');
  return { key: publicKey, family, der };
}

/** Reads the whole element; throws `malformed`, `unsupported-key`, `weak-key` or `bad-key`. */
export function parsePublicKeyInfo(der: Uint8Array, refuse: Refuse): PublicKeyInfo {
  if (der.length > MAX_SPKI_BYTES) throw refuse('too-large', 'the public key is too large');
  let key: KeyObject;
  try {
    key = createPublicKey({ key: Buffer.from(der), format: 'der', type: 'spki' });
  } catch (cause) {
    throw refuse('bad-key', 'the public key is not a valid one', cause);
  }
  const info = publicKeyInfo(key, refuse);
  if (!Buffer.from(der).equals(info.der)) throw refuse('bad-key', 'the public key is not in its DER form');
  return info;
}

/** RFC 7093 method 4, cut to 160 bits as is usual: SHA-256 over the whole SubjectPublicKeyInfo. */
export function keyIdOf(info: PublicKeyInfo): Uint8Array {
  return createHash('sha256').update(info.der).digest().subarray(0, 20);
}

function isCanonical(family: KeyFamily, der: Uint8Array): boolean {
  const known = PREFIXES[family];
  if (known === undefined) return true;
  const prefix = Buffer.from(der.buffer, der.byteOffset, known.prefix.length);
  return der.length === known.prefix.length + known.keyBytes && prefix.equals(known.prefix);
}

function shape(
  algorithm: Uint8Array,
  keyBytes: number,
  isPoint: boolean,
): { prefix: Buffer; keyBytes: number } {
  const key = new Uint8Array(keyBytes + (isPoint ? 1 : 0));
  if (isPoint) key[0] = 4;
  const whole = derSequence(algorithm, derBitString(key));
  return { prefix: Buffer.from(whole.subarray(0, -keyBytes)), keyBytes };
}
