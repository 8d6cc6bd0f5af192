// Who a user is right now: the stored user, its roles and the locks, whatever an older certificate says.
import { compileAccess, type AccessSet } from '#core/access/compile.ts';
import { lockInForce, requireUnlocked, type Lock } from '#core/access/locks.ts';
import type { Traits } from '#core/access/role.ts';
import { GatehouseError } from '#core/errors/error.ts';
import type { Resource } from '#core/resource.ts';
import { lockOf, type LockSpec } from '#kinds/lock/kind.ts';
import { accessRolesOf, type RoleSpec } from '#kinds/role/kind.ts';
import { isUserLocked, type UserSpec } from '#kinds/user/kind.ts';
import type { IssueContext } from './context.ts';

export type HolderContext = Pick<IssueContext, 'state' | 'clock'>;

/** NOT_FOUND when there is no such user, LOCKED when it is locked in its own record. */
export function requireUser({ state, clock }: HolderContext, name: string): Resource<UserSpec> {
  // The copy holds what parseResource of this kind accepted.
  const user = state.get('user', name) as Resource<UserSpec> | undefined;
  if (user === undefined) throw new GatehouseError('NOT_FOUND', `user/${name} does not exist`);
  if (!isUserLocked(user.spec, clock.now())) return user;
  throw new GatehouseError('LOCKED', user.spec.status?.locked_message || 'the user is locked');
}

/** The user a certificate was made for: NOT_FOUND as well when another one has the name now. LOCKED as requireUser. */
export function requireHolder(
  context: HolderContext,
  holder: { readonly name: string; readonly uid?: string | undefined },
): Resource<UserSpec> {
  const user = requireUser(context, holder.name);
  if (user.spec.uid === holder.uid) return user;
  throw new GatehouseError('NOT_FOUND', `the user/${holder.name} of the certificate does not exist any more`);
}

/**
 * What the certified roles that the user still has give to it with these traits, less what any of its roles denies.
 * Roles that no longer exist give nothing.
 */
export function accessOf(
  { state }: Pick<HolderContext, 'state'>,
  { metadata, spec }: Resource<UserSpec>,
  certified: readonly string[] = spec.roles,
  traits: Traits = spec.traits,
): AccessSet {
  const held = spec.roles
    .map((name) => state.get('role', name) as Resource<RoleSpec> | undefined)
    .filter((role) => role !== undefined);
  const roles = held.map((role) => role.metadata.name).filter((name) => certified.includes(name));
  return compileAccess(accessRolesOf(held, certified), { name: metadata.name, roles, traits });
}

/** LOCKED when a lock is in force on the user, one of the roles, or the factor that was used. */
export function requireNoLock(
  context: HolderContext,
  subject: {
    readonly user: string;
    readonly roles: readonly string[];
    readonly mfaDevice?: string | undefined;
  },
): void {
  requireUnlocked(locksOf(context), subject, context.clock.now());
}

/** LOCKED when a lock is in force on the host. */
export function requireHostUnlocked(context: HolderContext, hostId: string): void {
  requireUnlocked(locksOf(context), { serverId: hostId }, context.clock.now());
}

/** The logins on which no lock is in force. */
export function unlockedLogins(
  context: HolderContext,
  user: string,
  logins: readonly string[],
): readonly string[] {
  const locks = locksOf(context);
  if (locks.length === 0) return logins;
  return logins.filter((login) => lockInForce(locks, { user, login }, context.clock.now()) === undefined);
}

function locksOf({ state }: HolderContext): readonly Lock[] {
  return Array.from(state.list('lock'), (lock) => lockOf(lock as Resource<LockSpec>));
}
