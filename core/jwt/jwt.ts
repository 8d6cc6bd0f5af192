// Signed tokens of other issuers (RFC 7515, 7519): reading and verifying them, strictly. What the header says of keys is
// never used; `alg` must be the one of the key. Claims are judged by who asks.
import { verify, type KeyObject } from 'node:crypto';
import { isPlainObject } from '../schema/check.ts';
import type { JwtAlgorithm, JwtKey } from './jwks.ts';

export interface Jwt {
  readonly algorithm: JwtAlgorithm;
  readonly keyId: string | undefined;
  /** Not to be believed before verifyJwt has said yes. Own fields only; look with Object.hasOwn or `claim`. */
  readonly claims: Readonly<Record<string, unknown>>;
  readonly signed: Uint8Array;
  readonly signature: Uint8Array;
}

export const MAX_JWT_LENGTH = 16 * 1024;
const MAX_KEY_ID = 256;
/** A token without a key id is tried with no more keys than this. */
const MAX_TRIES = 8;
const SHAPE = /^[\w-]{2,}\.[\w-]{2,}\.[\w-]{2,}$/;
/** They would bring keys along, or change what is signed. */
const REFUSED_FIELDS = ['jwk', 'jku', 'x5u', 'x5c', 'crit', 'b64', 'zip', 'enc'];

/** Undefined when it is no token of the accepted form: compact, RS256 or ES256, canonical base64url, JSON objects. */
export function parseJwt(text: string): Jwt | undefined {
  if (text.length > MAX_JWT_LENGTH || !SHAPE.test(text)) return undefined;
  const [head = '', body = '', tail = ''] = text.split('.');
  const header = headerOf(objectOf(head) ?? {});
  const claims = objectOf(body);
  const signature = bytesOf(tail);
  if (header === undefined || claims === undefined || signature === undefined) return undefined;
  return { ...header, claims, signed: Buffer.from(`${head}.${body}`, 'ascii'), signature };
}

function headerOf(header: Record<string, unknown>): Pick<Jwt, 'algorithm' | 'keyId'> | undefined {
  if (REFUSED_FIELDS.some((field) => Object.hasOwn(header, field))) return undefined;
  const [algorithm, type = 'JWT', keyId] = ['alg', 'typ', 'kid'].map((name) => claim(header, name));
  if (algorithm !== 'RS256' && algorithm !== 'ES256') return undefined;
  if (typeof type !== 'string' || type.toUpperCase() !== 'JWT') return undefined;
  if (keyId === undefined) return { algorithm, keyId };
  return typeof keyId === 'string' && keyId.length <= MAX_KEY_ID ? { algorithm, keyId } : undefined;
}

/** One field of a JSON object; undefined for what it inherits. */
export function claim(object: Readonly<Record<string, unknown>>, name: string): unknown {
  return Object.hasOwn(object, name) ? object[name] : undefined;
}

/** Whether one of the keys made the signature. A key with another name than the token's is not asked. */
export function verifyJwt(jwt: Jwt, keys: readonly JwtKey[]): boolean {
  return keysFor(jwt, keys)
    .slice(0, MAX_TRIES)
    .some(({ key }) => verifies(jwt, key));
}

/** The keys that may have made the signature: of the token's algorithm and, where it names one, of its key id. */
export function keysFor({ algorithm, keyId }: Jwt, keys: readonly JwtKey[]): readonly JwtKey[] {
  return keys.filter((key) => key.algorithm === algorithm && (keyId === undefined || key.id === keyId));
}

function verifies({ algorithm, signed, signature }: Jwt, key: KeyObject): boolean {
  const options = algorithm === 'ES256' ? { key, dsaEncoding: 'ieee-p1363' as const } : { key };
  try {
    return verify('sha256', signed, options, signature);
  } catch {
    return false;
  }
}

function objectOf(part: string): Record<string, unknown> | undefined {
  const bytes = bytesOf(part);
  if (bytes === undefined) return undefined;
  try {
    const value: unknown = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
    return isPlainObject(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

/** One spelling for one value: no padding, no stray bits, no other alphabet. */
function bytesOf(part: string): Uint8Array | undefined {
  const bytes = Buffer.from(part, 'base64url');
  return bytes.toString('base64url') === part ? bytes : undefined;
}
