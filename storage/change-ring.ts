// The newest changes of a store, in memory and bounded: what live watches read. Separate from changes.ts, which is
// about the watches.
import type { WatchBatch, WatchEvent } from './backend.ts';

export interface RingBounds {
  /** The store's revision now; the ring starts empty after it. */
  readonly newest: number;
  readonly maxEvents: number;
  readonly maxBytes: number;
}

interface Slot {
  readonly revision: number;
  readonly batch: WatchBatch;
  readonly bytes: number;
}

export interface ChangeRing {
  /** The revision of the last batch. */
  newest(): number;
  /** Every batch after this revision is still here. */
  floor(): number;
  push(batch: WatchBatch): void;
  /** Some batches after a position at or above the floor; a few only, for the reader may take long over them. */
  after(position: number): readonly WatchBatch[];
}

/** The last batches within the bounds; at least the newest one is always kept. */
export function openRing(options: RingBounds): ChangeRing {
  let slots: Slot[] = [];
  let first = 0;
  let events = 0;
  let bytes = 0;
  let floor = options.newest;
  let newest = options.newest;

  const dropFirst = (): void => {
    const slot = slots[first];
    if (slot === undefined) return;
    first++;
    events -= slot.batch.events.length;
    bytes -= slot.bytes;
    floor = slot.revision;
    if (first < 1024 || first < slots.length / 2) return;
    slots = slots.slice(first);
    first = 0;
  };

  return {
    newest: () => newest,
    floor: () => floor,
    push(batch) {
      const slot = { revision: Number(batch.revision), batch, bytes: sizeOf(batch.events) };
      slots.push(slot);
      newest = slot.revision;
      events += batch.events.length;
      bytes += slot.bytes;
      while (slots.length - first > 1 && (events > options.maxEvents || bytes > options.maxBytes))
        dropFirst();
    },
    after(position) {
      let low = first;
      let high = slots.length;
      while (low < high) {
        const middle = (low + high) >>> 1;
        if ((slots[middle]?.revision ?? 0) <= position) low = middle + 1;
        else high = middle;
      }
      const found: WatchBatch[] = [];
      let size = 0;
      for (let index = low; index < slots.length && found.length < 64 && size < 1_000_000; index++) {
        const slot = slots[index];
        if (slot === undefined) break;
        found.push(slot.batch);
        size += slot.bytes;
      }
      return found;
    },
  };
}

/** A batch in memory: the bytes of its events, with what an object costs. */
function sizeOf(events: readonly WatchEvent[]): number {
  let bytes = 0;
  for (const event of events) {
    bytes +=
      200 + (event.type === 'put' ? event.item.key.length + event.item.value.byteLength : event.key.length);
  }
  return bytes;
}
