// Certificates for people: at login, when an admin signs for somebody, and again from a certificate that is held.
// Everything they may say is in one Grant; a reissue is the old grant, narrowed.
import { randomUUID } from 'node:crypto';
import type { AccessSet } from '#core/access/compile.ts';
import { grantedNames } from '#core/access/decide.ts';
import { narrow, type Grant } from '#core/access/narrow.ts';
import { certExtensions } from '#core/access/options.ts';
import type { Traits } from '#core/access/role.ts';
import type { UserCertificates } from '#core/api/login.ts';
import { GatehouseError } from '#core/errors/error.ts';
import type { UserIdentity } from '#core/identity.ts';
import { accessOf, requireNoLock, requireUser, unlockedLogins } from './holder.ts';
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
  MIN_TTL_MS,
  requireFittingAuthority,
  requireForeignKey,
  requirePrincipals,
  requireTtlWithin,
} from './validators.ts';

const HOUR_MS = 3_600_000;
export const DEFAULT_TTL_MS = 12 * HOUR_MS;
/** Where no role sets max_session_ttl. */
export const DEFAULT_MAX_TTL_MS = 30 * HOUR_MS;
/** What the local admin may sign for, beyond max_session_ttl. */
export const MAX_SIGNED_TTL_MS = 366 * 24 * HOUR_MS;

export interface UserRequest {
  readonly user: string;
  readonly keys: KeyTexts;
  /** Cut to what the roles allow; default 12 h. */
  readonly ttlMs?: number | undefined;
  /** Where the user is; certificates of roles with pin_source_ip work from there only. Absent when not known. */
  readonly address?: string | undefined;
  /** Milliseconds since the epoch. */
  readonly mfaVerified?: number | undefined;
  /** Name of the mfa_device that was used: a lock on it refuses. */
  readonly mfaDevice?: string | undefined;
  /** The user who asked for it on behalf of this one. */
  readonly impersonator?: string | undefined;
  /** No later than this, in milliseconds since the epoch. */
  readonly notAfter?: number | undefined;
  /** Set for the local admin: max_session_ttl of the roles does not count, MAX_SIGNED_TTL_MS does. */
  readonly beyondRoles?: boolean | undefined;
  readonly certFormat?: 'standard' | 'oldssh' | undefined;
  /** For the audit log: how, and who asked for it (default: the user itself). */
  readonly method: string;
  readonly requestedBy?: string | undefined;
}

/**
 * Certificates for a user whose right to them has been established by the caller. NOT_FOUND, LOCKED, and BAD_REQUEST
 * for keys and times that are not good.
 */
export async function issueUser(context: IssueContext, request: UserRequest): Promise<UserCertificates> {
  const user = requireUser(context, request.user);
  const { roles, traits } = user.spec;
  requireNoLock(context, { user: request.user, roles, mfaDevice: request.mfaDevice });
  const access = accessOf(context, request.user, roles, traits);
  const { pinSourceIp } = access.options;
  if (pinSourceIp && request.address === undefined) {
    throw new GatehouseError(
      'BAD_REQUEST',
      `a role of ${request.user} pins certificates to the address of the login (pin_source_ip); the user must log in`,
    );
  }
  const grant: Grant = {
    user: request.user,
    roles,
    traits,
    logins: unlockedLogins(context, request.user, grantedNames(access, 'logins').values),
    expires: endOf(context, request, access, user.metadata.expires),
    pinnedIp: pinSourceIp ? request.address : undefined,
    impersonator: request.impersonator,
    mfaVerified: request.mfaVerified,
  };
  return issueGrant(context, grant, access, {
    ...request,
    maxTtlMs: request.beyondRoles === true ? MAX_SIGNED_TTL_MS : maxTtlOf(access),
  });
}

export interface ReissueRequest {
  readonly keys: KeyTexts;
  readonly ttlMs?: number | undefined;
  /** A part of the roles in the certificate; absent: all of them that the user still has. */
  readonly roles?: readonly string[] | undefined;
  /** Where the caller is now. */
  readonly address: string;
}

/**
 * Certificates from the ones `identity` was read from: never more in any respect, and no more than the user has now.
 * ACCESS_DENIED for roles that are not held (any more) and from another address than the pinned one,
 * CERTIFICATE_INVALID when less than a minute of the session is left.
 */
export async function reissueUser(
  context: IssueContext,
  identity: UserIdentity,
  request: ReissueRequest,
): Promise<UserCertificates> {
  const { clock } = context;
  const user = requireUser(context, identity.name);
  requireImpersonator(context, identity);
  const previous = grantOf(identity);
  const asked = narrow(previous, {
    user: user.metadata.name,
    ...(previous.pinnedIp === undefined ? {} : { pinnedIp: request.address }),
    ...(request.roles === undefined ? {} : { roles: request.roles }),
  });
  const roles = asked.roles.filter((role) => user.spec.roles.includes(role));
  if (request.roles !== undefined && roles.length < asked.roles.length) {
    throw new GatehouseError('ACCESS_DENIED', 'a role that was asked for is no longer held');
  }
  requireNoLock(context, { user: identity.name, roles });
  const traits = commonTraits(asked.traits, user.spec.traits);
  const access = accessOf(context, identity.name, roles, traits);
  const granted = grantedNames(access, 'logins').values;
  const logins = asked.logins.filter((login) => granted.includes(login));
  const ttl = Math.min(request.ttlMs ?? Infinity, maxTtlOf(access));
  const userEnds = user.metadata.expires === undefined ? Infinity : Date.parse(user.metadata.expires);
  const expires = wholeSeconds(Math.min(asked.expires, userEnds, clock.now() + ttl));
  if (expires - clock.now() < MIN_TTL_MS) {
    throw new GatehouseError('CERTIFICATE_INVALID', 'the session ends within a minute; log in again');
  }
  const grant: Grant = {
    ...asked,
    roles,
    traits,
    logins: unlockedLogins(context, identity.name, logins),
    expires,
    pinnedIp: asked.pinnedIp ?? (access.options.pinSourceIp ? request.address : undefined),
  };
  return issueGrant(context, grant, access, { ...request, method: 'reissue', maxTtlMs: maxTtlOf(access) });
}

interface GrantFacts extends Pick<UserRequest, 'keys' | 'method' | 'requestedBy' | 'certFormat' | 'address'> {
  readonly maxTtlMs: number;
}

async function issueGrant(
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
    user: facts.requestedBy ?? grant.user,
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
    roles: grant.roles,
    traits: grant.traits,
    logins: grant.logins,
    ...(grant.pinnedIp === undefined ? {} : { pinned_ip: grant.pinnedIp }),
    ...(grant.mfaVerified === undefined ? {} : { mfa_verified: toTimestamp(grant.mfaVerified) }),
    ...(grant.impersonator === undefined ? {} : { impersonator: grant.impersonator }),
    ...(isUsage(grant.usage) ? { usage: grant.usage } : {}),
    session_expires: toTimestamp(grant.expires),
  };
}

/** The grant that an identity carries. */
export function grantOf(identity: UserIdentity): Grant {
  return {
    user: identity.name,
    roles: identity.roles,
    traits: identity.traits,
    logins: identity.logins,
    expires: Date.parse(identity.session_expires),
    pinnedIp: identity.pinned_ip,
    usage: identity.usage,
    impersonator: identity.impersonator,
    mfaVerified: identity.mfa_verified === undefined ? undefined : Date.parse(identity.mfa_verified),
  };
}

const isUsage = (usage: string | undefined): usage is 'db' | 'app' | 'kube' =>
  usage === 'db' || usage === 'app' || usage === 'kube';

function endOf(
  { clock }: IssueContext,
  request: UserRequest,
  access: AccessSet,
  userExpires: string | undefined,
): number {
  const wanted = request.ttlMs ?? DEFAULT_TTL_MS;
  const ttl = request.beyondRoles === true ? wanted : Math.min(wanted, maxTtlOf(access));
  const userEnds = userExpires === undefined ? Infinity : Date.parse(userExpires);
  return wholeSeconds(Math.min(clock.now() + ttl, request.notAfter ?? Infinity, userEnds));
}

const maxTtlOf = (access: AccessSet): number => access.options.maxSessionTtlMs ?? DEFAULT_MAX_TTL_MS;

/** A certificate for somebody else is only as good as who asked for it. */
function requireImpersonator(context: IssueContext, { impersonator }: UserIdentity): void {
  if (impersonator === undefined) return;
  const user = requireUser(context, impersonator);
  requireNoLock(context, { user: impersonator, roles: user.spec.roles });
}

function commonTraits(held: Traits, now: Traits): Traits {
  const current = new Map(Object.entries(now));
  const common = Object.entries(held).map(
    ([name, values]) =>
      [name, values.filter((value) => current.get(name)?.includes(value) === true)] as const,
  );
  return Object.fromEntries(common.filter(([, values]) => values.length > 0));
}

/** Certificates count in whole seconds. */
const wholeSeconds = (ms: number): number => Math.floor(ms / 1000) * 1000;
const toTimestamp = (ms: number): string => new Date(wholeSeconds(ms)).toISOString().replace('.000Z', 'Z');
