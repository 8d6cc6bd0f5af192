// Failed logins are counted by user name in the store, so that several auth servers count together and a restart
// forgets nothing. A try is counted before the password is looked at: tries in parallel cannot get past the limit.
// States of a name:  free --5th try within 15 min--> locked --20 min, or a login that is good--> free.
import type { Clock } from '#core/clock.ts';
import { GatehouseError, isCode } from '#core/errors/error.ts';
import { parseResource } from '#core/kind.ts';
import type { Resource } from '#core/resource.ts';
import { timestampOf } from '#core/timestamp.ts';
import { loginAttemptsKind, type LoginAttemptsSpec } from '#kinds/login-attempts/kind.ts';
import type { Change, ClusterState } from '../state/state.ts';

export const MAX_FAILURES = 5;
export const WINDOW_MS = 15 * 60_000;
export const LOCKOUT_MS = 20 * 60_000;
/** Every lost race means that another try was counted, and five are enough. */
const MAX_TRIES = 20;

export interface Attempt {
  /** Set when this is the last try before the name is locked: until when, in milliseconds since the epoch. */
  readonly locksUntil?: number;
  /** To be part of the write that a good login makes. */
  readonly forget: Change;
}

export interface AttemptsContext {
  readonly state: Pick<ClusterState, 'read' | 'write'>;
  readonly clock: Clock;
}

/** Counts one try for the name, whether or not there is such a user. ACCOUNT_LOCKED when there were too many. */
export async function countAttempt({ state, clock }: AttemptsContext, name: string): Promise<Attempt> {
  const forget: Change = { do: 'delete', kind: loginAttemptsKind.name, name, ifPresent: true };
  for (let tries = 0; tries < MAX_TRIES; tries++) {
    const stored = await state.read(loginAttemptsKind, name);
    const now = clock.now();
    const next = nextAttempts(stored?.spec, now);
    const resource = recordOf(name, next, now);
    try {
      await state.write([changeOf(stored, resource)]);
    } catch (error) {
      if (isCode(error, 'ALREADY_EXISTS', 'CONDITION_FAILED', 'NOT_FOUND')) continue;
      throw error;
    }
    return next.lockedUntil === undefined ? { forget } : { forget, locksUntil: next.lockedUntil };
  }
  throw new GatehouseError('LIMIT_EXCEEDED', 'too many logins of this user at this moment; try again');
}

interface Next {
  readonly failures: readonly number[];
  readonly lockedUntil?: number;
}

/** Pure. The count with one more try; ACCOUNT_LOCKED while the name is locked. */
export function nextAttempts(stored: LoginAttemptsSpec | undefined, now: number): Next {
  const lockedUntil = stored?.locked_until === undefined ? 0 : Date.parse(stored.locked_until);
  if (lockedUntil > now) throw lockedError(lockedUntil, now);
  // After a lock-out the count starts anew.
  const since = Math.max(now - WINDOW_MS, lockedUntil === 0 ? 0 : now);
  const recent = (stored?.failures ?? []).map((time) => Date.parse(time)).filter((time) => time > since);
  const failures = [...recent, now];
  return failures.length < MAX_FAILURES ? { failures } : { failures, lockedUntil: now + LOCKOUT_MS };
}

function lockedError(until: number, now: number): GatehouseError {
  const minutes = Math.ceil((until - now) / 60_000);
  return new GatehouseError(
    'ACCOUNT_LOCKED',
    `too many failed attempts; try again in ${minutes} ${minutes === 1 ? 'minute' : 'minutes'}`,
    { details: { locked_until: timestampOf(until) } },
  );
}

/** Gone by itself when it no longer counts, so that made-up names do not pile up. */
function recordOf(name: string, { failures, lockedUntil }: Next, now: number): Resource<LoginAttemptsSpec> {
  const expires = timestampOf(lockedUntil ?? now + WINDOW_MS);
  return parseResource(loginAttemptsKind, {
    kind: loginAttemptsKind.name,
    metadata: { name, expires },
    spec: {
      failures: failures.map((time) => timestampOf(time)),
      ...(lockedUntil === undefined ? {} : { locked_until: timestampOf(lockedUntil) }),
    },
  });
}

function changeOf(stored: Resource | undefined, resource: Resource): Change {
  const revision = stored?.metadata.revision;
  if (revision === undefined) return { do: 'create', resource };
  return { do: 'update', resource: { ...resource, metadata: { ...resource.metadata, revision } } };
}
