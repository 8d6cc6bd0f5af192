// ecdh-sha2-nistp256 and -nistp384 (RFC 5656 4), for peers that may use NIST's curves only.
import { createECDH, type ECDH } from 'node:crypto';
import { protocolError } from '../failure.ts';
import { asMpint } from './encoding.ts';
import type { KexMethod } from './method.ts';

export const ecdhP256 = ecdh('prime256v1', 32, 'sha256');
export const ecdhP384 = ecdh('secp384r1', 48, 'sha384');

function ecdh(curve: string, size: number, hash: KexMethod['hash']): KexMethod {
  const make = (): { own: ECDH; message: Uint8Array } => {
    const own = createECDH(curve);
    return { own, message: own.generateKeys() };
  };
  const secretOf = (own: ECDH, theirs: Uint8Array): Uint8Array => {
    // Only the uncompressed form; OpenSSL checks that the point is on the curve.
    if (theirs.length !== 1 + 2 * size || theirs[0] !== 4) {
      throw protocolError('the public point must be uncompressed and of the curve');
    }
    try {
      return asMpint(own.computeSecret(theirs));
    } catch (cause) {
      throw protocolError('the public point is not on the curve', cause);
    }
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
