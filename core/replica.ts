// A local read copy: one snapshot, then the feed of changes. A cut feed resumes where it stopped; only a position that
// is gone for good costs a new snapshot. Does no I/O: auth feeds it from its store, everybody else from auth.
//
//   snapshot ──> tail ──(cut)──> wait ──> tail from the copy's revision
//      ^           └──(REVISION_COMPACTED)──> wait ──┐
//      └─────────────────────────────────────────────┘
import { randomInt } from 'node:crypto';
import { sleep, type Clock, type Timer } from './clock.ts';
import { GatehouseError, isCode } from './errors/error.ts';
import type { Feed, FeedEntry } from './feed.ts';
import type { Log } from './log.ts';
import { ReplicaCopy, type Change } from './replica-copy.ts';
import { compareRevisions, type Revision } from './revision.ts';

export type { Change } from './replica-copy.ts';

export interface ReplicaOptions<Raw, T> {
  readonly feed: Feed<Raw>;
  /** Called once per entry and change. An entry for which it throws is logged, and reading it throws CORRUPT. */
  readonly decode: (entry: FeedEntry<Raw>) => T;
  readonly clock: Clock;
  readonly log: Log;
  /** Waits between attempts: random between 0 and a bound that doubles from `firstMs` (200) to `maxMs` (15,000). */
  readonly backoff?: { readonly firstMs: number; readonly maxMs: number };
  /** A feed that is silent for this long is cut and resumed; default: never. */
  readonly idleTimeoutMs?: number;
  /** A random integer from 0 to `below` - 1; default from node:crypto. */
  readonly random?: (below: number) => number;
}

export interface ReplicaStats {
  /** Snapshots taken in full. */
  readonly snapshots: number;
  /** Times the feed was taken up again from where it stopped. */
  readonly resumes: number;
  /** Milliseconds since the epoch of the last word from the feed. */
  readonly heardAt: number | undefined;
}

export type ChangeListener<T> = (changes: readonly Change<T>[], revision: Revision) => void;

export interface Replica<T> {
  /** Resolves when the first snapshot is in; rejects with UNAVAILABLE only when closed before. */
  readonly ready: Promise<void>;
  /** What the copy is at; undefined before the first snapshot. */
  readonly revision: Revision | undefined;
  readonly stats: ReplicaStats;
  /** Undefined when absent or expired; CORRUPT when it could not be decoded. */
  get(key: string): T | undefined;
  /** In key order. CORRUPT when one could not be decoded, unless `skipBroken`. */
  list(prefix: string, options?: { readonly skipBroken?: boolean }): T[];
  /** Resolves when the copy is at `revision` or beyond; UNAVAILABLE after `timeoutMs` or at close. */
  reached(revision: Revision, timeoutMs: number): Promise<void>;
  /** Told of each batch or snapshot that changed something, after the copy holds it; returns how to stop. */
  onChange(listener: ChangeListener<T>): () => void;
  /** Stops the feed; reads go on from what is there. Safe to call twice. */
  close(): Promise<void>;
}

interface Waiter {
  readonly revision: Revision;
  readonly settle: (error?: GatehouseError) => void;
}

const BACKOFF = { firstMs: 200, maxMs: 15_000 };
/** A tail that lasted this long ends a series of reloads. */
const STEADY_MS = 30_000;

/** Starts at once; the caller closes it. */
export function startReplica<Raw, T>(options: ReplicaOptions<Raw, T>): Replica<T> {
  return new FedReplica(options);
}

class FedReplica<Raw, T> implements Replica<T> {
  readonly ready: Promise<void>;
  readonly #options: ReplicaOptions<Raw, T>;
  readonly #copy: ReplicaCopy<Raw, T>;
  readonly #closing = new AbortController();
  readonly #running: Promise<void>;
  readonly #listeners = new Set<ChangeListener<T>>();
  readonly #waiters = new Set<Waiter>();
  readonly #becomeReady: (error?: GatehouseError) => void;
  #stats: ReplicaStats = { snapshots: 0, resumes: 0, heardAt: undefined };
  /** Attempts in a row without a word from the feed, and snapshots in a row without a steady tail. */
  #failures = 0;
  #reloads = 0;

  constructor(options: ReplicaOptions<Raw, T>) {
    this.#options = options;
    const { log, decode } = options;
    const broken = (key: string, error: unknown): void =>
      log.error({ key, err: error }, 'a stored entry cannot be read');
    this.#copy = new ReplicaCopy({ decode, broken });
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.ready = promise;
    this.ready.catch(() => {});
    this.#becomeReady = (error) => (error === undefined ? resolve() : reject(error));
    this.#running = this.#run();
  }

  get revision(): Revision | undefined {
    return this.#copy.revision;
  }

  get stats(): ReplicaStats {
    return this.#stats;
  }

  get(key: string): T | undefined {
    return this.#copy.get(key, this.#options.clock.now());
  }

  list(prefix: string, options: { readonly skipBroken?: boolean } = {}): T[] {
    return this.#copy.list(prefix, this.#options.clock.now(), options.skipBroken ?? false);
  }

  reached(revision: Revision, timeoutMs: number): Promise<void> {
    if (this.#isAt(revision)) return Promise.resolve();
    if (this.#closing.signal.aborted) return Promise.reject(closed());
    return new Promise((resolve, reject) => {
      const settle = (error?: GatehouseError): void => {
        timer.cancel();
        this.#waiters.delete(waiter);
        if (error === undefined) resolve();
        else reject(error);
      };
      const waiter: Waiter = { revision, settle };
      const timer = this.#options.clock.after(timeoutMs, () => {
        settle(new GatehouseError('UNAVAILABLE', 'the local copy did not catch up in time; try again'));
      });
      this.#waiters.add(waiter);
    });
  }

  onChange(listener: ChangeListener<T>): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  async close(): Promise<void> {
    this.#closing.abort();
    this.#becomeReady(closed());
    for (const waiter of this.#waiters) waiter.settle(closed());
    await this.#running;
  }

  async #run(): Promise<void> {
    const { signal } = this.#closing;
    let reload = true;
    while (!signal.aborted) {
      try {
        if (reload) await this.#load(signal);
        else this.#stats = { ...this.#stats, resumes: this.#stats.resumes + 1 };
        reload = false;
        await this.#follow(signal);
      } catch (error) {
        reload ||= isCode(error, 'REVISION_COMPACTED');
        if (!signal.aborted) this.#options.log.warn({ err: error, reload }, 'the feed of changes broke off');
      }
      await this.#pause(signal);
    }
  }

  async #load(signal: AbortSignal): Promise<void> {
    this.#reloads++;
    const snapshot = await this.#options.feed.snapshot(signal);
    if (signal.aborted) return;
    this.#heard();
    this.#stats = { ...this.#stats, snapshots: this.#stats.snapshots + 1 };
    this.#tell(this.#copy.replace(snapshot));
    this.#becomeReady();
  }

  async #follow(signal: AbortSignal): Promise<void> {
    const { feed, clock, idleTimeoutMs } = this.#options;
    const connection = new AbortController();
    const started = clock.now();
    let idle: Timer | undefined;
    const watchIdle = (): void => {
      idle?.cancel();
      if (idleTimeoutMs !== undefined) idle = clock.after(idleTimeoutMs, () => connection.abort());
    };
    watchIdle();
    try {
      const stop = AbortSignal.any([signal, connection.signal]);
      for await (const batch of feed.tail(this.#copy.revision ?? '0', stop)) {
        if (signal.aborted) return;
        watchIdle();
        this.#heard();
        this.#tell(this.#copy.apply(batch));
      }
    } finally {
      idle?.cancel();
      connection.abort();
      if (clock.now() - started >= STEADY_MS) this.#reloads = 0;
    }
  }

  #heard(): void {
    this.#failures = 0;
    this.#stats = { ...this.#stats, heardAt: this.#options.clock.now() };
  }

  /** Full jitter, so that those who were cut off together do not come back together. */
  async #pause(signal: AbortSignal): Promise<void> {
    const { backoff = BACKOFF, random = randomInt, clock } = this.#options;
    const doublings = Math.min(Math.max(this.#failures++, this.#reloads - 1), 30);
    const bound = Math.min(backoff.maxMs, backoff.firstMs * 2 ** doublings);
    await sleep(clock, random(Math.floor(bound) + 1), signal).catch(() => {});
  }

  #tell(changes: readonly Change<T>[]): void {
    const revision = this.#copy.revision ?? '0';
    for (const listener of changes.length > 0 ? this.#listeners : []) {
      try {
        listener(changes, revision);
      } catch (error) {
        this.#options.log.error({ err: error }, 'a listener of changes failed');
      }
    }
    for (const waiter of this.#waiters) if (this.#isAt(waiter.revision)) waiter.settle();
  }

  #isAt(revision: Revision): boolean {
    return this.#copy.revision !== undefined && compareRevisions(this.#copy.revision, revision) >= 0;
  }
}

function closed(): GatehouseError {
  return new GatehouseError('UNAVAILABLE', 'the local copy is closed');
}
