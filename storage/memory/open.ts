// The store that lives in this process: for tests, and for trying things out. Keeps the whole contract, except that
// nothing outlives the process.
import type { Clock } from '#core/clock.ts';
import { GatehouseError } from '#core/errors/error.ts';
import { OrderedMap } from '#core/ordered-map.ts';
import type {
  Backend,
  RangePage,
  RangeQuery,
  Revision,
  StoredItem,
  WatchBatch,
  WatchEvent,
} from '../backend.ts';
import { checkKey, checkRange, MAX_PAGE_BYTES } from '../bounds.ts';
import { newHistoryRevision, openChanges } from '../changes.ts';
import { startSweeper } from '../expiry.ts';
import {
  atomicWrite,
  createWrite,
  deleteWrite,
  failedCondition,
  putWrite,
  updateWrite,
  type Write,
} from '../write.ts';

export interface MemoryOptions {
  readonly clock: Clock;
  /** Events that a watch can resume over; default 10,000. Their bytes are bounded to 64 MiB as well. */
  readonly maxHistory?: number;
}

const HISTORY_BYTES = 64 * 1024 * 1024;

interface State {
  readonly items: OrderedMap<StoredItem>;
  /** Keys with an expiry, so that a sweep need not look at the others. */
  readonly mortal: Set<string>;
  revision: number;
}

/** Opens an empty store; the caller closes it. */
export function openMemory({ clock, maxHistory = 10_000 }: MemoryOptions): Backend {
  const start = newHistoryRevision(clock.now(), 0);
  const state: State = { items: new OrderedMap(), mortal: new Set(), revision: start };
  const changes = openChanges({ newest: String(start), maxEvents: maxHistory, maxBytes: HISTORY_BYTES });
  let closed = false;

  const requireOpen = (): void => {
    if (closed) throw new GatehouseError('UNAVAILABLE', 'the store is closed');
  };
  const write = (work: Write): Revision => {
    requireOpen();
    const batches: WatchBatch[] = [];
    try {
      applyWrite(state, work, clock.now(), batches);
    } finally {
      changes.append(batches);
    }
    for (const { action } of work.steps) {
      if (action.do === 'put' && action.expires !== undefined) sweeper.notice(action.expires);
    }
    return String(state.revision);
  };
  const sweeper = startSweeper({
    clock,
    earliest: () => earliestExpiry(state),
    sweep: async () => changes.append(removeExpired(state, [...state.mortal], clock.now())),
    failed: () => {},
  });

  return {
    async get(key) {
      requireOpen();
      checkKey(key);
      return alive(state.items.get(key), clock.now());
    },
    async range(query) {
      requireOpen();
      return readPage(state, query, clock.now());
    },
    create: async (item) => write(createWrite(item)),
    put: async (item) => write(putWrite(item)),
    update: async (item, revision) => write(updateWrite(item, revision)),
    delete: async (key, revision) => write(deleteWrite(key, revision)),
    atomicWrite: async (steps) => write(atomicWrite(steps)),
    async revision() {
      requireOpen();
      return String(state.revision);
    },
    async *watch(query) {
      requireOpen();
      yield* changes.watch(query);
    },
    async close() {
      closed = true;
      sweeper.close();
      changes.close();
    },
  };
}

function alive(item: StoredItem | undefined, now: number): StoredItem | undefined {
  return item === undefined || (item.expires !== undefined && item.expires <= now) ? undefined : item;
}

function readPage(state: State, query: RangeQuery, now: number): RangePage {
  const { prefix, after, limit } = checkRange(query);
  const items: StoredItem[] = [];
  const revision = String(state.revision);
  let bytes = 0;
  for (const [key, stored] of state.items.entries(prefix, after === '' ? undefined : after)) {
    const item = alive(stored, now);
    if (item === undefined) continue;
    const last = items.at(-1);
    if (last !== undefined && (items.length === limit || bytes + item.value.byteLength > MAX_PAGE_BYTES)) {
      return { items, next: last.key, revision };
    }
    items.push(stored);
    bytes += key.length + stored.value.byteLength;
  }
  return { items, revision };
}

/** Adds the batches it made to `batches`, which holds them even when a condition throws. */
function applyWrite(state: State, { steps, absent }: Write, now: number, batches: WatchBatch[]): void {
  // An expired item that the sweep has not reached is deleted first, so that watches see it go before what follows.
  batches.push(
    ...removeExpired(
      state,
      steps.map((step) => step.key),
      now,
    ),
  );
  for (const step of steps) {
    const error = failedCondition(step, state.items.get(step.key)?.revision, absent);
    if (error !== undefined) throw error;
  }
  const next = state.revision + 1;
  const revision = String(next);
  const events: WatchEvent[] = [];
  for (const { key, action } of steps) {
    if (action.do === 'put') {
      const item = { key, value: action.value, expires: action.expires, revision };
      state.items.set(key, item);
      if (action.expires === undefined) state.mortal.delete(key);
      else state.mortal.add(key);
      events.push({ type: 'put', item });
    } else if (action.do === 'delete' && state.items.delete(key)) {
      state.mortal.delete(key);
      events.push({ type: 'delete', key, revision });
    }
  }
  if (events.length === 0) return;
  state.revision = next;
  batches.push({ revision, events });
}

function removeExpired(state: State, keys: readonly string[], now: number): WatchBatch[] {
  const due = keys.filter((key) => state.items.has(key) && alive(state.items.get(key), now) === undefined);
  if (due.length === 0) return [];
  const revision = String(++state.revision);
  for (const key of due) {
    state.items.delete(key);
    state.mortal.delete(key);
  }
  return [{ revision, events: due.sort().map((key) => ({ type: 'delete', key, revision })) }];
}

function earliestExpiry(state: State): number | undefined {
  let earliest: number | undefined;
  for (const key of state.mortal) {
    const expires = state.items.get(key)?.expires;
    if (expires !== undefined && (earliest === undefined || expires < earliest)) earliest = expires;
  }
  return earliest;
}
