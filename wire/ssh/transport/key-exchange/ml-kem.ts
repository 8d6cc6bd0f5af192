// mlkem768x25519-sha256 (draft-ietf-sshm-mlkem-hybrid-kex): safe as long as either half is. The default of OpenSSH 10.
import {
  createHash,
  createPublicKey,
  decapsulate,
  encapsulate,
  generateKeyPairSync,
  type KeyObject,
} from 'node:crypto';
import { protocolError } from '../failure.ts';
import { agreeX25519, makeX25519, X25519_BYTES } from './curve25519.ts';
import { asString } from './encoding.ts';
import type { KexMethod } from './method.ts';

/** FIPS 203, ML-KEM-768. */
const PUBLIC_BYTES = 1184;
const CIPHERTEXT_BYTES = 1088;
/** What stands before the key in its SubjectPublicKeyInfo; node:crypto takes and gives it in no rawer form. */
const SPKI_PREFIX = Buffer.from('308204b2300b0609608648016503040402038204a100', 'hex');

export const mlKem768x25519: KexMethod = {
  hash: 'sha256',
  offer() {
    const kem = generateKeyPairSync('ml-kem-768');
    const curve = makeX25519();
    const kemPublic = kem.publicKey.export({ format: 'der', type: 'spki' }).subarray(SPKI_PREFIX.length);
    return {
      message: Buffer.concat([kemPublic, curve.publicKey]),
      finish(answer) {
        if (answer.length !== CIPHERTEXT_BYTES + X25519_BYTES) {
          throw protocolError('the answer of the hybrid exchange has the wrong length');
        }
        const kemSecret = decapsulate(kem.privateKey, answer.subarray(0, CIPHERTEXT_BYTES));
        return combine(kemSecret, agreeX25519(curve.privateKey, answer.subarray(CIPHERTEXT_BYTES)));
      },
    };
  },
  answer(offer) {
    if (offer.length !== PUBLIC_BYTES + X25519_BYTES) {
      throw protocolError('the offer of the hybrid exchange has the wrong length');
    }
    const { ciphertext, sharedKey } = encapsulate(kemKey(offer.subarray(0, PUBLIC_BYTES)));
    const curve = makeX25519();
    const secret = combine(sharedKey, agreeX25519(curve.privateKey, offer.subarray(PUBLIC_BYTES)));
    return { message: Buffer.concat([ciphertext, curve.publicKey]), secret };
  },
};

/** Importing makes the check of FIPS 203 7.2 that every coefficient is reduced. */
function kemKey(raw: Uint8Array): KeyObject {
  try {
    return createPublicKey({ key: Buffer.concat([SPKI_PREFIX, raw]), format: 'der', type: 'spki' });
  } catch (cause) {
    throw protocolError('the public key of ML-KEM is not valid', cause);
  }
}

function combine(kemSecret: Uint8Array, curveSecret: Uint8Array): Uint8Array {
  return asString(createHash('sha256').update(kemSecret).update(curveSecret).digest());
}
