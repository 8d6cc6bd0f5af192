// Watches over replies that take long: a stream may go on only as long as its caller could begin it again. Cuts at
// the moment a certificate ends, a lock comes in force, or the roles of a user change.
import type { AccessSet } from '#core/access/compile.ts';
import type { Clock, Timer } from '#core/clock.ts';
import { GatehouseError } from '#core/errors/error.ts';
import { identityName } from '#core/identity.ts';
import type { Caller } from './caller.ts';
import type { Standing } from './standing.ts';

export interface Hold {
  /** Fires once when the reply must end; `signal.reason` is the GatehouseError to end it with. */
  readonly signal: AbortSignal;
  /** Safe to call twice. */
  release(): void;
}

export interface Holds {
  /** Throws as `standingOf` when the caller has no standing even now. Beyond MAX_HELD the oldest of the caller ends. */
  hold(caller: Caller): Hold;
  /** Looks at every held reply again. */
  review(): void;
  /** Ends every held reply with UNAVAILABLE. */
  close(): void;
}

/**
 * Replies of one identity at a time, as each holds a connection and up to a few MiB. A service needs two. The newest are
 * kept: of a machine whose network comes and goes, the older ones are dead, and it takes TCP minutes to notice.
 */
const MAX_HELD = 32;

interface Held {
  readonly caller: Caller;
  readonly access: AccessSet | undefined;
  readonly controller: AbortController;
  timer: Timer | undefined;
}

export function openHolds(clock: Clock, standingOf: (caller: Caller) => Standing): Holds {
  const all = new Set<Held>();
  /** In the order of their start. */
  const byCaller = new Map<string, Set<Held>>();

  const end = (held: Held, reason?: GatehouseError): void => {
    if (!all.delete(held)) return;
    const who = nameOf(held.caller);
    const own = byCaller.get(who);
    own?.delete(held);
    if (own?.size === 0) byCaller.delete(who);
    held.timer?.cancel();
    if (reason !== undefined) held.controller.abort(reason);
  };
  const armExpiry = (held: Held): void => {
    const { expires } = held.caller;
    if (expires === undefined) return;
    // Timers cannot wait for longer than 24 days, so each firing looks again.
    held.timer = clock.after(expires - clock.now(), () => {
      if (clock.now() < expires) armExpiry(held);
      else end(held, new GatehouseError('CERTIFICATE_INVALID', 'the certificate has expired'));
    });
  };
  const review = (held: Held): void => {
    try {
      if (accessOf(standingOf(held.caller)) === held.access) return;
      // What the caller may see is another set now; only a new snapshot can say which.
      end(
        held,
        new GatehouseError('REVISION_COMPACTED', 'the access of the caller changed; take a new snapshot'),
      );
    } catch (error) {
      end(held, error instanceof GatehouseError ? error : new GatehouseError('INTERNAL', 'internal error'));
    }
  };

  return {
    hold(caller) {
      const access = accessOf(standingOf(caller));
      const held: Held = { caller, access, controller: new AbortController(), timer: undefined };
      const who = nameOf(caller);
      const own = byCaller.get(who) ?? new Set();
      const [oldest] = own;
      if (oldest !== undefined && own.size >= MAX_HELD) end(oldest, replaced());
      byCaller.set(who, own.add(held));
      all.add(held);
      armExpiry(held);
      return { signal: held.controller.signal, release: () => end(held) };
    },
    review() {
      for (const held of all) review(held);
    },
    close() {
      for (const held of all) end(held, new GatehouseError('UNAVAILABLE', 'the auth service is stopping'));
    },
  };
}

function accessOf(standing: Standing): AccessSet | undefined {
  return standing.who === 'user' ? standing.access : undefined;
}

function replaced(): GatehouseError {
  return new GatehouseError(
    'LIMIT_EXCEEDED',
    `this feed made room for newer ones of the same caller, who may have ${MAX_HELD} at a time`,
  );
}

/** Kinds of identity do not share names. */
function nameOf({ identity }: Caller): string {
  return identity === undefined ? 'anonymous' : `${identity.kind} ${identityName(identity)}`;
}
