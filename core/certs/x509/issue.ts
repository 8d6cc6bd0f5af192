// Makes X.509 v3 certificates. Pure: the CA key and the times are arguments; what goes in is decided elsewhere.
// Whatever is made here, parse.ts reads, and openssl verify -x509_strict takes.
import { createPublicKey, randomBytes, type KeyObject } from 'node:crypto';
import { refuseInput } from '../refusal.ts';
import { derAlternativeNames } from './alternative-names.ts';
import { derBitString, derContext, derInteger, derSequence } from './der.ts';
import {
  derAuthorityKeyId,
  derBasicConstraints,
  derExtension,
  derExtKeyUsage,
  derKeyId,
  derKeyUsage,
  type ExtKeyUsage,
  type KeyUsage,
  type X509Extension,
} from './extensions.ts';
import { derName, type DistinguishedName } from './name.ts';
import { derOid, isOid, OID } from './oid.ts';
import { MAX_X509_BYTES, type ParsedCertificate } from './parse.ts';
import {
  algorithmDer,
  chooseAlgorithm,
  signX509,
  type X509SignatureAlgorithm,
} from './signature-algorithm.ts';
import { keyIdOf, publicKeyInfo, type PublicKeyInfo } from './spki.ts';
import { derTime } from './time.ts';

/** Who signs. Make it once with x509Issuer and keep it: that is what makes issuing fast. */
export interface X509Issuer {
  /** The subject of the CA certificate, as DER. */
  readonly name: Uint8Array;
  readonly keyId: Uint8Array;
  readonly privateKey: KeyObject;
  readonly algorithm: X509SignatureAlgorithm;
  /** How many CAs may follow; undefined is no limit. */
  readonly pathLen?: number;
}

export interface X509Request {
  readonly subject: DistinguishedName;
  readonly publicKey: KeyObject;
  /** Milliseconds since the epoch; both are cut to whole seconds. */
  readonly notBefore: number;
  readonly notAfter: number;
  /** Above zero and below 2^127; random when not given. */
  readonly serial?: bigint;
  readonly isCa?: boolean;
  readonly pathLen?: number;
  /** Default: what the key can do, or keyCertSign and cRLSign for a CA. */
  readonly keyUsage?: readonly KeyUsage[];
  readonly extKeyUsage?: readonly ExtKeyUsage[];
  readonly dnsNames?: readonly string[];
  readonly ipAddresses?: readonly string[];
  readonly uris?: readonly string[];
  readonly emails?: readonly string[];
  /** Others than the standard ones. */
  readonly extensions?: readonly X509Extension[];
  readonly issuer: X509Issuer;
}

const VERSION_3 = derContext(0, true, derInteger(Uint8Array.of(2)));
const OID_DER = {
  basicConstraints: derOid(OID.basicConstraints),
  keyUsage: derOid(OID.keyUsage),
  extKeyUsage: derOid(OID.extKeyUsage),
  subjectAltName: derOid(OID.subjectAltName),
  subjectKeyId: derOid(OID.subjectKeyId),
  authorityKeyId: derOid(OID.authorityKeyId),
};
const STANDARD_OIDS: ReadonlySet<string> = new Set(
  Object.keys(OID_DER).map((name) => OID[name as keyof typeof OID_DER]),
);
const MAX_SERIAL = 2n ** 127n - 1n;
const MAX_EXTRA_EXTENSIONS = 16;

/**
 * The signer of a CA certificate. Throws BAD_REQUEST: `not-an-authority` when the certificate is not a CA's,
 * `bad-key` when the private key is another one, `signature-algorithm` when the key cannot make `algorithm`.
 */
export function x509Issuer(
  certificate: ParsedCertificate,
  privateKey: KeyObject,
  algorithm?: X509SignatureAlgorithm,
): X509Issuer {
  const info = publicKeyInfo(createPublicKey(privateKey), refuseInput);
  if (!certificate.isCa || certificate.keyUsage?.includes('keyCertSign') !== true) {
    throw refuseInput('not-an-authority', 'the certificate is not that of an authority');
  }
  if (!Buffer.from(info.der).equals(certificate.publicKey.der)) {
    throw refuseInput('bad-key', 'the private key is not the one of the authority certificate');
  }
  return {
    name: certificate.subject.der,
    keyId: certificate.subjectKeyId ?? keyIdOf(info),
    privateKey,
    algorithm: chooseAlgorithm(info.family, algorithm, refuseInput),
    ...(certificate.pathLen === undefined ? {} : { pathLen: certificate.pathLen }),
  };
}

/** Returns the DER of the certificate. Throws BAD_REQUEST with `details.reason`. */
export function issueX509(request: X509Request): Uint8Array {
  const info = publicKeyInfo(request.publicKey, refuseInput);
  const { issuer, isCa = false } = request;
  requireIssuingAllowed(request, issuer);
  const algorithm = algorithmDer(issuer.algorithm);
  const subject = derName(request.subject);
  if (subject.length === 2 && isCa) throw refuseInput('name', 'an authority needs a subject');
  const signed = derSequence(
    VERSION_3,
    derInteger(requireSerial(request.serial)),
    algorithm,
    issuer.name,
    derValidity(request),
    subject,
    info.der,
    derContext(3, true, derSequence(...extensionsOf(request, info, subject.length === 2))),
  );
  const certificate = derSequence(
    signed,
    algorithm,
    derBitString(signX509(issuer.privateKey, issuer.algorithm, signed)),
  );
  if (certificate.length > MAX_X509_BYTES) {
    throw refuseInput('too-large', `the certificate would have more than ${MAX_X509_BYTES} bytes`);
  }
  return certificate;
}

export type SelfSignedRequest = Omit<X509Request, 'publicKey' | 'issuer' | 'isCa'> & {
  readonly privateKey: KeyObject;
  readonly algorithm?: X509SignatureAlgorithm;
};

/** A root CA certificate. Throws as issueX509. */
export function issueSelfSignedCa(request: SelfSignedRequest): Uint8Array {
  const { privateKey, algorithm, ...rest } = request;
  const publicKey = createPublicKey(privateKey);
  const info = publicKeyInfo(publicKey, refuseInput);
  const issuer: X509Issuer = {
    name: derName(request.subject),
    keyId: keyIdOf(info),
    privateKey,
    algorithm: chooseAlgorithm(info.family, algorithm, refuseInput),
  };
  return issueX509({ ...rest, publicKey, isCa: true, issuer });
}

function requireIssuingAllowed(request: X509Request, issuer: X509Issuer): void {
  if (request.isCa !== true) {
    if (request.pathLen !== undefined)
      throw refuseInput('path-length', 'a path length is for authorities only');
    if (request.keyUsage?.some((usage) => usage === 'keyCertSign' || usage === 'cRLSign') === true) {
      throw refuseInput('key-usage', 'keyCertSign and cRLSign are for authorities only');
    }
    return;
  }
  if (request.keyUsage?.includes('keyCertSign') === false) {
    throw refuseInput('key-usage', 'an authority needs keyCertSign');
  }
  if (issuer.pathLen !== undefined && (request.pathLen ?? Infinity) >= issuer.pathLen) {
    throw refuseInput(
      'path-length',
      'the issuing authority does not allow an authority below it with this path length',
    );
  }
}

function derValidity({ notBefore, notAfter }: X509Request): Uint8Array {
  if (!(Math.floor(notBefore / 1000) < Math.floor(notAfter / 1000))) {
    throw refuseInput('validity-bounds', 'the validity must begin before it ends');
  }
  return derSequence(derTime(notBefore, refuseInput), derTime(notAfter, refuseInput));
}

function requireSerial(serial: bigint | undefined): Uint8Array {
  if (serial === undefined) {
    const bytes = randomBytes(16);
    // Positive, and of full length: 01xxxxxx.
    bytes[0] = ((bytes[0] ?? 0) & 0x7f) | 0x40;
    return bytes;
  }
  if (serial <= 0n || serial > MAX_SERIAL) throw refuseInput('serial', 'a serial must be 1 to 2^127 - 1');
  return Buffer.from(serial.toString(16).padStart(32, '0'), 'hex');
}

function extensionsOf(request: X509Request, info: PublicKeyInfo, isSubjectEmpty: boolean): Uint8Array[] {
  const { isCa = false, pathLen, keyUsage = defaultUsage(isCa, info), extKeyUsage, issuer } = request;
  const constraints = derBasicConstraints(pathLen === undefined ? { isCa } : { isCa, pathLen });
  const parts = [
    derExtension(OID_DER.basicConstraints, true, constraints),
    derExtension(OID_DER.keyUsage, true, derKeyUsage(keyUsage)),
  ];
  if (extKeyUsage !== undefined) {
    parts.push(derExtension(OID_DER.extKeyUsage, false, derExtKeyUsage(extKeyUsage)));
  }
  const names = alternativeNamesOf(request);
  if (names !== undefined) parts.push(derExtension(OID_DER.subjectAltName, isSubjectEmpty, names));
  else if (isSubjectEmpty) throw refuseInput('name', 'a certificate needs a subject or alternative names');
  parts.push(derExtension(OID_DER.subjectKeyId, false, derKeyId(keyIdOf(info))));
  parts.push(derExtension(OID_DER.authorityKeyId, false, derAuthorityKeyId(issuer.keyId)));
  for (const extension of requireExtras(request.extensions ?? [])) {
    parts.push(derExtension(derOid(extension.oid), extension.critical, extension.value));
  }
  return parts;
}

function alternativeNamesOf(request: X509Request): Uint8Array | undefined {
  const { dnsNames = [], ipAddresses = [], uris = [], emails = [] } = request;
  const count = dnsNames.length + ipAddresses.length + uris.length + emails.length;
  return count === 0 ? undefined : derAlternativeNames({ dnsNames, ipAddresses, uris, emails }, refuseInput);
}

function requireExtras(extensions: readonly X509Extension[]): readonly X509Extension[] {
  const oids = extensions.map(({ oid }) => oid);
  const areSound = oids.every((oid) => isOid(oid) && !STANDARD_OIDS.has(oid));
  if (!areSound || new Set(oids).size !== oids.length || oids.length > MAX_EXTRA_EXTENSIONS) {
    throw refuseInput('extension', 'extra extensions must have distinct OIDs, none of a standard one');
  }
  return extensions;
}

function defaultUsage(isCa: boolean, info: PublicKeyInfo): readonly KeyUsage[] {
  if (isCa) return ['keyCertSign', 'cRLSign'];
  return info.family === 'rsa' ? ['digitalSignature', 'keyEncipherment'] : ['digitalSignature'];
}
