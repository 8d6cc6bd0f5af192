// The decision about an X.509 certificate of ours: issued by one of these authorities, valid now, for this use?
// Chains are one step long by design: a leaf below a trusted CA.
import { timingSafeEqual } from 'node:crypto';
import { refuseCertificate } from '../refusal.ts';
import type { ExtKeyUsage } from './extensions.ts';
import { parseX509, type ParsedCertificate } from './parse.ts';
import { isSignedBy } from './signature-algorithm.ts';

export interface X509Context {
  /** The trusted CA certificates for this purpose; several while a CA is rotated. */
  readonly authorities: readonly ParsedCertificate[];
  /** Must be in the extended key usage. */
  readonly purpose: ExtKeyUsage;
  /** Milliseconds since the epoch. */
  readonly now: number;
  /** OIDs of critical extensions that the caller understands and will check. */
  readonly understood?: readonly string[];
}

/**
 * Reads and verifies a leaf certificate; returns it. Host names are not looked at (TLS does that). Throws
 * CERTIFICATE_INVALID with `details.reason`.
 */
export function verifyX509(der: Uint8Array, context: X509Context): ParsedCertificate {
  const certificate = parseX509(der, { understood: context.understood ?? [] });
  if (certificate.isCa)
    throw refuseCertificate('wrong-type', 'the certificate of an authority is not one of a peer');
  const authority = requireAuthority(certificate, context.authorities);
  requireIssuedBy(certificate, authority);
  requireValidNow(authority, context.now, 'the certificate of the authority');
  requireValidNow(certificate, context.now, 'the certificate');
  if (certificate.keyUsage?.includes('digitalSignature') === false) {
    throw refuseCertificate('key-usage', 'the certificate is not for signatures');
  }
  if (certificate.extKeyUsage?.includes(context.purpose) !== true) {
    throw refuseCertificate('key-usage', `the certificate is not for ${context.purpose}`);
  }
  return certificate;
}

/** Throws unless this is a self-signed CA certificate, valid at `now`: what may become a trusted authority. */
export function verifySelfSignedCa(der: Uint8Array, now: number): ParsedCertificate {
  const certificate = parseX509(der);
  requireIssuedBy(certificate, certificate);
  requireValidNow(certificate, now, 'the certificate of the authority');
  return certificate;
}

/** The authority by name and key id; with a rotated CA the names are equal and only the key id tells. */
function requireAuthority(
  certificate: ParsedCertificate,
  authorities: readonly ParsedCertificate[],
): ParsedCertificate {
  const named = authorities.filter((authority) => isSame(authority.subject.der, certificate.issuer.der));
  if (named.length === 0) {
    throw refuseCertificate('issuer-mismatch', 'the certificate is not issued by a trusted authority');
  }
  const authority = named.find(({ subjectKeyId }) => isSame(subjectKeyId, certificate.authorityKeyId));
  if (authority !== undefined) return authority;
  throw refuseCertificate('unknown-authority', 'the certificate is issued with a key that is not trusted');
}

function requireIssuedBy(certificate: ParsedCertificate, authority: ParsedCertificate): void {
  if (!authority.isCa || authority.keyUsage?.includes('keyCertSign') !== true) {
    throw refuseCertificate('not-an-authority', 'the issuer is not an authority');
  }
  if (!isSame(authority.subject.der, certificate.issuer.der)) {
    throw refuseCertificate('issuer-mismatch', 'the certificate has another issuer');
  }
  const { key, family } = authority.publicKey;
  if (!isSignedBy(key, family, certificate.signatureAlgorithm, certificate.signed, certificate.signature)) {
    throw refuseCertificate('bad-signature', 'the signature of the certificate does not verify');
  }
}

/** notAfter is the last second that is still in (RFC 5280 4.1.2.5). */
function requireValidNow(certificate: ParsedCertificate, now: number, what: string): void {
  if (!Number.isFinite(now))
    throw refuseCertificate('validity-bounds', 'the time to check against is not known');
  if (now < certificate.notBefore) throw refuseCertificate('not-yet-valid', `${what} is not yet valid`);
  if (now >= certificate.notAfter + 1000) throw refuseCertificate('expired', `${what} has expired`);
}

function isSame(one: Uint8Array | undefined, other: Uint8Array | undefined): boolean {
  return one !== undefined && one.length === other?.length && timingSafeEqual(one, other);
}
