// The recent changes of a store of this process, and watches on them. One ring is shared by all watches, each of
// which is only a position in it: a slow reader holds no buffer, costs a writer nothing, and falls back to `older`
// (a change log on disk) when the ring has moved on.
import { randomInt } from 'node:crypto';
import { openBatchRing, type RingOptions } from '#core/batch-ring.ts';
import { GatehouseError } from '#core/errors/error.ts';
import { compareRevisions, type Revision } from '#core/revision.ts';
import type { WatchBatch, WatchEvent, WatchQuery } from './backend.ts';
import { checkWatch } from './bounds.ts';

export interface ChangesOptions extends Omit<RingOptions<WatchBatch>, 'sizeOf'> {
  /** Whether a watch may start at a position; default: at any from the oldest to the newest. */
  readonly isKnown?: (position: Revision) => boolean;
  /**
   * Whole batches right after a position, oldest first and bounded in size; never empty when there are newer changes.
   * Undefined when the position is older than what is kept.
   */
  readonly older?: (after: Revision) => readonly WatchBatch[] | undefined;
}

export interface Changes {
  /** Adds the changes of one commit, oldest first, and wakes the watches. */
  append(batches: readonly WatchBatch[]): void;
  watch(query: WatchQuery): AsyncIterable<WatchBatch>;
  /** Ends all watches; they return. */
  close(): void;
}

/** How many batches are passed over before the event loop gets its turn. */
const SCAN_AT_ONCE = 2000;

export function openChanges(options: ChangesOptions): Changes {
  const ring = openBatchRing<WatchBatch>({ ...options, sizeOf });
  const ending = new AbortController();
  const waiting = new Set<() => void>();

  const wakeAll = (): void => {
    const all = [...waiting];
    waiting.clear();
    for (const wake of all) wake();
  };

  const source: Source = {
    next(position) {
      if (compareRevisions(position, ring.newest()) > 0) throw compacted('newer than the store');
      if (position === ring.newest()) return undefined;
      if (compareRevisions(position, ring.floor()) >= 0) return ring.after(position);
      const older = options.older?.(position);
      if (older === undefined) throw compacted('older than the changes that are kept');
      return older;
    },
    async more(position, stop) {
      if (position !== ring.newest() || stop.aborted) return;
      await new Promise<void>((resolve) => waiting.add(resolve));
    },
  };

  return {
    append(batches) {
      for (const batch of batches) ring.push(batch);
      if (batches.length > 0) wakeAll();
    },
    async *watch(query) {
      checkWatch(query);
      if (options.isKnown?.(query.from) === false) throw compacted('not, or no longer, known to the store');
      const stop = AbortSignal.any([query.signal, ending.signal]);
      stop.addEventListener('abort', wakeAll);
      try {
        yield* follow(source, query.from, query.prefixes, stop);
      } finally {
        stop.removeEventListener('abort', wakeAll);
      }
    },
    close: () => ending.abort(),
  };
}

interface Source {
  /** Batches after a position; undefined when there are none yet. */
  next(position: Revision): readonly WatchBatch[] | undefined;
  /** Resolves when there may be something after the position, or at `stop`. */
  more(position: Revision, stop: AbortSignal): Promise<void>;
}

async function* follow(
  source: Source,
  from: Revision,
  prefixes: readonly string[],
  stop: AbortSignal,
): AsyncGenerator<WatchBatch, void> {
  let position = from;
  // Set while the consumer has not been told how far this has read.
  let quiet = true;
  let scanned = 0;
  while (!stop.aborted) {
    const batches = source.next(position);
    if (batches === undefined) {
      if (quiet) yield { revision: position, events: [] };
      quiet = false;
      await source.more(position, stop);
      continue;
    }
    for (const batch of batches) {
      const events = matching(batch.events, prefixes);
      position = batch.revision;
      quiet = events.length === 0;
      if (quiet) continue;
      yield events === batch.events ? batch : { revision: batch.revision, events };
      if (stop.aborted) return;
    }
    scanned += batches.length;
    if (scanned < SCAN_AT_ONCE) continue;
    scanned = 0;
    await new Promise((resolve) => setImmediate(resolve));
  }
}

function matching(events: readonly WatchEvent[], prefixes: readonly string[]): readonly WatchEvent[] {
  const matches = (event: WatchEvent): boolean => {
    const key = event.type === 'put' ? event.item.key : event.key;
    return prefixes.some((prefix) => key.startsWith(prefix));
  };
  return events.every(matches) ? events : events.filter(matches);
}

/** A batch in memory: the bytes of its events, with what an object costs. */
function sizeOf({ events }: WatchBatch): number {
  let bytes = 0;
  for (const event of events) {
    bytes +=
      200 + (event.type === 'put' ? event.item.key.length + event.item.value.byteLength : event.key.length);
  }
  return bytes;
}

function compacted(why: string): GatehouseError {
  return new GatehouseError(
    'REVISION_COMPACTED',
    `the watch starts at a revision that is ${why}; take a new snapshot`,
  );
}

/** A revision to start a new history from: above all that this or an earlier store at the place has given out. */
export function newHistoryRevision(now: number, last: number): number {
  // Stores count up from a thousand per millisecond of wall clock, far more than they can write. Where the clock was
  // set back, chance keeps two histories that go on from the same point apart.
  const start = now * 1000;
  return last === 0 || start > last ? start : last + 2 ** 20 + randomInt(2 ** 32);
}
