// The newest batches of a history, in memory and bounded: what those who follow it read. Each of them is only a position
// in it. Pure; the store keeps batches of bytes in one, the auth service decoded ones.
import { compareRevisions, type Revision } from './revision.ts';

export interface RingOptions<Batch> {
  /** Where the history stands now; the ring starts empty after it. */
  readonly newest: Revision;
  readonly maxEvents: number;
  readonly maxBytes: number;
  /** What a batch counts against `maxBytes`. */
  readonly sizeOf: (batch: Batch) => number;
}

export interface BatchRing<Batch> {
  /** The revision of the last batch. */
  newest(): Revision;
  /** Every batch after this revision is still here. */
  floor(): Revision;
  push(batch: Batch): void;
  /** Some batches after a position at or above the floor; a few only, for the reader may take long over them. */
  after(position: Revision): readonly Batch[];
}

interface Slot<Batch> {
  readonly batch: Batch;
  readonly bytes: number;
}

/** What `after` hands out at a time. */
const HANDOUT_BATCHES = 64;
const HANDOUT_BYTES = 1_000_000;
/** Dropped slots are let go in bulk. */
const DROPPED_AT_ONCE = 1024;

/** The last batches within the bounds; at least the newest one is always kept. */
export function openBatchRing<
  Batch extends { readonly revision: Revision; readonly events: readonly unknown[] },
>(options: RingOptions<Batch>): BatchRing<Batch> {
  const { maxEvents, maxBytes, sizeOf } = options;
  let slots: Slot<Batch>[] = [];
  let first = 0;
  let events = 0;
  let bytes = 0;
  let { newest } = options;
  let floor = newest;

  const isOver = (): boolean => slots.length - first > 1 && (events > maxEvents || bytes > maxBytes);
  const dropFirst = (): void => {
    const slot = slots[first];
    if (slot === undefined) return;
    first++;
    events -= slot.batch.events.length;
    bytes -= slot.bytes;
    floor = slot.batch.revision;
    if (first < DROPPED_AT_ONCE || first < slots.length / 2) return;
    slots = slots.slice(first);
    first = 0;
  };
  const indexAfter = (position: Revision): number => {
    let low = first;
    let high = slots.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (compareRevisions(slots[middle]?.batch.revision ?? '0', position) <= 0) low = middle + 1;
      else high = middle;
    }
    return low;
  };

  return {
    newest: () => newest,
    floor: () => floor,
    push(batch) {
      const size = sizeOf(batch);
      slots.push({ batch, bytes: size });
      newest = batch.revision;
      events += batch.events.length;
      bytes += size;
      while (isOver()) dropFirst();
    },
    after(position) {
      const found: Batch[] = [];
      let size = 0;
      const start = indexAfter(position);
      for (const { batch, bytes: more } of slots.slice(start, start + HANDOUT_BATCHES)) {
        found.push(batch);
        size += more;
        if (size >= HANDOUT_BYTES) break;
      }
      return found;
    },
  };
}
