// Everything the certificates of a user may say is in one Grant: this turns it into certificates, writes it into the
// identity they carry, and reads it back from there.
import { randomUUID } from 'node:crypto';
import type { AccessSet } from '#core/access/compile.ts';
import type { Grant } from '#core/access/narrow.ts';
import { certExtensions } from '#core/access/options.ts';
import type { UserCertificates } from '#core/api/login.ts';
import type { UserIdentity } from '#core/identity.ts';
import type { IssueContext } from './context.ts';
import {
  forUser,
  pinnedTo,
  validUntil,
  withLogins,
  withPermits,
  withRoleExtensions,
  withSshIdentity,
} from './modifiers.ts';
import { makePlan, startPlan, type CertificatePlan, type Modifier } from './plan.ts';
import { signPlan } from './sign.ts';
import { readSubjectKeys, type KeyTexts } from './subject-keys.ts';
import {
  requireFittingAuthority,
  requireForeignKey,
  requirePrincipals,
  requireTtlWithin,
} from './validators.ts';

/** Where no role sets max_session_ttl. */
export const DEFAULT_MAX_TTL_MS = 30 * 3_600_000;

export interface GrantFacts {
  readonly keys: KeyTexts;
  readonly certFormat?: 'standard' | 'oldssh' | undefined;
  /** For the audit log: how, who asked for it (default: the user itself), and from where. */
  readonly method: string;
  readonly requestedBy?: string | undefined;
  readonly address?: string | undefined;
  readonly maxTtlMs: number;
}

/** BAD_REQUEST when the keys, times or logins are not good. `access` is what the roles of the grant give. */
export async function issueGrant(
  context: IssueContext,
  grant: Grant,
  access: AccessSet,
  facts: GrantFacts,
): Promise<UserCertificates> {
  const { authorities, clusterName, clock } = context;
  const identity = identityOf(grant, clusterName);
  const format = facts.certFormat === 'oldssh' ? 'oldssh' : access.options.certFormat;
  const plan = makePlan(
    startPlan('user', readSubjectKeys(facts.keys), clock.now()),
    userModifiers(grant, identity, access, format),
    [
      requireTtlWithin(facts.maxTtlMs),
      requirePrincipals,
      requireForeignKey(authorities),
      requireFittingAuthority,
    ],
  );
  const signed = await signPlan(context, plan, {
    type: 'user',
    method: facts.method,
    ...requesterOf(grant, facts),
    roles: grant.roles,
    ...(facts.address === undefined ? {} : { address: facts.address }),
  });
  const host = authorities.publicPart('host');
  return {
    user: grant.user,
    cluster_name: clusterName,
    ssh_certificate: signed.ssh,
    tls_certificate: signed.tls,
    expires: toTimestamp(signed.expires),
    roles: grant.roles,
    logins: grant.logins,
    tls_authorities: host.tlsCertificates,
    ssh_host_authorities: host.sshPublicKeys,
  };
}

function requesterOf(
  { user, impersonator }: Grant,
  { requestedBy }: GrantFacts,
): { readonly user: string; readonly impersonator?: string } {
  if (requestedBy !== undefined) return { user: requestedBy };
  return impersonator === undefined ? { user } : { user, impersonator };
}

function userModifiers(
  grant: Grant,
  identity: UserIdentity,
  access: AccessSet,
  format: 'standard' | 'oldssh',
): readonly Modifier[] {
  const own = (plan: CertificatePlan): CertificatePlan => {
    const extensions = certExtensions(
      access.roles.map(({ role }) => role),
      grant.traits,
    );
    return withRoleExtensions(extensions)(withSshIdentity(identity)(plan));
  };
  return [
    forUser(identity),
    validUntil(grant.expires),
    withLogins(grant.logins, randomUUID()),
    withPermits(access.options),
    pinnedTo(grant.pinnedIp),
    // The old format has no extensions of our own: old servers refuse them.
    ...(format === 'oldssh' ? [] : [own]),
  ];
}

/** The identity that carries a grant. */
export function identityOf(grant: Grant, cluster: string): UserIdentity {
  return {
    kind: 'user',
    cluster,
    name: grant.user,
    ...(grant.uid === undefined ? {} : { uid: grant.uid }),
    roles: grant.roles,
    traits: grant.traits,
    logins: grant.logins,
    ...(grant.pinnedIp === undefined ? {} : { pinned_ip: grant.pinnedIp }),
    ...(grant.mfaVerified === undefined ? {} : { mfa_verified: toTimestamp(grant.mfaVerified) }),
    ...(grant.impersonator === undefined ? {} : { impersonator: grant.impersonator }),
    ...(grant.impersonatorUid === undefined ? {} : { impersonator_uid: grant.impersonatorUid }),
    ...(isUsage(grant.usage) ? { usage: grant.usage } : {}),
    session_expires: toTimestamp(grant.expires),
  };
}

/** The grant that an identity carries. */
export function grantOf(identity: UserIdentity): Grant {
  return {
    user: identity.name,
    uid: identity.uid,
    roles: identity.roles,
    traits: identity.traits,
    logins: identity.logins,
    expires: Date.parse(identity.session_expires),
    pinnedIp: identity.pinned_ip,
    usage: identity.usage,
    impersonator: identity.impersonator,
    impersonatorUid: identity.impersonator_uid,
    mfaVerified: identity.mfa_verified === undefined ? undefined : Date.parse(identity.mfa_verified),
  };
}

const isUsage = (usage: string | undefined): usage is 'db' | 'app' | 'kube' =>
  usage === 'db' || usage === 'app' || usage === 'kube';

/** The longest session the roles allow. */
export const maxTtlOf = (access: AccessSet): number => access.options.maxSessionTtlMs ?? DEFAULT_MAX_TTL_MS;

/** Certificates count in whole seconds. */
export const wholeSeconds = (ms: number): number => Math.floor(ms / 1000) * 1000;
/** RFC 3339, of whole seconds. */
export const toTimestamp = (ms: number): string =>
  new Date(wholeSeconds(ms)).toISOString().replace('.000Z', 'Z');
