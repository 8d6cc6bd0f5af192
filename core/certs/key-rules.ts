// Which public keys may stand in a certificate, in either format. One place, so that a key that is refused in an
// SSH certificate cannot come in through an X.509 one.
import { createPublicKey, type KeyObject } from 'node:crypto';
import type { Refuse } from './refusal.ts';

export const KEY_FAMILIES = ['ed25519', 'ecdsa-p256', 'ecdsa-p384', 'ecdsa-p521', 'rsa'] as const;
export type KeyFamily = (typeof KEY_FAMILIES)[number];

export const MIN_RSA_BITS = 2048;
/** Above this a single verification costs milliseconds, which an attacker would choose for us. */
export const MAX_RSA_BITS = 8192;
const MIN_RSA_EXPONENT = 65_537n;
const MAX_RSA_EXPONENT = 0xffff_ffffn;

const CURVE_FAMILIES: Readonly<Record<string, KeyFamily>> = {
  prime256v1: 'ecdsa-p256',
  secp384r1: 'ecdsa-p384',
  secp521r1: 'ecdsa-p521',
};

/** The y coordinates (little endian, sign bit off) of the Ed25519 points of small order. */
const SMALL_ORDER_Y: ReadonlySet<string> = new Set([
  '00'.repeat(32),
  `01${'00'.repeat(31)}`,
  `ec${'ff'.repeat(30)}7f`,
  '26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05',
  'c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a',
]);

/**
 * Returns the family of a public or private key, or throws the refusal: `unsupported-key` (other families, curves
 * and RSA-PSS), `weak-key` (RSA outside 2048..8192 bits, Ed25519 points of small order), `bad-key` (RSA exponent
 * that is not odd or not within 65537..2^32-1, Ed25519 in a non-canonical form).
 */
export function requireSoundKey(key: KeyObject, refuse: Refuse): KeyFamily {
  switch (key.asymmetricKeyType) {
    case 'ed25519':
      requireSoundPoint(key, refuse);
      return 'ed25519';
    case 'ec': {
      const family = CURVE_FAMILIES[key.asymmetricKeyDetails?.namedCurve ?? ''];
      if (family !== undefined) return family;
      throw refuse('unsupported-key', 'the curve of the key must be P-256, P-384 or P-521');
    }
    case 'rsa':
      requireSoundRsa(key, refuse);
      return 'rsa';
    default:
      throw refuse('unsupported-key', `a key must be one of ${KEY_FAMILIES.join(', ')}`);
  }
}

function requireSoundRsa(key: KeyObject, refuse: Refuse): void {
  const { modulusLength = 0, publicExponent = 0n } = key.asymmetricKeyDetails ?? {};
  if (modulusLength < MIN_RSA_BITS || modulusLength > MAX_RSA_BITS) {
    throw refuse(
      'weak-key',
      `an RSA key must have ${MIN_RSA_BITS} to ${MAX_RSA_BITS} bits, not ${modulusLength}`,
    );
  }
  if (publicExponent < MIN_RSA_EXPONENT || publicExponent > MAX_RSA_EXPONENT || publicExponent % 2n === 0n) {
    throw refuse('bad-key', 'the RSA public exponent must be odd and within 65537 to 4294967295');
  }
}

function requireSoundPoint(key: KeyObject, refuse: Refuse): void {
  const publicKey = key.type === 'private' ? createPublicKey(key) : key;
  const point = Buffer.from(publicKey.export({ format: 'jwk' }).x ?? '', 'base64url');
  if (point.length !== 32) throw refuse('bad-key', 'an Ed25519 key must have 32 bytes');
  point[31] = (point[31] ?? 0) & 0x7f;
  if (SMALL_ORDER_Y.has(point.toString('hex'))) throw refuse('weak-key', 'the Ed25519 key has a small order');
  if (isBeyondField(point)) throw refuse('bad-key', 'the Ed25519 key is not in its canonical form');
}

/** y >= 2^255 - 19, little endian: two encodings of one point would be two "different" keys. */
function isBeyondField(point: Buffer): boolean {
  if (point[31] !== 0x7f || (point[0] ?? 0) < 0xed) return false;
  return point.subarray(1, 31).every((byte) => byte === 0xff);
}
