// The SQLite store against node:sqlite used directly for the same items with the same durability: what revisions,
// conditions, the change log and watches cost, and what gathering writes gains. The reference keeps no change log.
//
//   node test/bench/storage.bench.ts
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { systemClock } from '#core/clock.ts';
import { silentLog } from '#core/log.ts';
import type { Backend } from '#storage/backend.ts';
import { openSqlite } from '#storage/sqlite/open.ts';
import type { JournalMode, SyncMode } from '#storage/sqlite/options.ts';
import { compare, printHeading } from './kit.ts';

const ITEMS = 10_000;
const value = Buffer.alloc(1000, 'v');
const keyOfIndex = (index: number): string => `nodes/${String((index * 7919) % ITEMS).padStart(6, '0')}`;

function openRaw(path: string, journal: JournalMode, sync: SyncMode) {
  const db = new DatabaseSync(path);
  db.exec(`PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = ${journal}; PRAGMA synchronous = ${sync}`);
  db.exec('PRAGMA cache_size = -32768');
  db.exec(
    'CREATE TABLE items (key TEXT NOT NULL PRIMARY KEY, value BLOB NOT NULL, expires INTEGER, revision INTEGER) STRICT',
  );
  const put = db.prepare(
    'INSERT INTO items VALUES (?, ?, ?, ?) ON CONFLICT (key) DO UPDATE ' +
      'SET value = excluded.value, expires = excluded.expires, revision = excluded.revision',
  );
  const get = db.prepare('SELECT key, value, expires, revision FROM items WHERE key = ?');
  const range = db.prepare(
    'SELECT key, value, expires, revision FROM items WHERE key >= ? AND key < ? ORDER BY key LIMIT 1000',
  );
  return { db, put, get, range };
}

type Raw = ReturnType<typeof openRaw>;

async function benchMode(folder: string, journal: JournalMode, sync: SyncMode): Promise<void> {
  const name = `${journal} ${sync}`;
  const path = join(folder, name.replace(' ', '-'), 'sqlite.db');
  const ours = await openSqlite({ path, clock: systemClock, log: silentLog, journal, sync });
  const raw = openRaw(join(folder, `${name.replace(' ', '-')}.raw`), journal, sync);
  raw.db.exec('BEGIN');
  for (let index = 0; index < ITEMS; index++) raw.put.run(keyOfIndex(index), value, null, index);
  raw.db.exec('COMMIT');
  await putAtOnce(ours, ITEMS);
  await benchWrites(name, ours, raw);
  await benchReads(name, ours, raw);
  await ours.close();
  raw.db.close();
}

async function benchWrites(name: string, ours: Backend, raw: Raw): Promise<void> {
  // A revision that grows, because SQLite writes nothing when a row stays as it was.
  let revision = ITEMS;
  const rawPuts = (puts: number): void => {
    for (let index = 0; index < puts; index++) raw.put.run(keyOfIndex(index), value, null, ++revision);
  };
  await compare({
    name: `${name}: put, one after the other`,
    operations: 200,
    unit: 'puts',
    async ours() {
      for (let index = 0; index < 200; index++) await ours.put({ key: keyOfIndex(index), value });
    },
    reference: () => rawPuts(200),
  });
  for (const writers of [8, 64]) {
    await compare({
      name: `${name}: put, ${writers} writers at once`,
      operations: writers * 20,
      unit: 'puts',
      ours: () => putByWriters(ours, writers, 20),
      reference: () => rawPuts(writers * 20),
    });
  }
}

async function benchReads(name: string, ours: Backend, raw: Raw): Promise<void> {
  await compare({
    name: `${name}: get`,
    operations: 20_000,
    unit: 'gets',
    async ours() {
      for (let index = 0; index < 20_000; index++) await ours.get(keyOfIndex(index));
    },
    reference() {
      for (let index = 0; index < 20_000; index++) raw.get.get(keyOfIndex(index));
    },
  });
  await compare({
    name: `${name}: range of 1,000`,
    operations: 20_000,
    unit: 'items',
    async ours() {
      for (let index = 0; index < 20; index++) await ours.range({ prefix: 'nodes/' });
    },
    reference() {
      for (let index = 0; index < 20; index++) raw.range.all('nodes/', 'nodes0');
    },
  });
}

async function putByWriters(backend: Backend, writers: number, each: number): Promise<void> {
  const write = async (writer: number): Promise<void> => {
    for (let index = 0; index < each; index++)
      await backend.put({ key: keyOfIndex(writer * each + index), value });
  };
  await Promise.all(Array.from({ length: writers }, (_, writer) => write(writer)));
}

async function putAtOnce(backend: Backend, items: number): Promise<void> {
  await Promise.all(
    Array.from({ length: items }, (_, index) => backend.put({ key: keyOfIndex(index), value })),
  );
}

/** How soon the changes of a commit reach many watches. */
async function benchWatches(folder: string): Promise<void> {
  const path = join(folder, 'watches', 'sqlite.db');
  const backend = await openSqlite({ path, clock: systemClock, log: silentLog });
  const abort = new AbortController();
  const from = await backend.revision();
  const puts = 5000;
  const watchers = 100;
  const started = performance.now();
  const watches = Array.from({ length: watchers }, async () => {
    let seen = 0;
    for await (const batch of backend.watch({ prefixes: ['nodes/'], from, signal: abort.signal })) {
      seen += batch.events.length;
      if (seen === puts) return;
    }
  });
  await putAtOnce(backend, puts);
  const written = performance.now() - started;
  await Promise.all(watches);
  const seconds = (performance.now() - started) / 1000;
  console.log(
    `WAL FULL: ${puts} puts seen by ${watchers} watches: written after ${Math.round(written)} ms, all seen after ` +
      `${Math.round(seconds * 1000)} ms, ${Math.round((puts * watchers) / seconds).toLocaleString('en-US')} events/s`,
  );
  await backend.close();
}

const folder = mkdtempSync(join(tmpdir(), 'gatehouse-bench-'));
try {
  printHeading(`storage: ${ITEMS} items of ${value.length} bytes`);
  await benchMode(folder, 'WAL', 'FULL');
  await benchMode(folder, 'WAL', 'NORMAL');
  await benchMode(folder, 'DELETE', 'FULL');
  await benchWatches(folder);
} finally {
  rmSync(folder, { recursive: true, force: true });
}
