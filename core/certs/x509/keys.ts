// Key pairs for both certificate formats: making them, and PKCS #8 PEM. Random and not pure in that one sense, but
// without I/O.
import { createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject } from 'node:crypto';
import { generateKeyPair as generateInBackground } from 'node:crypto';
import { promisify } from 'node:util';
import { Secret } from '../../secret.ts';
import { requireSoundKey } from '../key-rules.ts';
import { refuseInput } from '../refusal.ts';

export const KEY_ALGORITHMS = ['ed25519', 'ecdsa-p256', 'rsa-2048', 'rsa-4096'] as const;
export type KeyAlgorithm = (typeof KEY_ALGORITHMS)[number];

export interface KeyPair {
  readonly publicKey: KeyObject;
  readonly privateKey: KeyObject;
}

const MAX_PEM_LENGTH = 32 * 1024;
const generateAsync = promisify(generateInBackground);

/** At once, on this thread: microseconds for ed25519 and ecdsa-p256, up to seconds for RSA. */
export function generateKeyPair(algorithm: KeyAlgorithm): KeyPair {
  switch (algorithm) {
    case 'ed25519':
      return generateKeyPairSync('ed25519');
    case 'ecdsa-p256':
      return generateKeyPairSync('ec', { namedCurve: 'P-256' });
    case 'rsa-2048':
      return generateKeyPairSync('rsa', { modulusLength: 2048 });
    case 'rsa-4096':
      return generateKeyPairSync('rsa', { modulusLength: 4096 });
  }
}

/** Off the main thread: what a server must use when the key may be RSA. */
export function generateKeyPairAsync(algorithm: KeyAlgorithm): Promise<KeyPair> {
  switch (algorithm) {
    case 'ed25519':
      return generateAsync('ed25519');
    case 'ecdsa-p256':
      return generateAsync('ec', { namedCurve: 'P-256' });
    case 'rsa-2048':
      return generateAsync('rsa', { modulusLength: 2048 });
    case 'rsa-4096':
      return generateAsync('rsa', { modulusLength: 4096 });
  }
}

/** PKCS #8, unencrypted. */
export function privateKeyPem(privateKey: KeyObject): Secret {
  return new Secret(privateKey.export({ type: 'pkcs8', format: 'pem' }).toString());
}

/** SubjectPublicKeyInfo. */
export function publicKeyPem(publicKey: KeyObject): string {
  return publicKey.export({ type: 'spki', format: 'pem' }).toString();
}

/** Reads an unencrypted private key in PEM; BAD_REQUEST when it is none, encrypted, or of an unsupported kind. */
export function privateKeyFromPem(pem: Secret): KeyObject {
  // The cause is left out: it could quote key material.
  return readPem(pem.reveal(), 'an unencrypted private key', (key) =>
    createPrivateKey({ key, format: 'pem' }),
  );
}

/** Reads a public key (not a certificate or private key) in PEM; BAD_REQUEST when it is none we support. */
export function publicKeyFromPem(pem: string): KeyObject {
  if (!/^\s*-----BEGIN PUBLIC KEY-----/.test(pem))
    throw refuseInput('malformed', 'a public key in PEM is needed');
  return readPem(pem, 'a public key', (key) => createPublicKey({ key, format: 'pem' }));
}

function readPem(text: string, what: string, read: (text: string) => KeyObject): KeyObject {
  if (text.length > MAX_PEM_LENGTH)
    throw refuseInput('too-large', `${what} has at most ${MAX_PEM_LENGTH} characters`);
  let key: KeyObject;
  try {
    key = read(text);
  } catch {
    throw refuseInput('malformed', `this is not ${what} in PEM`);
  }
  requireSoundKey(key, refuseInput);
  return key;
}
