// Reads OpenSSH certificates (PROTOCOL.certkeys). Reading checks the form and every rule of policy.ts, but trusts
// nobody: the signature and the context are checked in verify.ts.
import { refuseCertificate, type Refuse } from '../refusal.ts';
import {
  isCertificateAlgorithm,
  keyAlgorithmOfCertificate,
  type SshSignatureAlgorithm,
} from './algorithms.ts';
import { parseLine } from './lines.ts';
import {
  MAX_CERTIFICATE_BYTES,
  MAX_KEY_ID_BYTES,
  MAX_OPTION_NAME_BYTES,
  MAX_OPTION_VALUE_BYTES,
  MAX_OPTIONS,
  MAX_PRINCIPAL_BYTES,
  MAX_PRINCIPALS,
  MAX_TIME_S,
  requireSoundClaims,
  type SshCertificateClaims,
  type SshCertificateType,
} from './policy.ts';
import { parsePublicKey, readKeyFields, type SshPublicKey } from './public-key.ts';
import { MAX_SIGNATURE_BYTES, signatureAlgorithmOf } from './signature.ts';
import { WireReader, WireWriter } from './wire.ts';

export interface SshCertificate extends SshCertificateClaims {
  /** For example ssh-ed25519-cert-v01@openssh.com. */
  readonly algorithm: string;
  /** The key that is certified, as a plain key. */
  readonly subject: SshPublicKey;
  readonly serial: bigint;
  readonly authority: SshPublicKey;
  readonly signatureAlgorithm: SshSignatureAlgorithm;
  /** The whole certificate, what is signed of it, and the signature blob. */
  readonly blob: Uint8Array;
  readonly signed: Uint8Array;
  readonly signature: Uint8Array;
}

const MIN_NONCE_BYTES = 16;
const MAX_NONCE_BYTES = 64;
const MAX_NAME_BYTES = 256;

/**
 * Reads a certificate blob. The signature is NOT verified: use verifySshCertificate for any decision. Throws
 * CERTIFICATE_INVALID with `details.reason`.
 */
export function parseSshCertificate(blob: Uint8Array, refuse: Refuse = refuseCertificate): SshCertificate {
  if (blob.length > MAX_CERTIFICATE_BYTES) {
    throw refuse('too-large', `a certificate has at most ${MAX_CERTIFICATE_BYTES} bytes`);
  }
  const bytes = new Uint8Array(blob);
  const reader = new WireReader(bytes, refuse);
  const algorithm = reader.text('the certificate type', MAX_NAME_BYTES);
  const nonce = reader.bytes('the nonce', MAX_NONCE_BYTES);
  if (nonce.length < MIN_NONCE_BYTES) throw refuse('malformed', 'the nonce is too short');
  const subject = readSubject(algorithm, reader, bytes, refuse);
  const serial = reader.uint64('the serial');
  const type = readType(reader, refuse);
  const keyId = reader.text('the key id', MAX_KEY_ID_BYTES);
  const principals = readPrincipals(reader, refuse);
  const validAfter = readTime(reader, refuse);
  const validBefore = readTime(reader, refuse);
  const criticalOptions = readOptions(reader, refuse);
  const extensions = readOptions(reader, refuse);
  if (reader.bytes('the reserved field', 0).length > 0)
    throw refuse('malformed', 'the reserved field is in use');
  const authority = readAuthority(reader, refuse);
  const signed = bytes.subarray(0, reader.position);
  const signature = reader.bytes('the signature', MAX_SIGNATURE_BYTES);
  reader.end('the certificate');
  const signatureAlgorithm = signatureAlgorithmOf(authority, signature, refuse);
  const claims = { type, keyId, principals, validAfter, validBefore, criticalOptions, extensions };
  requireSoundClaims(claims, refuse);
  return {
    ...claims,
    algorithm,
    subject,
    serial,
    authority,
    signatureAlgorithm,
    blob: bytes,
    signed,
    signature,
  };
}

/** Reads one line of a *-cert.pub file; as parseSshCertificate. */
export function parseSshCertificateLine(line: string): SshCertificate {
  const { name, blob } = parseLine(line, MAX_CERTIFICATE_BYTES, refuseCertificate);
  const certificate = parseSshCertificate(blob);
  if (certificate.algorithm !== name) {
    throw refuseCertificate('malformed', 'the certificate type in front is not the one inside');
  }
  return certificate;
}

function readSubject(algorithm: string, reader: WireReader, bytes: Uint8Array, refuse: Refuse): SshPublicKey {
  const keyAlgorithm = keyAlgorithmOfCertificate(algorithm);
  if (keyAlgorithm === undefined) {
    const isNested = isCertificateAlgorithm(algorithm.slice(0, algorithm.lastIndexOf('-cert-')));
    if (isNested) throw refuse('key-is-certificate', 'the certified key is itself a certificate');
    throw refuse('unsupported-key', 'this is not a certificate of a supported type');
  }
  const start = reader.position;
  const key = readKeyFields(keyAlgorithm, reader, refuse);
  const fields = bytes.subarray(start, reader.position);
  const blob = new WireWriter(fields.length + 64).string(keyAlgorithm).raw(fields).finish();
  return { algorithm: keyAlgorithm, blob, key };
}

function readType(reader: WireReader, refuse: Refuse): SshCertificateType {
  const type = reader.uint32('the certificate type');
  if (type === 1) return 'user';
  if (type === 2) return 'host';
  throw refuse('wrong-type', 'a certificate is for a user or a host');
}

function readPrincipals(reader: WireReader, refuse: Refuse): string[] {
  const list = new WireReader(reader.bytes('the principals', MAX_CERTIFICATE_BYTES), refuse);
  const principals: string[] = [];
  while (!list.isDone) {
    if (principals.length === MAX_PRINCIPALS)
      throw refuse('principals', `more than ${MAX_PRINCIPALS} principals`);
    principals.push(list.text('a principal', MAX_PRINCIPAL_BYTES));
  }
  return principals;
}

function readTime(reader: WireReader, refuse: Refuse): number {
  const seconds = reader.uint64('the validity');
  if (seconds > BigInt(MAX_TIME_S))
    throw refuse('validity-bounds', 'the validity must end before the year 10000');
  return Number(seconds) * 1000;
}

/** Names in strictly rising order; a value is absent or one string inside the string. */
function readOptions(reader: WireReader, refuse: Refuse): ReadonlyMap<string, string> {
  const list = new WireReader(reader.bytes('the options', MAX_CERTIFICATE_BYTES), refuse);
  const options = new Map<string, string>();
  let previous = '';
  while (!list.isDone) {
    if (options.size === MAX_OPTIONS) throw refuse('option', `more than ${MAX_OPTIONS} options`);
    const name = list.text('an option name', MAX_OPTION_NAME_BYTES);
    if (name <= previous) throw refuse('options-order', 'options must be sorted by name and appear once');
    previous = name;
    const data = list.bytes('an option value', MAX_OPTION_VALUE_BYTES + 4);
    options.set(name, data.length === 0 ? '' : readOptionValue(data, refuse));
  }
  return options;
}

function readOptionValue(data: Uint8Array, refuse: Refuse): string {
  const reader = new WireReader(data, refuse);
  const value = reader.text('an option value', MAX_OPTION_VALUE_BYTES);
  reader.end('an option value');
  return value;
}

function readAuthority(reader: WireReader, refuse: Refuse): SshPublicKey {
  const blob = reader.bytes('the authority key', MAX_CERTIFICATE_BYTES);
  const name = new WireReader(blob, refuse).text('the authority key type', MAX_NAME_BYTES);
  // CVE-2025-49825: a certificate accepted as CA key lets its holder sign for everybody.
  if (isCertificateAlgorithm(name)) {
    throw refuse('authority-is-certificate', 'the authority key is itself a certificate');
  }
  return parsePublicKey(blob, refuse);
}
