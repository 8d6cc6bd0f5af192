// Public keys as issuers of tokens publish them (RFC 7517): strict and bounded. The key alone says which algorithm it is
// good for, so that no header of a token can talk anybody into another one. Apart from jwt.ts because resources hold keys.
import { createPublicKey, type JsonWebKey, type KeyObject } from 'node:crypto';
import { GatehouseError } from '../errors/error.ts';
import { isPlainObject } from '../schema/check.ts';

export type JwtAlgorithm = 'RS256' | 'ES256';

export interface JwtKey {
  /** Undefined when the issuer does not name it. */
  readonly id: string | undefined;
  /** The only one that it verifies. */
  readonly algorithm: JwtAlgorithm;
  readonly key: KeyObject;
}

export const MAX_JWKS_BYTES = 64 * 1024;
const MAX_KEYS = 64;
const MAX_KEY_ID = 256;
const RSA_BITS = { min: 2048, max: 8192 };
/** Parts of private and symmetric keys. */
const PRIVATE_FIELDS = ['d', 'p', 'q', 'dp', 'dq', 'qi', 'oth', 'k'];

/**
 * The keys of a JSON Web Key Set that verify RS256 or ES256; keys for other uses are left out. BAD_REQUEST with a
 * message that completes "the keys …": no JSON, no usable key, a weak or damaged one, or a private key.
 */
export function parseJwks(text: string): readonly JwtKey[] {
  if (text.length > MAX_JWKS_BYTES) throw bad(`are more than ${MAX_JWKS_BYTES} characters`);
  const listed = listOf(text);
  if (listed.length > MAX_KEYS) throw bad(`are more than ${MAX_KEYS}`);
  const keys = listed.flatMap((entry) => keyOf(entry) ?? []);
  if (keys.length === 0) throw bad('include none for RS256 or ES256');
  const ids = keys.flatMap(({ id }) => id ?? []);
  if (new Set(ids).size !== ids.length) throw bad('include two with one kid');
  return keys;
}

function listOf(text: string): readonly unknown[] {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw bad('are no JSON');
  }
  const keys = isPlainObject(value) ? value['keys'] : undefined;
  if (!Array.isArray(keys)) throw bad('are no JSON Web Key Set: {"keys": [...]}');
  return keys;
}

function keyOf(entry: unknown): JwtKey | undefined {
  if (!isPlainObject(entry)) throw bad('include one that is no object');
  if (PRIVATE_FIELDS.some((field) => Object.hasOwn(entry, field))) {
    throw bad('include a private or symmetric one: publish public keys only, and replace that one');
  }
  const algorithm = algorithmOf(entry);
  if (algorithm === undefined) return undefined;
  const { kid } = entry;
  if (kid !== undefined && (typeof kid !== 'string' || kid.length > MAX_KEY_ID)) {
    throw bad('include one with a kid that is no short text');
  }
  return { id: kid, algorithm, key: importKey(entry, algorithm) };
}

/** Undefined for keys of other types and uses. */
function algorithmOf({
  kty,
  crv,
  alg,
  use,
  key_ops: operations,
}: Record<string, unknown>): JwtAlgorithm | undefined {
  const byType = kty === 'RSA' ? 'RS256' : kty === 'EC' && crv === 'P-256' ? 'ES256' : undefined;
  if (alg !== undefined && alg !== byType) return undefined;
  if (use !== undefined && use !== 'sig') return undefined;
  if (operations !== undefined && !(Array.isArray(operations) && operations.includes('verify')))
    return undefined;
  return byType;
}

function importKey({ kty, n, e, crv, x, y }: Record<string, unknown>, algorithm: JwtAlgorithm): KeyObject {
  const publicPart = algorithm === 'RS256' ? { kty, n, e } : { kty, crv, x, y };
  let key: KeyObject;
  try {
    key = createPublicKey({ key: publicPart as JsonWebKey, format: 'jwk' });
  } catch {
    throw bad('include one that cannot be read');
  }
  if (algorithm === 'ES256') return key;
  const { modulusLength = 0, publicExponent = 0n } = key.asymmetricKeyDetails ?? {};
  if (modulusLength < RSA_BITS.min || modulusLength > RSA_BITS.max) {
    throw bad(`include an RSA key that does not have ${RSA_BITS.min} to ${RSA_BITS.max} bits`);
  }
  if (publicExponent < 3n || publicExponent % 2n === 0n || publicExponent > 0xffff_ffffn) {
    throw bad('include an RSA key with an exponent that is even or out of range');
  }
  return key;
}

const bad = (what: string): GatehouseError => new GatehouseError('BAD_REQUEST', `the keys ${what}`);
