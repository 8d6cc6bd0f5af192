// The queue in front of the database: writes that arrive in the same turn of the event loop share one transaction,
// and so one flush of the disk. A write is settled only after its commit.
import type { DatabaseSync } from 'node:sqlite';
import { GatehouseError } from '#core/errors/error.ts';
import type { Log } from '#core/log.ts';
import type { WatchBatch } from '../backend.ts';
import type { Ledger } from './ledger.ts';

/** Runs inside a transaction; throws a GatehouseError only for itself, anything else fails the transaction. */
export type Work<T> = (batches: WatchBatch[]) => T;

export interface WriterOptions {
  readonly db: DatabaseSync;
  readonly ledger: Ledger;
  readonly path: string;
  readonly log: Log;
  readonly slowTransactionMs: number;
  readonly stopwatch: () => number;
  /** The changes of a commit, right after it. */
  readonly committed: (batches: readonly WatchBatch[]) => void;
  readonly toError: (error: unknown) => GatehouseError;
}

export interface Writer {
  /** `bytes` is about what the work writes. */
  run<T>(work: Work<T>, bytes: number): Promise<T>;
  /** Resolves when all that was queued is settled. */
  drain(): Promise<void>;
}

interface Job {
  readonly bytes: number;
  readonly work: Work<unknown>;
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: GatehouseError) => void;
}

/** Bounds of one transaction, so that the event loop is never held for long. */
const GROUP_JOBS = 256;
const GROUP_BYTES = 8 * 1024 * 1024;

export function openWriter(options: WriterOptions): Writer {
  let queue: Job[] = [];
  let scheduled = false;

  const schedule = (): void => {
    if (scheduled || queue.length === 0) return;
    scheduled = true;
    setImmediate(() => {
      scheduled = false;
      const group = takeGroup(queue);
      queue = queue.slice(group.length);
      commitGroup(options, group);
      schedule();
    });
  };
  const run = <T>(work: Work<T>, bytes: number): Promise<T> => {
    return new Promise<T>((resolve, reject) => {
      queue.push({ bytes, work, resolve: (value) => resolve(value as T), reject });
      schedule();
    });
  };
  return { run, drain: () => run(() => {}, 0).catch(() => {}) };
}

function takeGroup(queue: readonly Job[]): Job[] {
  const group: Job[] = [];
  let bytes = 0;
  for (const job of queue) {
    if (group.length === GROUP_JOBS || (group.length > 0 && bytes + job.bytes > GROUP_BYTES)) break;
    group.push(job);
    bytes += job.bytes;
  }
  return group;
}

function commitGroup(options: WriterOptions, group: readonly Job[]): void {
  const { ledger, stopwatch } = options;
  const started = stopwatch();
  const before = ledger.position;
  try {
    commit(options, group);
  } catch (error) {
    ledger.reset(before);
    rollback(options.db);
    // One write too large for the space left must not fail its neighbours.
    if (group.length > 1) for (const job of group) commitGroup(options, [job]);
    else group[0]?.reject(options.toError(error));
    return;
  }
  const durationMs = Math.round(stopwatch() - started);
  if (durationMs < options.slowTransactionMs) return;
  const { path, slowTransactionMs: thresholdMs } = options;
  options.log.warn({ durationMs, thresholdMs, writes: group.length, path }, 'SLOW TRANSACTION');
}

function commit({ db, ledger, committed }: WriterOptions, group: readonly Job[]): void {
  const batches: WatchBatch[] = [];
  const settle: (() => void)[] = [];
  db.exec('BEGIN IMMEDIATE');
  for (const job of group) {
    try {
      const value = job.work(batches);
      settle.push(() => job.resolve(value));
    } catch (error) {
      if (!(error instanceof GatehouseError)) throw error;
      settle.push(() => job.reject(error));
    }
  }
  ledger.trimSize();
  db.exec('COMMIT');
  committed(batches);
  for (const done of settle) done();
}

/** A failed COMMIT may or may not have ended the transaction; the error that led here is the one to report. */
function rollback(db: DatabaseSync): void {
  try {
    if (db.isTransaction) db.exec('ROLLBACK');
  } catch {
    // Then the next BEGIN fails, and with it every write, which is all that can be done.
  }
}
