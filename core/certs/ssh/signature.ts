// SSH signature blobs (RFC 4253 6.6, RFC 5656 3.1.2, RFC 8332). Separate from certificates because user
// authentication and key exchange sign and verify the same blobs.
import { sign, verify, type KeyObject } from 'node:crypto';
import { refuseCertificate, type Refuse } from '../refusal.ts';
import {
  signatureAlgorithmsOf,
  SSH_CURVES,
  type SshCurve,
  type SshSignatureAlgorithm,
} from './algorithms.ts';
import type { SshPublicKey } from './public-key.ts';
import { WireReader, WireWriter } from './wire.ts';

export const MAX_SIGNATURE_BYTES = 2048;

/** Signs `data`; returns { string algorithm, string signature }. The key must be of the algorithm's type. */
export function signSsh(
  privateKey: KeyObject,
  algorithm: SshSignatureAlgorithm,
  data: Uint8Array,
): Uint8Array {
  const writer = new WireWriter(algorithm.startsWith('rsa-') ? 1100 : 256).string(algorithm);
  const curve = SSH_CURVES[algorithm];
  if (curve === undefined) return writer.string(sign(hashOf(algorithm), data, privateKey)).finish();
  const raw = sign(curve.hash, data, { key: privateKey, dsaEncoding: 'ieee-p1363' });
  writer.nested((inner) => inner.mpint(raw.subarray(0, curve.size)).mpint(raw.subarray(curve.size)));
  return writer.finish();
}

/**
 * Throws unless `signature` is one of `key` over `data`, made with one of `allowed` (all that fit the key when not
 * given; in SSH user authentication give exactly the negotiated one). Reasons: `signature-algorithm`,
 * `bad-signature`, `malformed`, `too-large`, `trailing-bytes`.
 */
export function requireSshSignature(
  key: SshPublicKey,
  data: Uint8Array,
  signature: Uint8Array,
  allowed: readonly SshSignatureAlgorithm[] = signatureAlgorithmsOf(key.algorithm),
  refuse: Refuse = refuseCertificate,
): void {
  const { algorithm, value } = readSignature(key, signature, allowed, refuse);
  if (!isValid(key.key, algorithm, data, value, refuse)) {
    throw refuse('bad-signature', 'the signature does not verify');
  }
}

/** The algorithm a signature blob names, checked against the key but not verified. Throws as requireSshSignature. */
export function signatureAlgorithmOf(
  key: SshPublicKey,
  signature: Uint8Array,
  refuse: Refuse,
): SshSignatureAlgorithm {
  return readSignature(key, signature, signatureAlgorithmsOf(key.algorithm), refuse).algorithm;
}

function readSignature(
  key: SshPublicKey,
  signature: Uint8Array,
  allowed: readonly SshSignatureAlgorithm[],
  refuse: Refuse,
): { algorithm: SshSignatureAlgorithm; value: Uint8Array } {
  const reader = new WireReader(signature, refuse);
  const name = reader.text('the signature algorithm', 64);
  const fitting = signatureAlgorithmsOf(key.algorithm);
  const algorithm = allowed.find((candidate) => candidate === name && fitting.includes(candidate));
  if (algorithm === undefined) {
    throw refuse('signature-algorithm', `the signature must be ${allowed.join(' or ')} and fit the key`);
  }
  const value = reader.bytes('the signature', MAX_SIGNATURE_BYTES);
  reader.end('the signature');
  return { algorithm, value };
}

function isValid(
  key: KeyObject,
  algorithm: SshSignatureAlgorithm,
  data: Uint8Array,
  value: Uint8Array,
  refuse: Refuse,
): boolean {
  const curve = SSH_CURVES[algorithm];
  if (curve === undefined) return verify(hashOf(algorithm), data, key, value);
  return verify(
    curve.hash,
    data,
    { key, dsaEncoding: 'ieee-p1363' },
    readCurveSignature(curve, value, refuse),
  );
}

function readCurveSignature(curve: SshCurve, value: Uint8Array, refuse: Refuse): Uint8Array {
  const reader = new WireReader(value, refuse);
  const r = reader.mpint('the signature value r', curve.size);
  const s = reader.mpint('the signature value s', curve.size);
  reader.end('the signature');
  if (r.length > curve.size || s.length > curve.size)
    throw refuse('bad-signature', 'the signature is too long');
  const raw = new Uint8Array(2 * curve.size);
  raw.set(r, curve.size - r.length);
  raw.set(s, 2 * curve.size - s.length);
  return raw;
}

function hashOf(algorithm: SshSignatureAlgorithm): string | null {
  if (algorithm === 'rsa-sha2-256') return 'sha256';
  return algorithm === 'rsa-sha2-512' ? 'sha512' : null;
}
