// The certificate authorities. Only this folder sees their private keys; everything else asks for a signature.
// The contract; open.ts creates or loads the keys.
import type { KeyObject } from 'node:crypto';
import type { JwtClaims } from '#core/jwt/sign.ts';

export const AUTHORITY_TYPES = ['user', 'host', 'db', 'jwt'] as const;
export type AuthorityType = (typeof AUTHORITY_TYPES)[number];

/** What goes into an SSH certificate, once every modifier and validator has had its say. */
export interface SshPlan {
  readonly type: 'user' | 'host';
  /** Wire form of the subject's public key. */
  readonly subject: Uint8Array;
  /** Random when left out. */
  readonly serial?: bigint;
  readonly keyId: string;
  readonly principals: readonly string[];
  /** Milliseconds since the epoch. */
  readonly validAfter: number;
  readonly validBefore: number;
  readonly criticalOptions: Readonly<Record<string, string>>;
  readonly extensions: Readonly<Record<string, string>>;
}

export interface TlsPlan {
  readonly subject: KeyObject;
  /** Random when left out. */
  readonly serial?: bigint;
  readonly commonName: string;
  readonly organization: readonly string[];
  readonly validAfter: number;
  readonly validBefore: number;
  readonly usage: 'client' | 'server' | 'both';
  readonly dnsNames: readonly string[];
  readonly ipAddresses: readonly string[];
  /** The identity to carry; see core/identity.ts. Absent in certificates for databases. */
  readonly identity?: { readonly kind: string };
}

export interface PublicAuthority {
  readonly type: AuthorityType;
  /** PEM, newest first; during a rotation more than one is trusted. */
  readonly tlsCertificates: readonly string[];
  /** authorized_keys lines, newest first. */
  readonly sshPublicKeys: readonly string[];
}

export interface CertificateAuthorities {
  /** From the local copy of the state, so that a rotation is seen at once. */
  publicPart(type: AuthorityType): PublicAuthority;
  /** `sha256:<hex>` of each trusted host authority's key. */
  caPins(): readonly string[];
  /** True for the public key of any authority, in whatever format it came. */
  isOwnKey(key: KeyObject): boolean;
  /** Wire form of the certificate. `db` and `jwt` have no SSH keys: BAD_REQUEST. */
  signSsh(type: AuthorityType, plan: SshPlan): Uint8Array;
  /** DER. The end of the validity is cut to that of the authority. */
  signTls(type: AuthorityType, plan: TlsPlan): Uint8Array;
  /** A compact token, ES256, by the `jwt` authority; its keys are those of publicPart('jwt'). */
  signJwt(claims: JwtClaims): string;
}
