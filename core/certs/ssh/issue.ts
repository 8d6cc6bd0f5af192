// Makes OpenSSH certificates. Pure: the CA key is an argument, and the time too; what goes in is decided elsewhere,
// what may go in is decided by policy.ts.
import { createPublicKey, randomBytes, type KeyObject } from 'node:crypto';
import { refuseInput } from '../refusal.ts';
import { CERTIFICATE_SUFFIX, isCertificateAlgorithm, isSshKeyAlgorithm } from './algorithms.ts';
import { signatureAlgorithmsOf, type SshSignatureAlgorithm } from './algorithms.ts';
import {
  MAX_CERTIFICATE_BYTES,
  requireSoundClaims,
  SSH_CERTIFICATE_TYPES,
  STANDARD_EXTENSIONS,
  type SshCertificateType,
} from './policy.ts';
import { publicKeyFromKeyObject, type SshPublicKey } from './public-key.ts';
import { signSsh } from './signature.ts';
import { WireReader, WireWriter } from './wire.ts';

/** A CA that can sign. Make it once with sshAuthority and keep it: that is what makes issuing fast. */
export interface SshAuthority {
  readonly publicKey: SshPublicKey;
  readonly privateKey: KeyObject;
  readonly algorithm: SshSignatureAlgorithm;
}

export interface SshCertificateRequest {
  readonly subject: SshPublicKey;
  readonly type: SshCertificateType;
  readonly keyId: string;
  readonly principals: readonly string[];
  /** Milliseconds since the epoch; both are cut to whole seconds. */
  readonly validAfter: number;
  readonly validBefore: number;
  /** Random when not given. */
  readonly serial?: bigint;
  readonly criticalOptions?: Readonly<Record<string, string>>;
  /** `permit-pty: ''` and the like, and our own such as `roles@gatehouse.dev`. */
  readonly extensions?: Readonly<Record<string, string>>;
  readonly authority: SshAuthority;
}

const MAX_SERIAL = 2n ** 64n - 1n;
const NONCE_BYTES = 32;

/** BAD_REQUEST when the key is not supported or cannot make `algorithm` (default: the strongest it has). */
export function sshAuthority(privateKey: KeyObject, algorithm?: SshSignatureAlgorithm): SshAuthority {
  if (privateKey.type !== 'private') throw refuseInput('bad-key', 'an authority needs a private key');
  const publicKey = publicKeyFromKeyObject(createPublicKey(privateKey));
  const [preferred] = signatureAlgorithmsOf(publicKey.algorithm);
  const chosen = algorithm ?? preferred;
  if (chosen === undefined) throw refuseInput('unsupported-key', 'the authority key cannot sign');
  const authority = { publicKey, privateKey, algorithm: chosen };
  requireSoundAuthority(authority);
  return authority;
}

/** Returns the certificate blob. Throws BAD_REQUEST with `details.reason` when a rule of policy.ts is broken. */
export function issueSshCertificate(request: SshCertificateRequest): Uint8Array {
  const { subject, type, authority } = request;
  const claims = {
    type: requireType(type),
    keyId: request.keyId,
    principals: request.principals,
    validAfter: Math.floor(request.validAfter / 1000) * 1000,
    validBefore: Math.floor(request.validBefore / 1000) * 1000,
    criticalOptions: sortedOptions(request.criticalOptions),
    extensions: sortedOptions(request.extensions),
  };
  requireSoundClaims(claims, refuseInput);
  for (const name of claims.extensions.keys()) requireOwnExtension(name, type);
  const subjectFields = requirePlainKey(subject, 'key-is-certificate');
  requireSoundAuthority(authority);
  const writer = new WireWriter(2048)
    .string(subject.algorithm + CERTIFICATE_SUFFIX)
    .string(randomBytes(NONCE_BYTES))
    .raw(subjectFields)
    .uint64(requireSerial(request.serial))
    .uint32(type === 'user' ? 1 : 2)
    .string(claims.keyId)
    .nested((list) => claims.principals.forEach((principal) => list.string(principal)))
    .uint64(BigInt(claims.validAfter / 1000))
    .uint64(BigInt(claims.validBefore / 1000))
    .nested((list) => writeOptions(list, claims.criticalOptions))
    .nested((list) => writeOptions(list, claims.extensions))
    .string('')
    .string(authority.publicKey.blob);
  writer.string(signSsh(authority.privateKey, authority.algorithm, writer.view()));
  const blob = writer.finish();
  if (blob.length > MAX_CERTIFICATE_BYTES) {
    throw refuseInput('too-large', `the certificate would have more than ${MAX_CERTIFICATE_BYTES} bytes`);
  }
  return blob;
}

function requireType(type: SshCertificateType): SshCertificateType {
  if (SSH_CERTIFICATE_TYPES.includes(type)) return type;
  throw refuseInput('wrong-type', 'a certificate is for a user or a host');
}

function requireSerial(serial: bigint | undefined): bigint {
  if (serial === undefined) return randomBytes(8).readBigUInt64BE();
  if (serial < 0n || serial > MAX_SERIAL) throw refuseInput('serial', 'a serial must fit 64 bits');
  return serial;
}

/** Critical options and extensions must be in the byte order of their names. */
function sortedOptions(options: Readonly<Record<string, string>> = {}): ReadonlyMap<string, string> {
  return new Map(Object.entries(options).sort(([one], [other]) => (one < other ? -1 : 1)));
}

function writeOptions(writer: WireWriter, options: ReadonlyMap<string, string>): void {
  for (const [name, value] of options) {
    writer.string(name).nested((data) => (value === '' ? data : data.string(value)));
  }
}

function requireOwnExtension(name: string, type: SshCertificateType): void {
  const isStandard = STANDARD_EXTENSIONS.has(name);
  if (isStandard && type === 'user') return;
  if (isStandard || !/^[^@]+@[^@]+$/.test(name)) {
    throw refuseInput(
      'extension',
      `the extension ${name} is not for a ${type} certificate, or lacks "@domain"`,
    );
  }
}

/** The fields of a plain key; a certificate dressed as a key object is refused by what its bytes say. */
function requirePlainKey(
  key: SshPublicKey,
  reason: 'key-is-certificate' | 'authority-is-certificate',
): Uint8Array {
  const reader = new WireReader(key.blob, refuseInput);
  const name = reader.text('the key type', 256);
  if (isCertificateAlgorithm(name) || isCertificateAlgorithm(key.algorithm)) {
    throw refuseInput(reason, 'a plain key is needed here, not a certificate');
  }
  if (name !== key.algorithm || !isSshKeyAlgorithm(name)) {
    throw refuseInput('unsupported-key', 'the key type is not supported, or is not the one of the key');
  }
  return key.blob.subarray(reader.position);
}

function requireSoundAuthority(authority: SshAuthority): void {
  requirePlainKey(authority.publicKey, 'authority-is-certificate');
  const allowed = signatureAlgorithmsOf(authority.publicKey.algorithm);
  if (allowed.includes(authority.algorithm)) return;
  throw refuseInput('signature-algorithm', `this authority signs with ${allowed.join(' or ')}`);
}
