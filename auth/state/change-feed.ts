// The recent changes of the local copy, decoded once and shared by all watches. A watch is a position: it holds no
// buffer of its own, and one that falls behind what is kept here reads on from the store until it has caught up.
import { openBatchRing, type BatchRing } from '#core/batch-ring.ts';
import type { Clock } from '#core/clock.ts';
import { GatehouseError } from '#core/errors/error.ts';
import { compareRevisions, type Revision } from '#core/revision.ts';
import type { StateBatch } from './state.ts';

export interface ChangeFeedOptions {
  /** Where the copy stands. */
  newest(): Revision;
  readonly clock: Clock;
  /** Events that are kept; at least the newest batch is. */
  readonly maxEvents: number;
  /** Decoded changes after a position, from the store; REVISION_COMPACTED when it has them no more. */
  older(from: Revision, signal: AbortSignal): AsyncIterable<StateBatch>;
  /** REVISION_COMPACTED when the store cannot tell what comes after a position, or never was there. */
  requireKnown(from: Revision): Promise<void>;
}

export interface ChangeFeed {
  /** One batch of the copy, oldest first, after the copy holds it. */
  append(batch: StateBatch): void;
  watch(kinds: readonly string[], from: Revision, signal: AbortSignal): AsyncIterable<StateBatch>;
  /** Ends all watches; they return. */
  close(): void;
}

/** A watch that sees nothing of its kinds is told how far it has read this often. */
const SIGN_OF_LIFE_MS = 10_000;

export function openChangeFeed(options: ChangeFeedOptions): ChangeFeed {
  const ring = openBatchRing<StateBatch>({
    newest: options.newest(),
    maxEvents: options.maxEvents,
    // The copy holds nearly all of these resources itself: counting the changes is enough.
    maxBytes: Number.POSITIVE_INFINITY,
    sizeOf: () => 0,
  });
  const ending = new AbortController();
  const waiting = new Set<() => void>();
  const wakeAll = (): void => {
    const all = [...waiting];
    waiting.clear();
    for (const wake of all) wake();
  };
  const wait = async (maxMs: number): Promise<void> => {
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = options.clock.after(maxMs, resolve);
    waiting.add(resolve);
    await promise;
    timer.cancel();
    waiting.delete(resolve);
  };

  return {
    append(batch) {
      ring.push(batch);
      wakeAll();
    },
    async *watch(kinds, from, signal) {
      const stop = AbortSignal.any([signal, ending.signal]);
      stop.addEventListener('abort', wakeAll);
      try {
        await requireKnown(from, options);
        yield* follow({ ring, options, wait, stop, wanted: new Set(kinds) }, from);
      } finally {
        stop.removeEventListener('abort', wakeAll);
      }
    },
    close: () => ending.abort(),
  };
}

interface Watch {
  readonly ring: BatchRing<StateBatch>;
  readonly options: ChangeFeedOptions;
  /** Until there may be more to read, or the time is over. */
  readonly wait: (maxMs: number) => Promise<void>;
  readonly stop: AbortSignal;
  readonly wanted: ReadonlySet<string>;
}

async function* follow(watch: Watch, from: Revision): AsyncGenerator<StateBatch, void> {
  const { ring, stop, wanted } = watch;
  let position = from;
  const told: { at?: number } = {};
  while (!stop.aborted) {
    if (compareRevisions(position, ring.floor()) < 0) {
      for await (const batch of catchUp(watch, position)) {
        position = batch.revision;
        yield* matching(batch, wanted);
      }
      if (!stop.aborted && compareRevisions(position, ring.floor()) < 0) throw ended();
      continue;
    }
    for (const batch of ring.after(position)) {
      position = batch.revision;
      yield* matching(batch, wanted);
      if (stop.aborted) return;
    }
    if (hasAfter(ring, position)) continue;
    const newest = watch.options.newest();
    if (compareRevisions(position, newest) < 0) position = newest;
    yield* idle(watch, position, told);
  }
}

function hasAfter(ring: BatchRing<StateBatch>, position: Revision): boolean {
  return compareRevisions(ring.newest(), position) > 0;
}

/** From the store, until the ring goes on from there. */
async function* catchUp({ ring, options, stop }: Watch, from: Revision): AsyncGenerator<StateBatch, void> {
  const enough = new AbortController();
  try {
    for await (const batch of options.older(from, AbortSignal.any([stop, enough.signal]))) {
      yield batch;
      if (compareRevisions(batch.revision, ring.floor()) >= 0) return;
    }
  } finally {
    enough.abort();
  }
}

function matching(batch: StateBatch, wanted: ReadonlySet<string>): readonly StateBatch[] {
  const events = batch.events.filter((event) => wanted.has(event.kind));
  return events.length === 0 ? [] : [{ revision: batch.revision, events }];
}

/** Where a watch has nothing more to read: tells it how far it is, at first and now and then, and lets it sleep. */
async function* idle(
  { ring, options, wait, stop }: Watch,
  position: Revision,
  told: { at?: number },
): AsyncGenerator<StateBatch, void> {
  const now = options.clock.now();
  // A clock that was set back must not put off the next sign.
  if (told.at === undefined || now < told.at || now - told.at >= SIGN_OF_LIFE_MS) {
    told.at = now;
    yield { revision: position, events: [] };
    if (stop.aborted || hasAfter(ring, position)) return;
  }
  await wait(told.at + SIGN_OF_LIFE_MS - now);
}

function ended(): GatehouseError {
  return new GatehouseError('UNAVAILABLE', 'the store ended the feed of changes; try again');
}

/** Whether a position is one of this history is the store's to say: the copy may be behind it, or begin later. */
async function requireKnown(from: Revision, options: ChangeFeedOptions): Promise<void> {
  if (!/^\d{1,20}$/.test(from)) {
    throw new GatehouseError('BAD_REQUEST', 'from must be a revision that a snapshot or a watch returned');
  }
  if (from !== options.newest()) await options.requireKnown(from);
}
