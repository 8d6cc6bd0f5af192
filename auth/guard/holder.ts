// What is left of a member right now, whatever an older certificate says: does the user it was made for still exist,
// is nobody of them locked, what do the roles still give. The one place for such conditions: the guard asks it at every
// call and for held streams, issuing asks it for every certificate. Pure over the state; each turns a loss into its own
// words.
import { compileAccess, type AccessSet } from '#core/access/compile.ts';
import { lockInForce, type Lock, type LockSubject } from '#core/access/locks.ts';
import type { PredicateCompiler } from '#core/access/predicates.ts';
import type { Traits } from '#core/access/role.ts';
import type { Clock } from '#core/clock.ts';
import type { UserIdentity } from '#core/identity.ts';
import type { Resource } from '#core/resource.ts';
import { lockOf, type LockSpec } from '#kinds/lock/kind.ts';
import { accessRolesOf, type RoleSpec } from '#kinds/role/kind.ts';
import { isUserLocked, type UserSpec } from '#kinds/user/kind.ts';
import type { ClusterState } from '../state/state.ts';

export interface HolderSource {
  readonly state: Pick<ClusterState, 'get' | 'list'>;
  readonly clock: Pick<Clock, 'now'>;
  /** All locks, where they are kept already; else read from the state. */
  readonly locks?: (() => readonly Lock[]) | undefined;
}

/** Why nothing is left. `message` is what an admin wrote for the locked-out person, and may be empty. */
export type Loss =
  | { readonly why: 'gone' | 'replaced'; readonly user: string }
  | { readonly why: 'user-locked'; readonly user: string; readonly message: string | undefined }
  | { readonly why: 'lock'; readonly lock: string; readonly message: string | undefined };

export type User = Resource<UserSpec>;
export const isLoss = (found: User | Loss): found is Loss => 'why' in found;

/** The user of this name, who is not locked, nor are its roles, nor the factor that was used. */
export function userLeft(source: HolderSource, name: string, mfaDevice?: string): User | Loss {
  const user = storedUser(source, name);
  return user === undefined ? { why: 'gone', user: name } : (lockedOut(source, user, mfaDevice) ?? user);
}

/** The user a certificate was made for, as userLeft; what was made for somebody else needs who asked for it as well. */
export function holderLeft(
  source: HolderSource,
  { name, uid, impersonator, impersonator_uid }: Held,
): User | Loss {
  const user = oneHolder(source, name, uid);
  if (isLoss(user) || impersonator === undefined) return user;
  const other = oneHolder(source, impersonator, impersonator_uid);
  return isLoss(other) ? other : user;
}

/** What of the identity in a certificate says whose it is. */
export type Held = Pick<UserIdentity, 'name' | 'uid' | 'impersonator' | 'impersonator_uid'>;

/** Undefined when no lock is in force on the host. */
export function hostLoss(source: HolderSource, hostId: string): Loss | undefined {
  return lockOn(source, { serverId: hostId });
}

/** The logins on which no lock is in force. */
export function unlockedLogins(
  source: HolderSource,
  user: string,
  logins: readonly string[],
): readonly string[] {
  const locks = locksOf(source);
  if (locks.length === 0) return logins;
  return logins.filter((login) => lockInForce(locks, { user, login }, source.clock.now()) === undefined);
}

/** Roles of a user as they are now: those that are gone give nothing and deny nothing. */
export interface RolesLeft {
  readonly held: readonly Resource<RoleSpec>[];
  /** Those of them that the certificate has as well: only they allow, while all that are held deny. */
  readonly allowing: readonly string[];
}

export function rolesLeft(
  { state }: Pick<HolderSource, 'state'>,
  user: User,
  certified: readonly string[] = user.spec.roles,
): RolesLeft {
  const held = user.spec.roles
    .map((name) => state.get('role', name) as Resource<RoleSpec> | undefined)
    .filter((role) => role !== undefined);
  const names = held.map((role) => role.metadata.name);
  return { held, allowing: names.filter((name) => certified.includes(name)) };
}

/** What the roles give to a user of these traits. INVALID_RESOURCE when a role cannot be applied to it. */
export function accessOf(
  user: User,
  { held, allowing }: RolesLeft,
  traits: Traits = user.spec.traits,
  predicates?: PredicateCompiler,
): AccessSet {
  const subject = { name: user.metadata.name, roles: allowing, traits };
  return compileAccess(accessRolesOf(held, allowing), subject, predicates);
}

export function locksOf({ locks, state }: Pick<HolderSource, 'state' | 'locks'>): readonly Lock[] {
  return locks?.() ?? Array.from(state.list('lock'), (lock) => lockOf(lock as Resource<LockSpec>));
}

// The copy holds what parseResource of this kind accepted.
const storedUser = ({ state }: HolderSource, name: string): User | undefined =>
  state.get('user', name) as User | undefined;

function oneHolder(source: HolderSource, name: string, uid: string | undefined): User | Loss {
  const user = storedUser(source, name);
  if (user === undefined) return { why: 'gone', user: name };
  if (user.spec.uid !== uid) return { why: 'replaced', user: name };
  return lockedOut(source, user) ?? user;
}

function lockedOut(source: HolderSource, user: User, mfaDevice?: string): Loss | undefined {
  const { name } = user.metadata;
  if (isUserLocked(user.spec, source.clock.now())) {
    return { why: 'user-locked', user: name, message: user.spec.status?.locked_message };
  }
  return lockOn(source, { user: name, roles: user.spec.roles, mfaDevice });
}

function lockOn(source: HolderSource, subject: LockSubject): Loss | undefined {
  const found = lockInForce(locksOf(source), subject, source.clock.now());
  return found && { why: 'lock', lock: found.lock.name, message: found.lock.message };
}
