// Reads X.509 v3 certificates strictly: everything we issue, and what peers of ours present. Reading checks form and
// rules but trusts nobody; verify.ts decides.
import { refuseCertificate, type Refuse } from '../refusal.ts';
import { NO_ALTERNATIVE_NAMES, readAlternativeNames, type AlternativeNames } from './alternative-names.ts';
import { TAG } from './der.ts';
import { DerReader } from './der-reader.ts';
import {
  readAuthorityKeyId,
  readBasicConstraints,
  readExtKeyUsage,
  readKeyId,
  readKeyUsage,
  type ExtKeyUsage,
  type KeyUsage,
  type X509Extension,
} from './extensions.ts';
import { readName, type ParsedName } from './name.ts';
import { OID } from './oid.ts';
import { algorithmOfDer, type X509SignatureAlgorithm } from './signature-algorithm.ts';
import { parsePublicKeyInfo, type PublicKeyInfo } from './spki.ts';
import { readTime } from './time.ts';

export const MAX_X509_BYTES = 64 * 1024;
const MAX_EXTENSIONS = 32;
const MAX_SERIAL_BYTES = 20;

export interface ParsedCertificate extends AlternativeNames {
  /** The whole certificate, what is signed of it, and the signature. */
  readonly der: Uint8Array;
  readonly signed: Uint8Array;
  readonly signature: Uint8Array;
  readonly signatureAlgorithm: X509SignatureAlgorithm;
  readonly serial: bigint;
  readonly issuer: ParsedName;
  readonly subject: ParsedName;
  /** Milliseconds since the epoch; valid from the first second through the whole of the last. */
  readonly notBefore: number;
  readonly notAfter: number;
  readonly publicKey: PublicKeyInfo;
  readonly isCa: boolean;
  readonly pathLen?: number;
  /** Undefined when the extension is absent. */
  readonly keyUsage: readonly KeyUsage[] | undefined;
  readonly extKeyUsage: readonly ExtKeyUsage[] | undefined;
  readonly subjectKeyId: Uint8Array | undefined;
  readonly authorityKeyId: Uint8Array | undefined;
  /** All extensions, the standard ones too, in their order. */
  readonly extensions: readonly X509Extension[];
}

export interface ParseOptions {
  /** OIDs of critical extensions the caller understands and will check. */
  readonly understood?: readonly string[];
  readonly refuse?: Refuse;
}

/** Throws CERTIFICATE_INVALID with `details.reason`. The signature is NOT verified. */
export function parseX509(der: Uint8Array, options: ParseOptions = {}): ParsedCertificate {
  const refuse = options.refuse ?? refuseCertificate;
  if (der.length > MAX_X509_BYTES)
    throw refuse('too-large', `a certificate has at most ${MAX_X509_BYTES} bytes`);
  const bytes = new Uint8Array(der);
  const outer = new DerReader(bytes, refuse);
  const certificate = outer.sequence('the certificate');
  outer.end('the certificate');
  const signed = certificate.element(TAG.sequence, 'the signed part');
  const algorithm = certificate.element(TAG.sequence, 'the signature algorithm').whole;
  const signature = certificate.wholeBits('the signature');
  certificate.end('the certificate');
  const signatureAlgorithm = algorithmOfDer(algorithm, refuse);
  const fields = readSigned(
    new DerReader(signed.content, refuse),
    algorithm,
    options.understood ?? [],
    refuse,
  );
  return { der: bytes, signed: signed.whole, signature, signatureAlgorithm, ...fields };
}

type SignedFields = Omit<ParsedCertificate, 'der' | 'signed' | 'signature' | 'signatureAlgorithm'>;

function readSigned(
  reader: DerReader,
  algorithm: Uint8Array,
  understood: readonly string[],
  refuse: Refuse,
): SignedFields {
  requireVersion3(reader, refuse);
  const serial = readSerial(reader, refuse);
  const inner = reader.element(TAG.sequence, 'the signature algorithm').whole;
  if (!Buffer.from(inner).equals(algorithm)) {
    throw refuse('signature-algorithm', 'the two signature algorithms of the certificate differ');
  }
  const issuer = readName(reader, refuse);
  const validity = reader.sequence('the validity');
  const notBefore = readTime(validity, refuse);
  const notAfter = readTime(validity, refuse);
  validity.end('the validity');
  if (notAfter < notBefore) throw refuse('validity-bounds', 'the validity ends before it begins');
  const subject = readName(reader, refuse);
  const publicKey = parsePublicKeyInfo(reader.element(TAG.sequence, 'the public key').whole, refuse);
  const extensions = readExtensions(reader, refuse);
  reader.end('the signed part');
  requireUnderstood(extensions, understood, refuse);
  const standard = readStandard(extensions, refuse);
  if (
    subject.der.length === 2 &&
    extensions.every(({ oid, critical }) => oid !== OID.subjectAltName || !critical)
  ) {
    throw refuse('name', 'a certificate without subject needs critical alternative names');
  }
  return { serial, issuer, subject, notBefore, notAfter, publicKey, extensions, ...standard };
}

function requireVersion3(reader: DerReader, refuse: Refuse): void {
  const version = reader.inside(0xa0, 'the version');
  if (version.unsigned('the version', 1)[0] !== 2)
    throw refuse('malformed', 'the certificate must be of version 3');
  version.end('the version');
}

function readSerial(reader: DerReader, refuse: Refuse): bigint {
  const magnitude = reader.unsigned('the serial', MAX_SERIAL_BYTES);
  const serial = BigInt(`0x${Buffer.from(magnitude).toString('hex')}`);
  if (serial === 0n) throw refuse('serial', 'the serial must be above zero');
  return serial;
}

function readExtensions(reader: DerReader, refuse: Refuse): readonly X509Extension[] {
  const wrapped = reader.inside(0xa3, 'the extensions');
  const list = wrapped.sequence('the extensions');
  wrapped.end('the extensions');
  const extensions: X509Extension[] = [];
  while (!list.isDone) {
    if (extensions.length === MAX_EXTENSIONS)
      throw refuse('extension', `more than ${MAX_EXTENSIONS} extensions`);
    const item = list.sequence('an extension');
    const oid = item.oid('the type of an extension');
    const critical = item.defaultFalse('the critical flag');
    const value = item.content(TAG.octetString, 'the value of an extension');
    item.end('an extension');
    if (extensions.some((other) => other.oid === oid))
      throw refuse('extension', `the extension ${oid} is there twice`);
    extensions.push({ oid, critical, value });
  }
  return extensions;
}

const STANDARD: readonly string[] = [
  OID.basicConstraints,
  OID.keyUsage,
  OID.extKeyUsage,
  OID.subjectAltName,
  OID.subjectKeyId,
  OID.authorityKeyId,
];

function requireUnderstood(
  extensions: readonly X509Extension[],
  understood: readonly string[],
  refuse: Refuse,
): void {
  for (const { oid, critical } of extensions) {
    if (!critical || STANDARD.includes(oid) || understood.includes(oid)) continue;
    throw refuse('unknown-critical-extension', `the critical extension ${oid} is not understood`);
  }
}

type StandardFields = AlternativeNames &
  Pick<
    ParsedCertificate,
    'isCa' | 'pathLen' | 'keyUsage' | 'extKeyUsage' | 'subjectKeyId' | 'authorityKeyId'
  >;

function readStandard(extensions: readonly X509Extension[], refuse: Refuse): StandardFields {
  const read = <T>(oid: string, reader: (value: Uint8Array, refuse: Refuse) => T): T | undefined => {
    const found = extensions.find((extension) => extension.oid === oid);
    return found === undefined ? undefined : reader(found.value, refuse);
  };
  return {
    ...(read(OID.basicConstraints, readBasicConstraints) ?? { isCa: false }),
    ...(read(OID.subjectAltName, readAlternativeNames) ?? NO_ALTERNATIVE_NAMES),
    keyUsage: read(OID.keyUsage, readKeyUsage),
    extKeyUsage: read(OID.extKeyUsage, readExtKeyUsage),
    subjectKeyId: read(OID.subjectKeyId, readKeyId),
    authorityKeyId: read(OID.authorityKeyId, readAuthorityKeyId),
  };
}
