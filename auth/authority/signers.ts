// The keys of one authority, ready to sign. A private key is used only when the public half of the authority lists it
// first: what members do not trust yet must not sign.
import { createPublicKey } from 'node:crypto';
import { issueSshCertificate, sshAuthority, type SshAuthority } from '#core/certs/ssh/issue.ts';
import { parseAuthorizedKey } from '#core/certs/ssh/lines.ts';
import { parsePublicKey } from '#core/certs/ssh/public-key.ts';
import { identityExtension } from '#core/certs/x509/identity.ts';
import { issueX509, x509Issuer, type X509Issuer } from '#core/certs/x509/issue.ts';
import { privateKeyFromPem } from '#core/certs/x509/keys.ts';
import { parseX509 } from '#core/certs/x509/parse.ts';
import { derFromPem } from '#core/certs/x509/pem.ts';
import { GatehouseError } from '#core/errors/error.ts';
import { signJwt, type JwtClaims } from '#core/jwt/sign.ts';
import { Secret } from '#core/secret.ts';
import type { CertAuthorityKeySpec } from '#kinds/cert-authority-key/kind.ts';
import type { CertAuthoritySpec } from '#kinds/cert-authority/kind.ts';
import type { SshPlan, TlsPlan } from './authority.ts';
import { isSamePair, type CaSignatureAlgorithm } from './records.ts';

export interface Signers {
  /** Absent for `db` and `jwt`. */
  readonly ssh?: SshAuthority;
  readonly tls: X509Issuer;
  /** When the X.509 certificate of the authority ends, in milliseconds since the epoch. */
  readonly tlsEnds: number;
  signJwt(claims: JwtClaims): string;
}

/**
 * CORRUPT when a private key of the active public keys is missing or is another one; the message names no key.
 * `preferred` chooses between the two signatures an RSA key can make.
 */
export function loadSigners(
  open: CertAuthoritySpec,
  secret: CertAuthorityKeySpec,
  preferred: CaSignatureAlgorithm,
): Signers {
  const [activeSsh] = open.active_keys.ssh;
  const [activeTls] = open.active_keys.tls;
  const tlsPair = secret.keys.tls.find((pair) => pair.cert.trim() === activeTls?.cert.trim());
  if (tlsPair === undefined) throw missing(open.type);
  const certificate = parseX509(derFromPem(tlsPair.cert));
  const key = privateKeyFromPem(new Secret(tlsPair.key));
  const tls = x509Issuer(certificate, key);
  const signers = {
    tls,
    tlsEnds: certificate.notAfter,
    signJwt: (claims: JwtClaims) => signJwt(claims, key),
  };
  return activeSsh === undefined
    ? signers
    : { ...signers, ssh: loadSsh(activeSsh.public_key, open.type, secret, preferred) };
}

function loadSsh(
  line: string,
  type: string,
  secret: CertAuthorityKeySpec,
  preferred: CaSignatureAlgorithm,
): SshAuthority {
  const { key: active } = parseAuthorizedKey(line);
  for (const pair of secret.keys.ssh) {
    const privateKey = privateKeyFromPem(new Secret(pair.private_key));
    if (!isSamePair(createPublicKey(privateKey), active.key)) continue;
    const isRsa = active.algorithm === 'ssh-rsa';
    return isRsa && preferred !== 'ed25519' ? sshAuthority(privateKey, preferred) : sshAuthority(privateKey);
  }
  throw missing(type);
}

function missing(type: string): GatehouseError {
  return new GatehouseError(
    'CORRUPT',
    `the private key of the ${type} authority is not in the store; restore it from a backup`,
  );
}

/** Wire form. */
export function signSshPlan(authority: SshAuthority, plan: SshPlan): Uint8Array {
  const { subject, ...rest } = plan;
  return issueSshCertificate({ ...rest, subject: parsePublicKey(subject), authority });
}

const USAGES = {
  client: ['clientAuth'],
  server: ['serverAuth'],
  both: ['clientAuth', 'serverAuth'],
} as const;

/** DER. */
export function signTlsPlan(signers: Signers, plan: TlsPlan): Uint8Array {
  return issueX509({
    subject: { commonName: plan.commonName, organization: plan.organization },
    publicKey: plan.subject,
    notBefore: plan.validAfter,
    notAfter: Math.min(plan.validBefore, signers.tlsEnds),
    extKeyUsage: USAGES[plan.usage],
    dnsNames: plan.dnsNames,
    ipAddresses: plan.ipAddresses,
    extensions: plan.identity === undefined ? [] : [identityExtension(plan.identity)],
    issuer: signers.tls,
    ...(plan.serial === undefined ? {} : { serial: plan.serial }),
  });
}
