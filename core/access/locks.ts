// Locks: who and what is shut out, from when until when. Asked at every login, at every new connection, and again
// whenever the list of locks changes while a session is open.
import { GatehouseError } from '../errors/error.ts';
import type { UserIdentity } from '../identity.ts';

export interface LockTarget {
  readonly user?: string | undefined;
  readonly role?: string | undefined;
  readonly login?: string | undefined;
  /** The older name of server_id. */
  readonly node?: string | undefined;
  readonly server_id?: string | undefined;
  readonly mfa_device?: string | undefined;
  readonly windows_desktop?: string | undefined;
  readonly access_request?: string | undefined;
  readonly device?: string | undefined;
  readonly bot_instance_id?: string | undefined;
  readonly join_token?: string | undefined;
}

export interface Lock {
  readonly name: string;
  readonly target: LockTarget;
  /** Shown to those who are locked out. */
  readonly message?: string | undefined;
  /** Milliseconds since the epoch; in force until then, for ever when left out. */
  readonly expires?: number | undefined;
}

/** Everything a lock could be about, of one identity and what it wants. Leave out what does not apply. */
export interface LockSubject {
  readonly user?: string | undefined;
  readonly roles?: readonly string[] | undefined;
  readonly login?: string | undefined;
  readonly serverId?: string | undefined;
  readonly mfaDevice?: string | undefined;
  readonly windowsDesktop?: string | undefined;
  readonly accessRequests?: readonly string[] | undefined;
  readonly device?: string | undefined;
  readonly botInstanceId?: string | undefined;
  /** A digest of its name, as locks have it. */
  readonly joinToken?: string | undefined;
}

export interface LockInForce {
  readonly lock: Lock;
  /** For the locked-out person: the lock's message, or that a lock is in force; never what is locked. */
  readonly message: string;
}

/** How old the local list of locks may be before strict mode refuses. */
export const MAX_LOCKS_AGE_MS = 5 * 60_000;

/**
 * The first lock, by name, that is in force on the subject. A lock with several target fields is about what has all
 * of them; a lock without any is about nothing. `now` in milliseconds since the epoch.
 */
export function lockInForce(
  locks: Iterable<Lock>,
  subject: LockSubject,
  now: number,
): LockInForce | undefined {
  let found: Lock | undefined;
  for (const lock of locks) {
    if (lock.expires !== undefined && lock.expires <= now) continue;
    if ((found === undefined || lock.name < found.name) && isAbout(lock.target, subject)) found = lock;
  }
  return found === undefined ? undefined : { lock: found, message: found.message || 'a lock is in force' };
}

/** The lock on whoever a certificate is for, or on who asked for it on their behalf. `at`: where, as which login. */
export function lockOnPerson(
  locks: Iterable<Lock>,
  { name, roles, impersonator }: Pick<UserIdentity, 'name' | 'roles' | 'impersonator'>,
  at: Pick<LockSubject, 'login' | 'serverId'>,
  now: number,
): LockInForce | undefined {
  const own = lockInForce(locks, { ...at, user: name, roles }, now);
  if (own !== undefined || impersonator === undefined) return own;
  return lockInForce(locks, { ...at, user: impersonator }, now);
}

/** LOCKED when a lock is in force on the subject; the message says no more than the lock's own message. */
export function requireUnlocked(locks: Iterable<Lock>, subject: LockSubject, now: number): void {
  const found = lockInForce(locks, subject, now);
  if (found !== undefined) throw new GatehouseError('LOCKED', found.message);
}

/**
 * UNAVAILABLE when the list of locks is too old to be trusted: always tolerated in best_effort mode, never in strict.
 * `asOf` is when the list was last known to be complete.
 */
export function requireFreshLocks(mode: 'strict' | 'best_effort', asOf: number, now: number): void {
  if (mode === 'best_effort' || now - asOf <= MAX_LOCKS_AGE_MS) return;
  throw new GatehouseError('UNAVAILABLE', 'the list of locks is not up to date, and locking mode is strict');
}

function isAbout(target: LockTarget, subject: LockSubject): boolean {
  const checks: readonly [wanted: string | undefined, has: readonly (string | undefined)[]][] = [
    [target.user, [subject.user]],
    [target.role, subject.roles ?? []],
    [target.login, [subject.login]],
    [target.node, [subject.serverId]],
    [target.server_id, [subject.serverId]],
    [target.mfa_device, [subject.mfaDevice]],
    [target.windows_desktop, [subject.windowsDesktop]],
    [target.access_request, subject.accessRequests ?? []],
    [target.device, [subject.device]],
    [target.bot_instance_id, [subject.botInstanceId]],
    [target.join_token, [subject.joinToken]],
  ];
  const set = checks.filter(([wanted]) => wanted !== undefined && wanted !== '');
  return set.length > 0 && set.every(([wanted, has]) => has.includes(wanted));
}
