// Certificates for a user from the ones it holds: the old grant narrowed, and cut down to what the user has now.
import { grantedNames } from '#core/access/decide.ts';
import { narrow, type Grant } from '#core/access/narrow.ts';
import type { Traits } from '#core/access/role.ts';
import type { UserCertificates } from '#core/api/login.ts';
import { GatehouseError } from '#core/errors/error.ts';
import type { UserIdentity } from '#core/identity.ts';
import { accessOf, rolesLeft, unlockedLogins } from '../guard/holder.ts';
import type { IssueContext } from './context.ts';
import { grantOf, issueGrant, maxTtlOf, wholeSeconds } from './grant.ts';
import { requireHolder } from './holder.ts';
import type { KeyTexts } from './subject-keys.ts';
import { MIN_TTL_MS } from './validators.ts';

export interface ReissueRequest {
  readonly keys: KeyTexts;
  readonly ttlMs?: number | undefined;
  /** Where the caller is now. */
  readonly address: string;
}

/**
 * Certificates from the ones `identity` was read from: never more in any respect, with the roles that the user still
 * has. LOCKED for any role that the user has now; ACCESS_DENIED from another address than the pinned one;
 * CERTIFICATE_INVALID when less than a minute of the session is left.
 */
export async function reissueUser(
  context: IssueContext,
  identity: UserIdentity,
  request: ReissueRequest,
): Promise<UserCertificates> {
  const { clock } = context;
  const user = requireHolder(context, identity);
  const previous = grantOf(identity);
  const asked = narrow(previous, {
    user: user.metadata.name,
    ...(previous.pinnedIp === undefined ? {} : { pinnedIp: request.address }),
  });
  const roles = asked.roles.filter((role) => user.spec.roles.includes(role));
  const traits = commonTraits(asked.traits, user.spec.traits);
  const access = accessOf(user, rolesLeft(context, user, roles), traits);
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

export function commonTraits(held: Traits, now: Traits): Traits {
  const current = new Map(Object.entries(now));
  const common = Object.entries(held).map(
    ([name, values]) =>
      [name, values.filter((value) => current.get(name)?.includes(value) === true)] as const,
  );
  return Object.fromEntries(common.filter(([, values]) => values.length > 0));
}
