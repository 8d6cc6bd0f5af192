// Client certificates of people, verified: chain, time, use, and the identity in them. The same certificate comes with every
// connection of a client, and verifying costs more than all else at its beginning; so what was found good is kept for a
// minute, by its bytes.
import { createHash } from 'node:crypto';
import { identityOfCertificate } from './certs/x509/identity.ts';
import type { ParsedCertificate } from './certs/x509/parse.ts';
import { verifyX509 } from './certs/x509/verify.ts';
import { GatehouseError } from './errors/error.ts';
import { parseIdentity, type UserIdentity } from './identity.ts';

export interface UserCertificateContext {
  /** Of users; another list than before ends what is kept. */
  readonly authorities: readonly ParsedCertificate[];
  readonly clusterName: string;
  /** Milliseconds since the epoch. */
  readonly now: number;
}

export interface VerifiedUser {
  readonly identity: UserIdentity;
  /** The first millisecond at which the certificate is no longer valid. */
  readonly validBefore: number;
}

interface Kept extends VerifiedUser {
  readonly notBefore: number;
  readonly until: number;
}

const KEEP_MS = 60_000;
const MOST = 1000;

export class UserCertificates {
  readonly #kept = new Map<string, Kept>();
  #authorities: readonly ParsedCertificate[] | undefined;
  #clusterName = '';

  /** CERTIFICATE_INVALID when it is not one of a user of this cluster, valid now. Usage and route are the caller's to check. */
  verify(der: Uint8Array, context: UserCertificateContext): VerifiedUser {
    const { authorities, clusterName, now } = context;
    if (authorities !== this.#authorities || clusterName !== this.#clusterName) {
      this.#kept.clear();
      this.#authorities = authorities;
      this.#clusterName = clusterName;
    }
    const key = createHash('sha256').update(der).digest('base64');
    const known = this.#kept.get(key);
    if (known !== undefined && now < known.until && now >= known.notBefore) return known;
    const verified = verifyUser(der, context);
    if (this.#kept.size >= MOST) this.#kept.clear();
    this.#kept.set(key, verified);
    return verified;
  }
}

function verifyUser(der: Uint8Array, { authorities, clusterName, now }: UserCertificateContext): Kept {
  const certificate = verifyX509(der, { authorities, purpose: 'clientAuth', now });
  const identity = parseIdentity(identityOfCertificate(certificate));
  if (identity.kind !== 'user' || identity.cluster !== clusterName) {
    throw new GatehouseError('CERTIFICATE_INVALID', 'the certificate is not of a user of this cluster');
  }
  const validBefore = certificate.notAfter + 1000;
  const { notBefore } = certificate;
  return { identity, validBefore, notBefore, until: Math.min(validBefore, now + KEEP_MS) };
}
