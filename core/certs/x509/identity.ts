// The caller's identity inside an X.509 certificate: a private extension that holds compact JSON. Only how it is
// written is decided here; what it means is decided by the auth service.
import { refuseCertificate, refuseInput, type Refuse } from '../refusal.ts';
import { decodeUtf8 } from '../text-rules.ts';
import { derString, TAG } from './der.ts';
import { DerReader } from './der-reader.ts';
import type { X509Extension } from './extensions.ts';
import { parseX509, type ParsedCertificate } from './parse.ts';

/**
 * Under arc 2.25 nobody registers (X.667), and its numbers are whole UUIDs. Go refuses certificates with numbers of
 * more than 31 bits in an extension, so this is the first 32 bits of a UUID made for Gatehouse, 72b70e29-…, alone; no
 * UUID that was made by the rules is so small. `.1` is the identity.
 */
export const IDENTITY_OID = '2.25.1924599337.1';

export const MAX_IDENTITY_BYTES = 16 * 1024;
const MAX_DEPTH = 16;

export type JsonValue =
  | string
  | number
  | boolean
  | null
  | readonly JsonValue[]
  | { readonly [key: string]: JsonValue };

/** `kind` says what sort of caller it is; the rest is opaque here. */
export interface IdentityPayload {
  readonly kind: string;
  readonly [key: string]: JsonValue;
}

/** The version of the written form: `v` in the JSON, added when writing and taken off when reading. */
const VERSION = 1;

/**
 * The extension to put in a certificate; not critical, because TLS stacks refuse critical ones they do not know.
 * Throws as encodeIdentity.
 */
export function identityExtension(identity: { readonly kind: string }): X509Extension {
  return { oid: IDENTITY_OID, critical: false, value: encodeIdentity(identity) };
}

/** BAD_REQUEST, reason `identity`, when it is not a plain JSON object or has more than 16 KiB. */
export function encodeIdentity(identity: { readonly kind: string }): Uint8Array {
  let text: string;
  try {
    text = toText(identity);
  } catch (cause) {
    throw refuseInput('identity', 'an identity must be plain JSON', cause);
  }
  readPayload(text, refuseInput);
  return derString(TAG.utf8String, text);
}

/** Reads an extension value; CERTIFICATE_INVALID, reason `identity` or `malformed`. */
export function decodeIdentity(value: Uint8Array): IdentityPayload {
  const reader = new DerReader(value, refuseCertificate);
  const content = reader.content(TAG.utf8String, 'the identity');
  reader.end('the identity');
  if (content.length > MAX_IDENTITY_BYTES) throw tooLarge(refuseCertificate);
  return readPayload(decodeUtf8(content, 'the identity', refuseCertificate), refuseCertificate);
}

/**
 * The identity in a certificate, given as DER or parsed. Does not verify the certificate: its chain must have been
 * verified (by verifyX509, or by TLS). CERTIFICATE_INVALID, reason `identity`, when it carries none.
 */
export function identityOfCertificate(
  certificate: Uint8Array | Pick<ParsedCertificate, 'extensions'>,
): IdentityPayload {
  const { extensions } = certificate instanceof Uint8Array ? parseX509(certificate) : certificate;
  const extension = extensions.find(({ oid }) => oid === IDENTITY_OID);
  if (extension !== undefined) return decodeIdentity(extension.value);
  throw refuseCertificate('identity', 'the certificate carries no identity');
}

/**
 * Only the one compact spelling of a JSON value is taken: doubled keys, spaces and other spellings of numbers could
 * be read differently by another reader of the same certificate.
 */
function readPayload(text: string, refuse: Refuse): IdentityPayload {
  if (Buffer.byteLength(text) > MAX_IDENTITY_BYTES) throw tooLarge(refuse);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw refuse('identity', 'the identity is not JSON', cause);
  }
  if (!isShallow(value, MAX_DEPTH))
    throw refuse('identity', 'the identity is nested too deep or uses __proto__');
  if (!isVersioned(value))
    throw refuse('identity', `the identity must be an object with v = ${VERSION} and a kind`);
  const { v: _, ...identity } = value;
  if (toText(identity) === text) return identity;
  throw refuse('identity', 'the identity is not in its compact form');
}

/** `v` comes first. */
function toText(identity: { readonly kind: string }): string {
  return JSON.stringify({ v: VERSION, ...identity });
}

function isVersioned(value: unknown): value is IdentityPayload & { readonly v: typeof VERSION } {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false;
  const { v, kind } = value as { v?: unknown; kind?: unknown };
  return v === VERSION && typeof kind === 'string' && kind !== '';
}

function isShallow(value: unknown, depthLeft: number): boolean {
  if (typeof value !== 'object' || value === null) return true;
  if (depthLeft === 0 || Object.hasOwn(value, '__proto__')) return false;
  return Object.values(value).every((inner) => isShallow(inner, depthLeft - 1));
}

function tooLarge(refuse: Refuse): Error {
  return refuse('identity', `an identity has at most ${MAX_IDENTITY_BYTES} bytes`);
}
