// curve25519-sha256 (RFC 8731), and the X25519 half of the hybrid.
import { createPublicKey, diffieHellman, generateKeyPairSync, type KeyObject } from 'node:crypto';
import { protocolError } from '../failure.ts';
import { asMpint } from './encoding.ts';
import type { KexMethod } from './method.ts';

export const X25519_BYTES = 32;

export interface X25519Pair {
  readonly privateKey: KeyObject;
  /** Raw, 32 bytes. */
  readonly publicKey: Uint8Array;
}

export function makeX25519(): X25519Pair {
  const { privateKey, publicKey } = generateKeyPairSync('x25519');
  return { privateKey, publicKey: Buffer.from(publicKey.export({ format: 'jwk' }).x ?? '', 'base64url') };
}

/** Throws BAD_REQUEST for a value of the wrong length and for one that makes the secret zero (RFC 7748 6.1). */
export function agreeX25519(own: KeyObject, theirs: Uint8Array): Buffer {
  if (theirs.length !== X25519_BYTES) throw protocolError('a public value of X25519 has 32 bytes');
  const x = Buffer.from(theirs.buffer, theirs.byteOffset, theirs.length).toString('base64url');
  let secret: Buffer;
  try {
    const publicKey = createPublicKey({ key: { kty: 'OKP', crv: 'X25519', x }, format: 'jwk' });
    secret = diffieHellman({ privateKey: own, publicKey });
  } catch (cause) {
    throw protocolError('the public value of X25519 is not usable', cause);
  }
  if (secret.every((byte) => byte === 0)) throw protocolError('the public value of X25519 is not usable');
  return secret;
}

export const curve25519: KexMethod = {
  hash: 'sha256',
  offer() {
    const own = makeX25519();
    return { message: own.publicKey, finish: (answer) => asMpint(agreeX25519(own.privateKey, answer)) };
  },
  answer(offer) {
    const own = makeX25519();
    return { message: own.publicKey, secret: asMpint(agreeX25519(own.privateKey, offer)) };
  },
};
