// What every decision about a connection shares, whatever the target: who is locked out, whether the locks are known well
// enough, and what roles or the cluster ask for that cannot be checked yet. Pure.
import type { AccessSet } from './compile.ts';
import { lockOnPerson, MAX_LOCKS_AGE_MS, type Lock } from './locks.ts';
import type { MergedOptions } from './options.ts';
import { DENIED_MESSAGE, quote } from './reason.ts';
import type { Code } from '../errors/codes.ts';
import type { UserIdentity } from '../identity.ts';

/** What a service knows at this moment. */
export interface SessionGround {
  readonly hostId: string;
  readonly clusterName: string;
  readonly now: number;
  /** What the roles of the identity give; an error's message when they cannot be used. */
  readonly access: AccessSet | { readonly unusable: string };
  readonly locks: Iterable<Lock>;
  readonly locksAsOf: number;
  /** As in cluster_auth_preference. */
  readonly preference: {
    readonly require_session_mfa: boolean | string;
    readonly device_trust?: { readonly mode: string } | undefined;
    readonly locking_mode: 'strict' | 'best_effort';
    readonly disconnect_expired_cert: boolean;
  };
  /** As in cluster_networking_config. */
  readonly networking: {
    readonly client_idle_timeout: string;
    readonly client_idle_timeout_message?: string | undefined;
  };
}

export interface Refusal {
  readonly allowed: false;
  readonly code: Extract<Code, 'ACCESS_DENIED' | 'LOCKED' | 'NOT_SUPPORTED' | 'UNAVAILABLE'>;
  /** All that the person is told, besides the denial id. */
  readonly message: string;
  /** For admins; never empty. */
  readonly reasons: readonly string[];
}

export const IDLE_MESSAGE = 'the session was idle for too long';

/** Locks on the person, on who asked for the certificate on their behalf, and on this machine. */
export function lockRefusal(
  identity: UserIdentity,
  login: string | undefined,
  { hostId: serverId, locks, now }: Pick<SessionGround, 'hostId' | 'locks' | 'now'>,
): Refusal | undefined {
  const found = lockOnPerson(locks, identity, { login, serverId }, now);
  if (found === undefined) return undefined;
  const reasons = [`the lock ${quote(found.lock.name)} is in force`];
  return { allowed: false, code: 'LOCKED', message: found.message, reasons };
}

/** Where locking is strict and the list of locks is old. */
export function staleLocks(
  lockMode: 'strict' | 'best_effort',
  { now, locksAsOf }: Pick<SessionGround, 'now' | 'locksAsOf'>,
): Refusal | undefined {
  return lockMode === 'strict' && now - locksAsOf > MAX_LOCKS_AGE_MS ? STALE_LOCKS : undefined;
}

const STALE_LOCKS: Refusal = {
  allowed: false,
  code: 'UNAVAILABLE',
  message:
    'this server cannot be sure that no lock is in force; try again when it has reached the auth service',
  reasons: ['the list of locks is not up to date, and locking mode is strict'],
};

/** What roles or the cluster ask for and this release cannot check: refused rather than left out. */
export function missingCheck(
  options: MergedOptions,
  preference: SessionGround['preference'],
): Refusal | undefined {
  if (options.requireSessionMfa !== 'off' || preference.require_session_mfa !== false) {
    return notSupported(
      'a second factor for each session (require_session_mfa) is asked for here, and this release cannot check it',
    );
  }
  if (options.deviceTrust === 'required' || preference.device_trust?.mode === 'required') {
    return notSupported('trusted devices only (device_trust), and this release cannot check devices');
  }
  return undefined;
}

/** The person learns nothing of the reasons. */
export function denied(reasons: readonly string[]): Refusal {
  return { allowed: false, code: 'ACCESS_DENIED', message: DENIED_MESSAGE, reasons };
}

function notSupported(what: string): Refusal {
  return { allowed: false, code: 'NOT_SUPPORTED', message: what, reasons: [what] };
}
