// A certificate in the making: a value that modifiers fill in and validators judge, one small named function each.
// Nothing here signs; sign.ts gives a finished plan to the authorities.
import type { SshPublicKey } from '#core/certs/ssh/public-key.ts';
import type { KeyObject } from 'node:crypto';
import type { Identity } from '#core/identity.ts';
import type { AuthorityType } from '../authority/authority.ts';

/** The public keys of whom the certificates are for; databases have no SSH key. */
export interface SubjectKeys {
  readonly ssh?: SshPublicKey;
  readonly tls: KeyObject;
}

/** The SSH and the X.509 certificate of one issue, which say the same about the same holder. */
export interface CertificatePlan {
  readonly authority: AuthorityType;
  readonly keys: SubjectKeys;
  readonly identity?: Identity;
  /** Milliseconds since the epoch. */
  readonly now: number;
  readonly validAfter: number;
  readonly validBefore: number;
  readonly keyId: string;
  readonly principals: readonly string[];
  readonly criticalOptions: Readonly<Record<string, string>>;
  readonly extensions: Readonly<Record<string, string>>;
  readonly commonName: string;
  readonly organization: readonly string[];
  readonly usage: 'client' | 'server' | 'both';
  readonly dnsNames: readonly string[];
  readonly ipAddresses: readonly string[];
}

/** Returns a changed copy. Pure; throws BAD_REQUEST naming the field when what was asked for cannot be. */
export type Modifier = (plan: CertificatePlan) => CertificatePlan;

/** Throws when the plan must not be signed. Pure. */
export type Validator = (plan: CertificatePlan) => void;

export function startPlan(authority: AuthorityType, keys: SubjectKeys, now: number): CertificatePlan {
  return {
    authority,
    keys,
    now,
    validAfter: now,
    validBefore: now,
    keyId: '',
    principals: [],
    criticalOptions: {},
    extensions: {},
    commonName: '',
    organization: [],
    usage: 'client',
    dnsNames: [],
    ipAddresses: [],
  };
}

/** Modifiers in their order, then every validator. */
export function makePlan(
  start: CertificatePlan,
  modifiers: readonly Modifier[],
  validators: readonly Validator[],
): CertificatePlan {
  const plan = modifiers.reduce((current, modify) => modify(current), start);
  for (const validate of validators) validate(plan);
  return plan;
}
