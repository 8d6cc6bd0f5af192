// Looks after connections that were let in: asks the question of their beginning again whenever locks, roles or settings
// change, and ends them when their certificate or their idle time does. One for all connections of a service, whatever the
// protocol: what was admitted is the service's own, as long as it says when it ends.
//
//   watched ──(lock, role or setting changed: refused now)──> cut
//      ├────(end of the certificate, where that counts)─────> cut
//      ├────(no input for the idle time)────────────────────> cut
//      └────(closed)────────────────────────────────────────> forgotten
import type { Clock, Timer } from '../clock.ts';
import type { Log } from '../log.ts';

/** What ends a connection that was let in, besides a refusal. */
export interface Conditions {
  readonly allowed: true;
  /** When it must end, milliseconds since the epoch. */
  readonly endsAt?: number;
  readonly idleMs?: number;
  readonly idleMessage: string;
  /** Whether it may go on while locks may be out of date. */
  readonly lockMode: 'strict' | 'best_effort';
}

/** A refusal, as far as the monitor reads it. */
export interface Refused {
  readonly allowed: false;
  readonly code: string;
  readonly message: string;
}

/** A connection as the monitor sees it. */
export interface Watched<A extends Conditions = Conditions> {
  /** When the person last sent something, milliseconds since the epoch. */
  readonly lastInputAt: number;
  /** The question of the beginning, asked now. */
  review(): A | Refused;
  /** Still allowed, perhaps with other options. */
  changed(admission: A): void;
  /** Ends it and says why. Called once. */
  cut(why: CutReason, message: string): void;
}

export const CUT_REASONS = ['lock', 'access', 'locks-out-of-date', 'certificate-expired', 'idle'] as const;
export type CutReason = (typeof CUT_REASONS)[number];

export interface MonitorOptions {
  readonly clock: Clock;
  readonly log: Log;
  /** Tells of changes of the cluster view, by kind; returns how to stop. */
  readonly onChange: (listener: (kinds: ReadonlySet<string>) => void) => () => void;
}

/** What a verdict is made from, as far as it comes from the cluster. */
const DECIDING = [
  'lock',
  'role',
  'cluster_auth_preference',
  'cluster_networking_config',
  'cluster_name',
] as const;
/** How often locks are looked at for their age, where that ends sessions. */
const STRICT_LOOK_MS = 5000;

const ENDED = 'your access to this server has ended';
const EXPIRED = 'the certificate has expired; log in again';

export class SessionMonitor<A extends Conditions> {
  readonly #options: MonitorOptions;
  readonly #watches = new Set<Watch<A>>();
  readonly #stop: () => void;
  #strictLook: Timer | undefined;

  constructor(options: MonitorOptions) {
    this.#options = options;
    this.#stop = options.onChange((kinds) => {
      if (DECIDING.some((kind) => kinds.has(kind))) this.review();
    });
  }

  get size(): number {
    return this.#watches.size;
  }

  /** `admission` is that of the beginning. Returns how to forget the connection, to be called when it is closed. */
  watch(watched: Watched<A>, admission: A): () => void {
    const watch: Watch<A> = { watched, admission, timer: undefined };
    this.#watches.add(watch);
    this.#arm(watch);
    this.#lookAtLocks(watch);
    return () => this.#forget(watch);
  }

  /** Asks about every connection again. */
  review(): void {
    for (const watch of this.#watches) this.#review(watch);
  }

  close(): void {
    this.#stop();
    this.#strictLook?.cancel();
    for (const watch of this.#watches) this.#forget(watch);
  }

  #review(watch: Watch<A>): void {
    let verdict: A | Refused;
    try {
      verdict = watch.watched.review();
    } catch (error) {
      // What cannot be decided is not allowed.
      this.#options.log.error({ err: error }, 'a session could not be looked at again; it is ended');
      this.#cut(watch, 'access', ENDED);
      return;
    }
    if (verdict.allowed) {
      watch.admission = verdict;
      watch.watched.changed(verdict);
      this.#arm(watch);
      this.#lookAtLocks(watch);
    } else if (verdict.code === 'LOCKED') this.#cut(watch, 'lock', verdict.message);
    else if (verdict.code === 'UNAVAILABLE') this.#cut(watch, 'locks-out-of-date', verdict.message);
    else this.#cut(watch, 'access', ENDED);
  }

  /** One timer per connection, and none where nothing ends it by time. */
  #arm(watch: Watch<A>): void {
    watch.timer?.cancel();
    watch.timer = undefined;
    const { clock } = this.#options;
    const { endsAt = Infinity, idleMs } = watch.admission;
    const idleAt = idleMs === undefined ? Infinity : watch.watched.lastInputAt + idleMs;
    const at = Math.min(endsAt, idleAt);
    if (at === Infinity) return;
    watch.timer = clock.after(at - clock.now(), () => this.#due(watch));
  }

  /** Timers reach 24 days, and input may have come: so each firing looks again. */
  #due(watch: Watch<A>): void {
    const now = this.#options.clock.now();
    const { endsAt, idleMs, idleMessage } = watch.admission;
    if (endsAt !== undefined && now >= endsAt) this.#cut(watch, 'certificate-expired', EXPIRED);
    else if (idleMs !== undefined && now - watch.watched.lastInputAt >= idleMs)
      this.#cut(watch, 'idle', idleMessage);
    else this.#arm(watch);
  }

  /** The age of locks is no change that anybody tells of. One timer for all that mind it. */
  #lookAtLocks({ admission }: Watch<A>): void {
    if (admission.lockMode !== 'strict' || this.#strictLook !== undefined) return;
    this.#strictLook = this.#options.clock.after(STRICT_LOOK_MS, () => {
      this.#strictLook = undefined;
      for (const watch of this.#watches) if (watch.admission.lockMode === 'strict') this.#review(watch);
    });
  }

  #cut(watch: Watch<A>, why: CutReason, message: string): void {
    this.#forget(watch);
    watch.watched.cut(why, message);
  }

  #forget(watch: Watch<A>): void {
    watch.timer?.cancel();
    watch.timer = undefined;
    this.#watches.delete(watch);
  }
}

interface Watch<A extends Conditions> {
  readonly watched: Watched<A>;
  admission: A;
  timer: Timer | undefined;
}
