// Certificates for people: at login, and when an admin or an impersonator signs for somebody.
import { grantedNames } from '#core/access/decide.ts';
import type { AccessSet } from '#core/access/compile.ts';
import type { Grant } from '#core/access/narrow.ts';
import type { UserCertificates } from '#core/api/login.ts';
import { GatehouseError } from '#core/errors/error.ts';
import type { UserIdentity } from '#core/identity.ts';
import { accessOf, rolesLeft, unlockedLogins } from '../guard/holder.ts';
import type { IssueContext } from './context.ts';
import { issueGrant, maxTtlOf, wholeSeconds } from './grant.ts';
import { requireUser } from './holder.ts';
import type { KeyTexts } from './subject-keys.ts';

const HOUR_MS = 3_600_000;
export const DEFAULT_TTL_MS = 12 * HOUR_MS;
/** What the local admin may sign for, beyond max_session_ttl. */
export const MAX_SIGNED_TTL_MS = 366 * 24 * HOUR_MS;

export interface UserRequest {
  readonly user: string;
  readonly keys: KeyTexts;
  /** Cut to what the roles allow; default 12 h. */
  readonly ttlMs?: number | undefined;
  /** Where the user is; certificates of roles with pin_source_ip work from there only. Absent when not known. */
  readonly address?: string | undefined;
  /** Set when the certificate that asks is pinned to `address`: then this one is as well. */
  readonly isPinned?: boolean | undefined;
  /** Milliseconds since the epoch. */
  readonly mfaVerified?: number | undefined;
  /** Name of the mfa_device that was used: a lock on it refuses. */
  readonly mfaDevice?: string | undefined;
  /** The user who asked for it on behalf of this one. */
  readonly impersonator?: Pick<UserIdentity, 'name' | 'uid'> | undefined;
  /** No later than this, in milliseconds since the epoch. */
  readonly notAfter?: number | undefined;
  /** Set for the local admin: max_session_ttl of the roles does not count, MAX_SIGNED_TTL_MS does. */
  readonly beyondRoles?: boolean | undefined;
  readonly certFormat?: 'standard' | 'oldssh' | undefined;
  /** For the audit log: how, and who asked for it (default: the user itself). */
  readonly method: string;
  readonly requestedBy?: string | undefined;
  /** For the audit log: where it was asked for, when that is not where the user is. */
  readonly requestedFrom?: string | undefined;
}

/**
 * Certificates for a user whose right to them has been established by the caller. NOT_FOUND, LOCKED, and BAD_REQUEST
 * for keys and times that are not good.
 */
export async function issueUser(context: IssueContext, request: UserRequest): Promise<UserCertificates> {
  const { grant, access } = userGrant(context, request);
  return issueGrant(context, grant, access, {
    ...request,
    address: request.address ?? request.requestedFrom,
    maxTtlMs: request.beyondRoles === true ? MAX_SIGNED_TTL_MS : maxTtlOf(access),
  });
}

/** All that certificates of such a user may say, and what its roles give. As issueUser. */
export function userGrant(
  context: IssueContext,
  request: Omit<UserRequest, 'keys' | 'method'>,
): { readonly grant: Grant; readonly access: AccessSet } {
  const user = requireUser(context, request.user, request.mfaDevice);
  const { roles, traits } = user.spec;
  const access = accessOf(user, rolesLeft(context, user));
  const { pinSourceIp } = access.options;
  if (pinSourceIp && request.address === undefined) {
    throw new GatehouseError(
      'BAD_REQUEST',
      `a role of ${request.user} pins certificates to the address of the login (pin_source_ip); the user must log in`,
    );
  }
  const grant: Grant = {
    user: request.user,
    uid: user.spec.uid,
    roles,
    traits,
    logins: unlockedLogins(context, request.user, grantedNames(access, 'logins').values),
    expires: endOf(context, request, access, user.metadata.expires),
    pinnedIp: pinSourceIp || request.isPinned === true ? request.address : undefined,
    impersonator: request.impersonator?.name,
    impersonatorUid: request.impersonator?.uid,
    mfaVerified: request.mfaVerified,
  };
  return { grant, access };
}

function endOf(
  { clock }: IssueContext,
  request: Omit<UserRequest, 'keys' | 'method'>,
  access: AccessSet,
  userExpires: string | undefined,
): number {
  const wanted = request.ttlMs ?? DEFAULT_TTL_MS;
  const ttl = request.beyondRoles === true ? wanted : Math.min(wanted, maxTtlOf(access));
  const userEnds = userExpires === undefined ? Infinity : Date.parse(userExpires);
  return wholeSeconds(Math.min(clock.now() + ttl, request.notAfter ?? Infinity, userEnds));
}
