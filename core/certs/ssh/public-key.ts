// SSH public keys (RFC 4253 6.6, RFC 5656, RFC 8709): wire blob, authorized_keys line, fingerprint, KeyObject.
// A blob is accepted only in its one canonical form, so equal keys have equal blobs.
import { createHash, createPublicKey, type JsonWebKey, type KeyObject } from 'node:crypto';
import { requireSoundKey } from '../key-rules.ts';
import { refuseInput, type Refuse } from '../refusal.ts';
import { isCertificateAlgorithm, isSshKeyAlgorithm, SSH_CURVES, SSH_KEY_ALGORITHMS } from './algorithms.ts';
import type { SshCurve, SshKeyAlgorithm } from './algorithms.ts';
import { WireReader, WireWriter } from './wire.ts';

export interface SshPublicKey {
  readonly algorithm: SshKeyAlgorithm;
  /** The wire form, algorithm name first. */
  readonly blob: Uint8Array;
  readonly key: KeyObject;
}

export const MAX_PUBLIC_KEY_BYTES = 4096;
const MAX_NAME_BYTES = 256;
const MAX_INTEGER_BYTES = 1024;

/**
 * Reads a plain key blob. Throws BAD_REQUEST (or what `refuse` makes) with reason `malformed`, `too-large`,
 * `trailing-bytes`, `unsupported-key`, `weak-key`, `bad-key`, or `key-is-certificate`.
 */
export function parsePublicKey(blob: Uint8Array, refuse: Refuse = refuseInput): SshPublicKey {
  if (blob.length > MAX_PUBLIC_KEY_BYTES) {
    throw refuse('too-large', `a public key has at most ${MAX_PUBLIC_KEY_BYTES} bytes`);
  }
  const reader = new WireReader(blob, refuse);
  const name = reader.text('the key type', MAX_NAME_BYTES);
  if (isCertificateAlgorithm(name)) {
    throw refuse('key-is-certificate', 'a plain public key is needed here, not a certificate');
  }
  if (!isSshKeyAlgorithm(name)) throw unsupported(refuse);
  const key = readKeyFields(name, reader, refuse);
  reader.end('the public key');
  return { algorithm: name, blob: new Uint8Array(blob), key };
}

/** Reads the fields after the algorithm name: the part that plain keys and certificates have in common. */
export function readKeyFields(algorithm: SshKeyAlgorithm, reader: WireReader, refuse: Refuse): KeyObject {
  const jwk = readJwk(algorithm, reader, refuse);
  let key: KeyObject;
  try {
    key = createPublicKey({ key: jwk, format: 'jwk' });
  } catch (cause) {
    throw refuse('bad-key', `the ${algorithm} key is not a valid one`, cause);
  }
  requireSoundKey(key, refuse);
  return key;
}

/** Throws BAD_REQUEST with reason `unsupported-key`, `weak-key` or `bad-key`. Takes public and private keys. */
export function publicKeyFromKeyObject(key: KeyObject): SshPublicKey {
  const publicKey = key.type === 'private' ? createPublicKey(key) : key;
  const family = requireSoundKey(publicKey, refuseInput);
  const jwk = publicKey.export({ format: 'jwk' });
  const writer = new WireWriter(family === 'rsa' ? 600 : 160);
  if (family === 'ed25519') {
    writer.string('ssh-ed25519').string(fromBase64url(jwk.x));
    return { algorithm: 'ssh-ed25519', blob: writer.finish(), key: publicKey };
  }
  if (family === 'rsa') {
    writer.string('ssh-rsa').mpint(fromBase64url(jwk.e)).mpint(fromBase64url(jwk.n));
    return { algorithm: 'ssh-rsa', blob: writer.finish(), key: publicKey };
  }
  const algorithm = `ecdsa-sha2-nist${family.slice('ecdsa-'.length)}`;
  const curve = SSH_CURVES[algorithm];
  if (!isSshKeyAlgorithm(algorithm) || curve === undefined) throw unsupported(refuseInput);
  const point = Buffer.concat([Uint8Array.of(4), fromBase64url(jwk.x), fromBase64url(jwk.y)]);
  writer.string(algorithm).string(curve.name).string(point);
  return { algorithm, blob: writer.finish(), key: publicKey };
}

/** "SHA256:..." as ssh-keygen -l prints it. Of a certificate, give the key inside. */
export function fingerprint(key: Pick<SshPublicKey, 'blob'>): string {
  return `SHA256:${createHash('sha256').update(key.blob).digest('base64').replace(/=+$/, '')}`;
}

function readJwk(algorithm: SshKeyAlgorithm, reader: WireReader, refuse: Refuse): JsonWebKey {
  const curve = SSH_CURVES[algorithm];
  if (curve !== undefined) return readCurvePoint(curve, reader, refuse);
  if (algorithm === 'ssh-rsa') {
    const e = toBase64url(reader.mpint('the RSA exponent', MAX_INTEGER_BYTES));
    return { kty: 'RSA', e, n: toBase64url(reader.mpint('the RSA modulus', MAX_INTEGER_BYTES)) };
  }
  const point = reader.bytes('the Ed25519 key', 32);
  if (point.length !== 32) throw refuse('malformed', 'an Ed25519 key must have 32 bytes');
  return { kty: 'OKP', crv: 'Ed25519', x: toBase64url(point) };
}

function readCurvePoint(curve: SshCurve, reader: WireReader, refuse: Refuse): JsonWebKey {
  const name = reader.text('the curve name', MAX_NAME_BYTES);
  if (name !== curve.name) throw refuse('malformed', 'the curve of the key does not fit its type');
  const point = reader.bytes('the curve point', 1 + 2 * 66);
  if (point[0] !== 4 || point.length !== 1 + 2 * curve.size) {
    throw refuse('malformed', 'an ECDSA key must be an uncompressed point of its curve');
  }
  const x = toBase64url(point.subarray(1, 1 + curve.size));
  return { kty: 'EC', crv: curve.jwk, x, y: toBase64url(point.subarray(1 + curve.size)) };
}

function unsupported(refuse: Refuse): Error {
  return refuse('unsupported-key', `the key type must be one of ${SSH_KEY_ALGORITHMS.join(', ')}`);
}

function toBase64url(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64url');
}

function fromBase64url(text: string | undefined): Uint8Array {
  return Buffer.from(text ?? '', 'base64url');
}
