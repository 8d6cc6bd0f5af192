// The embedded store: one file, one owner process. Opens and checks the file, then puts together the ledger (what a
// transaction does), the writer (when it commits), the change feed and the sweeper.
import type { Clock, Timer } from '#core/clock.ts';
import { GatehouseError } from '#core/errors/error.ts';
import type {
  Backend,
  BackupInfo,
  RangePage,
  RangeQuery,
  Revision,
  StoredItem,
  WatchBatch,
} from '../backend.ts';
import { checkKey, checkRange, MAX_PAGE_BYTES } from '../bounds.ts';
import { openChanges, type Changes } from '../changes.ts';
import { startSweeper, type Sweeper } from '../expiry.ts';
import { atomicWrite, createWrite, deleteWrite, putWrite, updateWrite, type Write } from '../write.ts';
import { backUp } from './backup.ts';
import { prepareChangeLog } from './change-log.ts';
import { openDatabase } from './database.ts';
import { toStorageError } from './errors.ts';
import { prepareFile } from './files.ts';
import { prepareItems, type Items } from './items.ts';
import { Ledger } from './ledger.ts';
import type { SqliteOptions } from './options.ts';
import { toItem } from './rows.ts';
import { openWriter, type Writer } from './writer.ts';

export interface SqliteBackend extends Backend {
  backup(path: string): Promise<BackupInfo>;
}

const HISTORY_EVENTS = 100_000;
const HISTORY_BYTES = 128 * 1024 * 1024;
const HISTORY_AGE_MS = 24 * 3_600_000;
const SLOW_TRANSACTION_MS = 250;
const TRIM_EVERY_MS = 60_000;
/** What live watches read without touching the disk. */
const RING_EVENTS = 8192;
const RING_BYTES = 16 * 1024 * 1024;
/** What a watch that is behind takes from the log at a time. */
const LOG_PAGE_BYTES = 1024 * 1024;

/**
 * Opens or makes the store; the caller closes it. Errors: UNAVAILABLE when another process has it, CORRUPT,
 * NOT_SUPPORTED (a newer schema), INVALID_CONFIG (not our file), STORAGE_FULL, STORAGE_FAILED.
 */
export async function openSqlite(options: SqliteOptions): Promise<SqliteBackend> {
  const { path, clock, log } = options;
  prepareFile(path);
  const { db, position, restored } = openDatabase(options);
  if (restored) log.warn({ path }, 'the store was copied or restored; watches start anew');

  const items = prepareItems(db);
  const history = prepareChangeLog(db);
  const limits = {
    events: options.historyEvents ?? HISTORY_EVENTS,
    bytes: options.historyBytes ?? HISTORY_BYTES,
    ageMs: options.historyAgeMs ?? HISTORY_AGE_MS,
  };
  const ledger = new Ledger(items, history, position, limits);
  const changes = openChanges({
    newest: String(position.revision),
    maxEvents: Math.min(RING_EVENTS, limits.events),
    maxBytes: Math.min(RING_BYTES, limits.bytes),
    isKnown: (position) => ledger.isKnown(Number(position)),
    older(after) {
      const start = Number(after);
      return start < ledger.position.floor ? undefined : history.batchesAfter(start, LOG_PAGE_BYTES);
    },
  });
  const writer = openWriter({
    db,
    ledger,
    path,
    log,
    slowTransactionMs: options.slowTransactionMs ?? SLOW_TRANSACTION_MS,
    stopwatch: options.stopwatch ?? (() => performance.now()),
    committed: changes.append,
    toError: (error) => toStorageError(error, path),
  });
  const sweeper = startSweeper({
    clock,
    earliest: items.earliest,
    sweep: () => repeat(writer, (batches) => ledger.expire(clock.now(), batches)),
    failed: (error) => log.warn({ err: error, path }, 'expired items could not be deleted'),
  });
  const trimmer = startTrimmer(clock, () => {
    repeat(writer, () => ledger.trimAge(clock.now())).catch((error: unknown) => {
      log.warn({ err: error, path }, 'old changes could not be deleted');
    });
  });
  const stop = async (): Promise<void> => {
    sweeper.close();
    trimmer.cancel();
    await writer.drain();
    changes.close();
    db.close();
  };
  return assemble({ path, clock, items, ledger, changes, writer, sweeper, stop });
}

interface Parts {
  readonly path: string;
  readonly clock: Clock;
  readonly items: Items;
  readonly ledger: Ledger;
  readonly changes: Changes;
  readonly writer: Writer;
  readonly sweeper: Sweeper;
  readonly stop: () => Promise<void>;
}

function assemble(parts: Parts): SqliteBackend {
  const { clock, items, ledger } = parts;
  const backups = new Set<Promise<unknown>>();
  let closing: Promise<void> | undefined;

  const read = <T>(work: () => T): T => {
    if (closing !== undefined) throw new GatehouseError('UNAVAILABLE', 'the store is closed');
    try {
      return work();
    } catch (error) {
      throw toStorageError(error, parts.path);
    }
  };
  const write = async (work: Write): Promise<Revision> => {
    read(() => {});
    const revision = await parts.writer.run((batches) => {
      ledger.apply(work, clock.now(), batches);
      return String(ledger.position.revision);
    }, sizeOf(work));
    for (const { action } of work.steps) {
      if (action.do === 'put' && action.expires !== undefined) parts.sweeper.notice(action.expires);
    }
    return revision;
  };
  const page = (query: RangeQuery): RangePage => readPage(items, ledger, query, clock.now());
  const close = async (): Promise<void> => {
    await Promise.allSettled(backups);
    await parts.stop();
  };

  return {
    async get(key) {
      checkKey(key);
      return read(() => items.get(key, clock.now()));
    },
    range: async (query) => read(() => page(query)),
    create: async (item) => write(createWrite(item)),
    put: async (item) => write(putWrite(item)),
    update: async (item, revision) => write(updateWrite(item, revision)),
    delete: async (key, revision) => write(deleteWrite(key, revision)),
    atomicWrite: async (steps) => write(atomicWrite(steps)),
    revision: async () => read(() => String(ledger.position.revision)),
    async *watch(query) {
      read(() => {});
      try {
        yield* parts.changes.watch(query);
      } catch (error) {
        throw toStorageError(error, parts.path);
      }
    },
    async backup(path) {
      read(() => {});
      const copying = backUp({ range: async (query) => page(query), watch: parts.changes.watch }, path);
      backups.add(copying);
      return copying.finally(() => backups.delete(copying));
    },
    close: () => (closing ??= close()),
  };
}

/** Runs work in transactions of its own until it has nothing left to do. */
async function repeat(writer: Writer, work: (batches: WatchBatch[]) => boolean): Promise<void> {
  while (await writer.run(work, 0));
}

function startTrimmer(clock: Clock, trim: () => void): Timer {
  let timer = clock.after(TRIM_EVERY_MS, run);
  function run(): void {
    timer = clock.after(TRIM_EVERY_MS, run);
    trim();
  }
  return { cancel: () => timer.cancel() };
}

function readPage(table: Items, ledger: Ledger, query: RangeQuery, now: number): RangePage {
  const range = checkRange(query);
  const items: StoredItem[] = [];
  const revision = String(ledger.position.revision);
  let bytes = 0;
  // One row more than asked for tells whether there is a next page.
  for (const row of table.range({ ...range, limit: range.limit + 1 }, now)) {
    const item = toItem(row);
    const last = items.at(-1);
    if (
      last !== undefined &&
      (items.length === range.limit || bytes + item.value.byteLength > MAX_PAGE_BYTES)
    ) {
      return { items, next: last.key, revision };
    }
    items.push(item);
    bytes += item.key.length + item.value.byteLength;
  }
  return { items, revision };
}

function sizeOf(write: Write): number {
  let bytes = 0;
  for (const { action } of write.steps) bytes += action.do === 'put' ? action.value.byteLength : 0;
  return bytes;
}
