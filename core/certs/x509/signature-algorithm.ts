// Signature algorithms of certificates: name, AlgorithmIdentifier bytes, digest, and the keys that may use them.
import { sign, verify, type KeyObject } from 'node:crypto';
import type { KeyFamily } from '../key-rules.ts';
import type { Refuse } from '../refusal.ts';
import { DER_NULL, derSequence } from './der.ts';
import { derOid } from './oid.ts';

interface AlgorithmInfo {
  readonly families: readonly KeyFamily[];
  readonly digest: string | null;
  /** The AlgorithmIdentifier; compared whole, so absent and NULL parameters are not mixed up. */
  readonly der: Uint8Array;
}

const ECDSA: readonly KeyFamily[] = ['ecdsa-p256', 'ecdsa-p384', 'ecdsa-p521'];

/** A digest weaker than the curve is allowed when reading (P-384 with SHA-256 is common); SHA-1 never. */
const ALGORITHMS = {
  ed25519: { families: ['ed25519'], digest: null, der: derSequence(derOid('1.3.101.112')) },
  'ecdsa-sha256': { families: ECDSA, digest: 'sha256', der: derSequence(derOid('1.2.840.10045.4.3.2')) },
  'ecdsa-sha384': { families: ECDSA, digest: 'sha384', der: derSequence(derOid('1.2.840.10045.4.3.3')) },
  'ecdsa-sha512': { families: ECDSA, digest: 'sha512', der: derSequence(derOid('1.2.840.10045.4.3.4')) },
  'rsa-sha256': {
    families: ['rsa'],
    digest: 'sha256',
    der: derSequence(derOid('1.2.840.113549.1.1.11'), DER_NULL),
  },
  'rsa-sha384': {
    families: ['rsa'],
    digest: 'sha384',
    der: derSequence(derOid('1.2.840.113549.1.1.12'), DER_NULL),
  },
  'rsa-sha512': {
    families: ['rsa'],
    digest: 'sha512',
    der: derSequence(derOid('1.2.840.113549.1.1.13'), DER_NULL),
  },
} as const satisfies Record<string, AlgorithmInfo>;

export type X509SignatureAlgorithm = keyof typeof ALGORITHMS;

const DEFAULTS: Readonly<Record<KeyFamily, X509SignatureAlgorithm>> = {
  ed25519: 'ed25519',
  'ecdsa-p256': 'ecdsa-sha256',
  'ecdsa-p384': 'ecdsa-sha384',
  'ecdsa-p521': 'ecdsa-sha512',
  rsa: 'rsa-sha256',
};

/** `wanted`, or the default of the family; throws `signature-algorithm` when the family cannot make it. */
export function chooseAlgorithm(
  family: KeyFamily,
  wanted: X509SignatureAlgorithm | undefined,
  refuse: Refuse,
): X509SignatureAlgorithm {
  const algorithm = wanted ?? DEFAULTS[family];
  const info: AlgorithmInfo | undefined = ALGORITHMS[algorithm];
  if (info !== undefined && info.families.includes(family)) return algorithm;
  throw refuse('signature-algorithm', `a key of type ${family} cannot sign with ${algorithm}`);
}

export function algorithmDer(algorithm: X509SignatureAlgorithm): Uint8Array {
  return ALGORITHMS[algorithm].der;
}

/** The algorithm with exactly this AlgorithmIdentifier; throws `signature-algorithm`. */
export function algorithmOfDer(identifier: Uint8Array, refuse: Refuse): X509SignatureAlgorithm {
  const bytes = Buffer.from(identifier.buffer, identifier.byteOffset, identifier.byteLength);
  for (const [name, info] of Object.entries(ALGORITHMS)) {
    if (bytes.equals(info.der)) return name as X509SignatureAlgorithm;
  }
  throw refuse('signature-algorithm', `the signature must be one of ${Object.keys(ALGORITHMS).join(', ')}`);
}

export function signX509(
  privateKey: KeyObject,
  algorithm: X509SignatureAlgorithm,
  data: Uint8Array,
): Uint8Array {
  return sign(ALGORITHMS[algorithm].digest, data, privateKey);
}

/** False also when the key is not of the algorithm's family. */
export function isSignedBy(
  key: KeyObject,
  family: KeyFamily,
  algorithm: X509SignatureAlgorithm,
  data: Uint8Array,
  signature: Uint8Array,
): boolean {
  const info: AlgorithmInfo = ALGORITHMS[algorithm];
  return info.families.includes(family) && verify(info.digest, data, key, signature);
}
