// The key of SigV4A: an ECDSA key on P-256 that both sides derive from the secret access key (the NIST counter-mode KDF
// of SP 800-108, with another try when the number does not fit the curve). Apart from sigv4.ts, which frames the text.
import { createECDH, createHmac, createPrivateKey, createPublicKey, sign, verify } from 'node:crypto';
import type { KeyObject } from 'node:crypto';
import { GatehouseError } from '../errors/error.ts';
import type { Secret } from '../secret.ts';

const LABEL = 'AWS4-ECDSA-P256-SHA256';
const KEY_BITS = 256;
const MAX_TRIES = 254;
/** The order of P-256 minus two: larger candidates are tried again. */
const LIMIT = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n - 2n;

/** The private key that belongs to these credentials; deriving takes about 0.2 ms. */
export function ecdsaKeyOf(credentials: {
  readonly accessKeyId: string;
  readonly secretAccessKey: Secret;
}): KeyObject {
  const input = `AWS4A${credentials.secretAccessKey.reveal()}`;
  for (let attempt = 1; attempt <= MAX_TRIES; attempt++) {
    const candidate = BigInt(`0x${candidateOf(input, credentials.accessKeyId, attempt).toString('hex')}`);
    if (candidate <= LIMIT) return privateKeyOf(candidate + 1n);
  }
  throw new GatehouseError('INTERNAL', 'no key for SigV4A can be derived from these credentials');
}

function candidateOf(input: string, accessKeyId: string, attempt: number): Buffer {
  const bits = Buffer.alloc(4);
  bits.writeUInt32BE(KEY_BITS);
  return createHmac('sha256', input)
    .update(Buffer.from([0, 0, 0, 1]))
    .update(LABEL)
    .update(Buffer.from([0]))
    .update(accessKeyId)
    .update(Buffer.from([attempt]))
    .update(bits)
    .digest();
}

function privateKeyOf(number: bigint): KeyObject {
  const d = Buffer.from(number.toString(16).padStart(64, '0'), 'hex');
  const curve = createECDH('prime256v1');
  curve.setPrivateKey(d);
  const point = curve.getPublicKey();
  const jwk = {
    kty: 'EC',
    crv: 'P-256',
    d: d.toString('base64url'),
    x: point.subarray(1, 33).toString('base64url'),
    y: point.subarray(33).toString('base64url'),
  };
  return createPrivateKey({ key: jwk, format: 'jwk' });
}

/** Signature in hex of its DER form. */
export function signEcdsa(text: string, key: KeyObject): string {
  return sign('sha256', Buffer.from(text, 'utf8'), key).toString('hex');
}

/** Whether `signature` (hex of DER) is one of `key`, private or public, over `text`. */
export function verifyEcdsa(text: string, key: KeyObject, signature: string): boolean {
  if (!/^(?:[0-9a-f]{2}){8,72}$/.test(signature)) return false;
  const publicKey = key.type === 'private' ? createPublicKey(key) : key;
  return verify('sha256', Buffer.from(text, 'utf8'), publicKey, Buffer.from(signature, 'hex'));
}
