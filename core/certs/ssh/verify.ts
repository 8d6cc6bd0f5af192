// The one decision about an SSH certificate: is it good, here, now, for this principal? Everything that accepts a
// certificate goes through verifySshCertificate.
import { timingSafeEqual } from 'node:crypto';
import { refuseCertificate } from '../refusal.ts';
import { parseSshCertificate, type SshCertificate } from './certificate.ts';
import { isSourceAllowed, type SshCertificateType } from './policy.ts';
import type { SshPublicKey } from './public-key.ts';
import { requireSshSignature } from './signature.ts';

/** The context a certificate is judged in. */
export interface SshCertificateContext {
  readonly type: SshCertificateType;
  /** The CA keys trusted for `type`; never the other type's. */
  readonly authorities: readonly SshPublicKey[];
  /** The login or host name that must be listed; null only when the caller compares `certificate.principals` itself. */
  readonly principal: string | null;
  /** Milliseconds since the epoch. */
  readonly now: number;
  /** The peer's IP. Without it, a certificate that is bound to addresses is refused. */
  readonly sourceAddress?: string;
}

/** What a good certificate permits. */
export interface SshGrant {
  readonly certificate: SshCertificate;
  /** To run instead of what the user asks for. */
  readonly forceCommand?: string;
  readonly permitPty: boolean;
  readonly permitPortForwarding: boolean;
  readonly permitAgentForwarding: boolean;
  readonly permitX11Forwarding: boolean;
  readonly permitUserRc: boolean;
}

/**
 * Reads and verifies a certificate blob. Does not prove that the peer holds the private key: check a signature made
 * with `certificate.subject` as well. Throws CERTIFICATE_INVALID with `details.reason`; valid at `validAfter`, no
 * longer valid at `validBefore`, as OpenSSH has it.
 */
export function verifySshCertificate(blob: Uint8Array, context: SshCertificateContext): SshGrant {
  const certificate = parseSshCertificate(blob);
  requireType(certificate, context.type);
  const authority = context.authorities.find((candidate) => isSameKey(candidate, certificate.authority));
  if (authority === undefined) {
    throw refuseCertificate('unknown-authority', 'the certificate is not issued by a trusted authority');
  }
  requireSshSignature(authority, certificate.signed, certificate.signature);
  requireTime(certificate, context.now);
  if (context.principal !== null && !certificate.principals.includes(context.principal)) {
    throw refuseCertificate('principal-not-listed', 'the certificate is not for this principal');
  }
  const sources = certificate.criticalOptions.get('source-address');
  if (sources !== undefined && !isSourceAllowed(sources, context.sourceAddress ?? '', refuseCertificate)) {
    throw refuseCertificate('source-address', 'the certificate may not be used from this address');
  }
  return grantOf(certificate);
}

function requireType(certificate: SshCertificate, type: SshCertificateType): void {
  if (certificate.type === type) return;
  throw refuseCertificate(
    'wrong-type',
    `this is a ${certificate.type} certificate, a ${type} certificate is needed`,
  );
}

function requireTime(certificate: SshCertificate, now: number): void {
  if (!Number.isFinite(now))
    throw refuseCertificate('validity-bounds', 'the time to check against is not known');
  if (now < certificate.validAfter) {
    throw refuseCertificate('not-yet-valid', 'the certificate is not yet valid');
  }
  if (now >= certificate.validBefore) throw refuseCertificate('expired', 'the certificate has expired');
}

function grantOf(certificate: SshCertificate): SshGrant {
  const forceCommand = certificate.criticalOptions.get('force-command');
  return {
    certificate,
    ...(forceCommand === undefined ? {} : { forceCommand }),
    permitPty: certificate.extensions.has('permit-pty'),
    permitPortForwarding: certificate.extensions.has('permit-port-forwarding'),
    permitAgentForwarding: certificate.extensions.has('permit-agent-forwarding'),
    permitX11Forwarding: certificate.extensions.has('permit-X11-forwarding'),
    permitUserRc: certificate.extensions.has('permit-user-rc'),
  };
}

function isSameKey(one: SshPublicKey, other: SshPublicKey): boolean {
  return one.blob.length === other.blob.length && timingSafeEqual(one.blob, other.blob);
}
