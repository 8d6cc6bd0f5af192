// The change log: resuming from disk, and its bounds. And the writer: what it gathers, and what it warns of.
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { silentLog, type Log } from '#core/log.ts';
import { FakeClock } from '#test/kit/clock.ts';
import { tempFolder } from '#test/kit/temp.ts';
import type { Backend } from '../backend.ts';
import { openSqlite, type SqliteBackend } from './open.ts';
import type { SqliteOptions } from './options.ts';

const folder = tempFolder();
let count = 0;

async function open(options: Partial<SqliteOptions> = {}): Promise<SqliteBackend> {
  const path = join(folder, String(count++), 'sqlite.db');
  const backend = await openSqlite({ path, clock: new FakeClock(), log: silentLog, sync: 'OFF', ...options });
  onTestFinished(() => backend.close());
  return backend;
}

async function putMany(backend: Backend, first: number, last: number, size = 10): Promise<void> {
  const value = new Uint8Array(size);
  const keys = Array.from({ length: last - first }, (_, index) => `k/${first + index}`);
  await Promise.all(keys.map((key) => backend.put({ key, value })));
}

/** The keys of the changes after `from`, up to and with `end`. */
async function keysAfter(backend: Backend, from: string, end: string): Promise<string[]> {
  const keys: string[] = [];
  const abort = new AbortController();
  for await (const { events } of backend.watch({ prefixes: ['k/'], from, signal: abort.signal })) {
    keys.push(...events.map((event) => (event.type === 'put' ? event.item.key : event.key)));
    if (keys.at(-1) === end) abort.abort();
  }
  return keys;
}

const numbered = (first: number, last: number): string[] => {
  return Array.from({ length: last - first }, (_, index) => `k/${first + index}`);
};

async function isKept(backend: Backend, from: string): Promise<boolean> {
  const { signal } = new AbortController();
  const iterator = backend.watch({ prefixes: [''], from, signal })[Symbol.asyncIterator]();
  return iterator.next().then(
    async () => {
      await iterator.return?.();
      return true;
    },
    (error: unknown) => {
      expect(error).toMatchObject({ code: 'REVISION_COMPACTED' });
      return false;
    },
  );
}

test('ok: a reader far behind what is in memory goes on from the log, and misses nothing', async () => {
  const backend = await open();
  const from = await backend.revision();
  const { signal } = new AbortController();
  const slow = backend.watch({ prefixes: ['k/'], from, signal })[Symbol.asyncIterator]();
  await slow.next();
  await putMany(backend, 0, 20_000);
  expect(await keysAfter(backend, from, 'k/19999')).toEqual(numbered(0, 20_000));
  const seen: string[] = [];
  while (seen.length < 20_000) {
    const { value } = await slow.next();
    for (const event of value.events) seen.push(event.type === 'put' ? event.item.key : event.key);
  }
  expect(seen).toEqual(numbered(0, 20_000));
});

test('ok: a reader on the log is overtaken by writers and still sees each change once', async () => {
  const backend = await open();
  const from = await backend.revision();
  await putMany(backend, 0, 12_000);
  const reading = keysAfter(backend, from, 'k/23999');
  for (let first = 12_000; first < 24_000; first += 1000) await putMany(backend, first, first + 1000);
  expect(await reading).toEqual(numbered(0, 24_000));
});

test('ok: the log is bounded by count', async () => {
  const backend = await open({ historyEvents: 5000 });
  const revisions: string[] = [];
  for (let first = 0; first < 20_000; first += 500) {
    await putMany(backend, first, first + 500);
    revisions.push(await backend.revision());
  }
  expect(await isKept(backend, revisions.at(-1 - 8)!)).toBe(true);
  expect(await isKept(backend, revisions.at(-1 - 12)!)).toBe(false);
  expect(await keysAfter(backend, revisions.at(-1 - 8)!, 'k/19999')).toEqual(numbered(16_000, 20_000));
});

test('ok: the log is bounded by bytes', async () => {
  const backend = await open({ historyBytes: 2_000_000 });
  const revisions: string[] = [];
  for (let first = 0; first < 500; first += 10) {
    await putMany(backend, first, first + 10, 10_000);
    revisions.push(await backend.revision());
  }
  expect(await isKept(backend, revisions.at(-1 - 15)!)).toBe(true);
  expect(await isKept(backend, revisions.at(-1 - 30)!)).toBe(false);
});

test('ok: the log is bounded by age, and keeps its bound over a restart', async () => {
  const clock = new FakeClock();
  const path = join(folder, String(count++), 'sqlite.db');
  const options = { path, clock, log: silentLog, sync: 'OFF', historyAgeMs: 3_600_000 } as const;
  const first = await openSqlite(options);
  const old = await first.revision();
  await putMany(first, 0, 2000);
  const middle = await first.revision();
  await clock.advance(3_000_000);
  await putMany(first, 2000, 2010);
  await clock.advance(900_000);
  await first.close();
  const again = await openSqlite(options);
  onTestFinished(() => again.close());
  expect(await isKept(again, old)).toBe(false);
  expect(await keysAfter(again, middle, 'k/2009')).toEqual(numbered(2000, 2010));
});

test('ok: the revision stays when the whole log has aged away', async () => {
  const clock = new FakeClock();
  const path = join(folder, String(count++), 'sqlite.db');
  const options = { path, clock, log: silentLog, sync: 'OFF', historyAgeMs: 60_000 } as const;
  const first = await openSqlite(options);
  await putMany(first, 0, 10);
  const revision = await first.revision();
  await clock.advance(600_000);
  await first.close();
  const again = await openSqlite(options);
  onTestFinished(() => again.close());
  expect(await again.revision()).toBe(revision);
  expect(await isKept(again, revision)).toBe(true);
});

test('ok: writes that come together share a transaction, and fail alone', async () => {
  let readings = 0;
  const backend = await open({ stopwatch: () => readings++ });
  await backend.create({ key: 'k/7', value: Buffer.from('x') });
  const before = readings;
  const results = await Promise.allSettled(
    numbered(0, 100).map((key) => backend.create({ key, value: Buffer.from('x') })),
  );
  expect(readings - before).toBe(2);
  const refused = results.flatMap((result, index) =>
    result.status === 'rejected' ? [[index, result.reason.code]] : [],
  );
  expect(refused).toEqual([[7, 'ALREADY_EXISTS']]);
  const revisions = results.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []));
  expect(new Set(revisions).size).toBe(99);
});

test('ok: a slow transaction is warned of with a constant message', async () => {
  const warned: [object, string][] = [];
  const log: Log = { ...silentLog, warn: (fields, message) => warned.push([fields, message]) };
  let now = 0;
  let step = 249;
  const backend = await open({ log, stopwatch: () => (now += step) });
  await backend.put({ key: 'a', value: Buffer.from('hush') });
  expect(warned).toEqual([]);
  step = 250;
  await backend.put({ key: 'a', value: Buffer.from('hush') });
  expect(warned).toEqual([
    [
      { durationMs: 250, thresholdMs: 250, writes: 1, path: expect.any(String) as string },
      'SLOW TRANSACTION',
    ],
  ]);
});
