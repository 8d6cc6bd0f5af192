// The newest batches of decoded changes, in memory and bounded. Apart from change-feed.ts, which is about the watches.
import { compareRevisions, type Revision } from '#core/revision.ts';
import type { StateBatch } from './state.ts';

export interface BatchRing {
  /** Every change after this revision is here. */
  floor(): Revision;
  push(batch: StateBatch): void;
  /** Some batches after a position at or above the floor, oldest first. */
  after(position: Revision): readonly StateBatch[];
  hasAfter(position: Revision): boolean;
}

/** The last batches within `maxEvents` events; at least the newest one is always kept. */
export function openBatchRing(start: Revision, maxEvents: number): BatchRing {
  let slots: StateBatch[] = [];
  let first = 0;
  let events = 0;
  let floor = start;
  const indexAfter = (position: Revision): number => {
    let low = first;
    let high = slots.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (compareRevisions(slots[middle]?.revision ?? '0', position) <= 0) low = middle + 1;
      else high = middle;
    }
    return low;
  };
  const dropFirst = (): void => {
    const slot = slots[first];
    if (slot === undefined) return;
    first++;
    events -= slot.events.length;
    floor = slot.revision;
    if (first < 1024 || first < slots.length / 2) return;
    slots = slots.slice(first);
    first = 0;
  };
  const isOver = (): boolean => slots.length - first > 1 && events > maxEvents;
  return {
    floor: () => floor,
    push(batch) {
      slots.push(batch);
      events += batch.events.length;
      while (isOver()) dropFirst();
    },
    after: (position) => {
      const start = indexAfter(position);
      return slots.slice(start, start + 64);
    },
    hasAfter: (position) => indexAfter(position) < slots.length,
  };
}
