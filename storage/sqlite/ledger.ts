// What one transaction does to the tables: items, the change log, and the counters that mirror them in memory.
// Everything that changes runs between BEGIN and COMMIT; the writer keeps the transaction, and undoes the counters
// with it.
import type { WatchBatch, WatchEvent } from '../backend.ts';
import { newHistoryRevision } from '../changes.ts';
import { failedCondition, type Write } from '../write.ts';
import type { ChangeLog, LogRow } from './change-log.ts';
import type { Items } from './items.ts';

/** How much a watch can resume over. */
export interface HistoryLimits {
  readonly events: number;
  readonly bytes: number;
  readonly ageMs: number;
}

/** Where the history stands. */
export interface Position {
  /** The newest revision, of the transaction under way if there is one. */
  readonly revision: number;
  /** The oldest revision that a watch can start from. */
  readonly floor: number;
  /** Events in the log, and their bytes. */
  readonly events: number;
  readonly bytes: number;
}

const EXPIRE_AT_ONCE = 500;
/** Big enough to cut the log rarely, small enough to cost a writer little. */
const TRIM_AT_ONCE = 512;

export class Ledger {
  readonly #items: Items;
  readonly #log: ChangeLog;
  readonly #limits: HistoryLimits;
  readonly #opened: number;
  #start: number | undefined;
  #position: Position;

  constructor(items: Items, log: ChangeLog, position: Position, limits: HistoryLimits) {
    this.#items = items;
    this.#log = log;
    this.#position = position;
    this.#opened = position.revision;
    this.#limits = limits;
  }

  get position(): Position {
    return this.#position;
  }

  /** Whether a watch can stand here: at a change that is kept, or where the kept ones begin or end. */
  isKnown(position: number): boolean {
    const { revision, floor } = this.#position;
    return position === revision || position === floor || this.#log.has(position);
  }

  /** Back to the position before the transaction that was rolled back. */
  reset(position: Position): void {
    this.#position = position;
  }

  /**
   * Applies a write, or throws the GatehouseError of the first condition that fails; the removal of expired items it
   * came upon stays. Adds what changed to `batches`.
   */
  apply(write: Write, now: number, batches: WatchBatch[]): void {
    const heads = this.#readHeads(write, now, batches);
    for (const step of write.steps) {
      const error = failedCondition(step, heads.get(step.key), write.absent);
      if (error !== undefined) throw error;
    }
    const changing = write.steps.filter(
      ({ key, action }) => action.do === 'put' || (action.do === 'delete' && heads.has(key)),
    );
    const next = this.#before(now) + changing.length;
    const revision = String(next);
    const events = changing.map(({ key, action }): WatchEvent => {
      if (action.do !== 'put') {
        this.#items.remove(key);
        return { type: 'delete', key, revision };
      }
      const item = { key, value: action.value, expires: action.expires, revision };
      this.#items.put(item, next);
      return { type: 'put', item };
    });
    this.#record(events, now, batches);
  }

  /** Deletes some expired items as one change; false when there was none. */
  expire(now: number, batches: WatchBatch[]): boolean {
    const keys = this.#items.due(now, EXPIRE_AT_ONCE);
    this.#remove(keys.sort(), now, batches);
    return keys.length > 0;
  }

  /** Cuts a bite off the log when it is over its size; cheap when it is not. */
  trimSize(): void {
    let { events, bytes } = this.#position;
    const limits = this.#limits;
    if (events <= limits.events && bytes <= limits.bytes) return;
    // Somewhat below the limit, so that the next writers need not cut.
    const target = limits.events - Math.min(TRIM_AT_ONCE / 2, Math.floor(limits.events / 10));
    this.#cutWhile((row) => {
      const over = events > target || bytes > limits.bytes;
      events--;
      bytes -= row.bytes;
      return over;
    });
  }

  /** Cuts a bite off the log where it is over its age; false when there was nothing to cut. */
  trimAge(now: number): boolean {
    return this.#cutWhile((row) => row.at <= now - this.#limits.ageMs);
  }

  /** The revisions of the items that the steps name; items that have expired are removed on the way. */
  #readHeads(write: Write, now: number, batches: WatchBatch[]): Map<string, string> {
    const heads = new Map<string, string>();
    const expired: string[] = [];
    for (const { key } of write.steps) {
      const head = this.#items.head(key);
      if (head === undefined) continue;
      if (head.expires === undefined || head.expires > now) heads.set(key, String(head.revision));
      else expired.push(key);
    }
    this.#remove(expired, now, batches);
    return heads;
  }

  /**
   * The revision that the next change follows. The first change since the store was opened leaves room: had the file
   * lost its newest changes (an older copy put in its place, a disk that forgot at a power loss), their revisions
   * would otherwise be given out again.
   */
  #before(now: number): number {
    const { revision } = this.#position;
    return revision === this.#opened ? (this.#start ??= newHistoryRevision(now, revision)) : revision;
  }

  #remove(keys: readonly string[], now: number, batches: WatchBatch[]): void {
    const revision = String(this.#before(now) + keys.length);
    for (const key of keys) this.#items.remove(key);
    const events = keys.map((key): WatchEvent => ({ type: 'delete', key, revision }));
    this.#record(events, now, batches);
  }

  /** Logs the events of one change, whose revision is the position of the last of them. */
  #record(events: readonly WatchEvent[], at: number, batches: WatchBatch[]): void {
    if (events.length === 0) return;
    const { bytes, ...rest } = this.#position;
    const before = this.#before(at);
    const revision = before + events.length;
    let added = 0;
    for (const [index, event] of events.entries()) {
      added += this.#log.append(before + index + 1, revision, at, event);
    }
    this.#position = { ...rest, revision, events: rest.events + events.length, bytes: bytes + added };
    batches.push({ revision: String(revision), events });
  }

  /** Cuts the oldest rows as long as they are unwanted, in whole batches. */
  #cutWhile(unwanted: (row: LogRow) => boolean): boolean {
    let floor: number | undefined;
    for (const row of this.#log.oldest(TRIM_AT_ONCE)) {
      if (!unwanted(row)) break;
      floor = row.revision;
    }
    if (floor === undefined) return false;
    const removed = this.#log.cut(floor);
    const { revision, events, bytes } = this.#position;
    this.#position = { revision, floor, events: events - removed.events, bytes: bytes - removed.bytes };
    return true;
  }
}
