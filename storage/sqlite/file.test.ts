// The database file: who may read it, who owns it, and what is refused at open.
import { randomInt } from 'node:crypto';
import {
  chmodSync,
  copyFileSync,
  mkdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { beforeEach, expect, onTestFinished, test } from 'vitest';
import { GatehouseError } from '#core/errors/error.ts';
import { silentLog, type Log } from '#core/log.ts';
import { FakeClock } from '#test/kit/clock.ts';
import { tempFolder } from '#test/kit/temp.ts';
import { openSqlite, type SqliteBackend } from './open.ts';
import type { SqliteOptions } from './options.ts';

const folder = tempFolder();
let count = 0;
let path = '';
beforeEach(() => {
  path = join(folder, String(count++), 'backend', 'sqlite.db');
});

async function open(options: Partial<SqliteOptions> = {}): Promise<SqliteBackend> {
  const backend = await openSqlite({ path, clock: new FakeClock(), log: silentLog, sync: 'OFF', ...options });
  onTestFinished(() => backend.close());
  return backend;
}

async function fill(items = 200): Promise<void> {
  const backend = await open();
  const value = Buffer.alloc(1000, 'x');
  await Promise.all(Array.from({ length: items }, (_, index) => backend.put({ key: `k/${index}`, value })));
  await backend.close();
}

test.each(['WAL', 'DELETE'] as const)('ok: the folder is 0700 and every file 0600 (%s)', async (journal) => {
  const backend = await open({ journal });
  await backend.put({ key: 'a', value: Buffer.from('x') });
  expect(statSync(dirname(path)).mode & 0o777).toBe(0o700);
  for (const end of journal === 'WAL' ? ['', '-wal'] : ['']) {
    expect(statSync(path + end).mode & 0o777).toBe(0o600);
  }
});

test('ok: the mode of an existing file is tightened', async () => {
  await fill(1);
  chmodSync(path, 0o644);
  await open();
  expect(statSync(path).mode & 0o777).toBe(0o600);
});

test('ok: WAL and FULL unless told otherwise, and the journal mode can be changed on an existing file', async () => {
  for (const journal of [undefined, 'DELETE', 'TRUNCATE', 'PERSIST', 'WAL'] as const) {
    const backend = await openSqlite({
      path,
      clock: new FakeClock(),
      log: silentLog,
      ...(journal && { journal }),
    });
    await backend.put({ key: `k/${journal}`, value: Buffer.from('x') });
    await backend.close();
    const raw = new DatabaseSync(path, { readOnly: true });
    const mode = raw.prepare('PRAGMA journal_mode').get()?.['journal_mode'];
    expect(mode).toBe(journal === undefined || journal === 'WAL' ? 'wal' : 'delete');
    raw.close();
  }
  const backend = await open();
  expect((await backend.range({ prefix: 'k/' })).items).toHaveLength(5);
});

test.each(['WAL', 'DELETE'] as const)(
  'refuses: a second owner, also in this process (%s)',
  async (journal) => {
    const first = await open({ journal });
    for (let attempt = 0; attempt < 3; attempt++) {
      await expect(open({ journal })).rejects.toMatchObject({
        code: 'UNAVAILABLE',
        message: expect.stringContaining(`another process uses ${path}`) as string,
      });
    }
    await first.put({ key: 'a', value: Buffer.from('x') });
    await first.close();
    const second = await open({ journal });
    expect(await second.get('a')).toBeDefined();
  },
);

test('refuses: a file of a newer schema, untouched', async () => {
  await fill();
  const raw = new DatabaseSync(path);
  raw.exec('PRAGMA user_version = 7');
  raw.close();
  await expect(open()).rejects.toMatchObject({
    code: 'NOT_SUPPORTED',
    message: expect.stringContaining('schema version 7') as string,
  });
});

test("refuses: another program's database", async () => {
  mkdirSync(dirname(path), { recursive: true });
  const raw = new DatabaseSync(path);
  raw.exec('CREATE TABLE kv (key TEXT)');
  raw.close();
  await expect(open()).rejects.toMatchObject({ code: 'INVALID_CONFIG' });
});

test('refuses: a folder in place of the file', async () => {
  mkdirSync(path, { recursive: true });
  await expect(open()).rejects.toMatchObject({ code: 'INVALID_CONFIG' });
});

test('refuses: a place that cannot be written, saying which', async () => {
  writeFileSync(join(folder, 'a-file'), '');
  path = join(folder, 'a-file', 'sqlite.db');
  await expect(open()).rejects.toMatchObject({
    code: 'STORAGE_FAILED',
    message: expect.stringContaining(path) as string,
  });
  const dangling = join(folder, `${count++}-link`);
  symlinkSync(join(folder, 'nowhere', 'x'), dangling);
  path = dangling;
  await expect(open()).rejects.toMatchObject({ code: 'STORAGE_FAILED' });
});

test('S28 a symbolic link in place of the file is not followed', async () => {
  const target = join(folder, `${count++}-target`);
  writeFileSync(target, 'somebody else owns this', { mode: 0o644 });
  mkdirSync(dirname(path), { recursive: true });
  symlinkSync(target, path);
  await expect(open()).rejects.toMatchObject({ code: 'STORAGE_FAILED' });
  expect(statSync(target).mode & 0o777).toBe(0o644);
  expect(readFileSync(target, 'utf8')).toBe('somebody else owns this');
});

test.each([
  [
    'text',
    () => writeFileSync(path, 'this is not a database, but long enough to look like one '.repeat(100)),
  ],
  ['a damaged header', () => overwrite(0, 16)],
  ['a damaged page', () => overwrite(4096 * 3, 4096)],
  ['a cut file', () => truncateSync(path, Math.floor(statSync(path).size / 2 / 4096) * 4096 + 100)],
])('refuses: %s, with what to do', async (_, damage) => {
  await fill();
  damage();
  await expect(open()).rejects.toMatchObject({
    code: 'CORRUPT',
    message: expect.stringMatching(/damaged.*put a backup in its place/) as string,
  });
});

test('refuses or opens: any random damage, and never another kind of error', async () => {
  await fill();
  const good = readFileSync(path);
  for (let round = 0; round < 100; round++) {
    const bad = Buffer.from(good);
    for (let count = 1 + randomInt(20); count > 0; count--) bad[randomInt(bad.length)] = randomInt(256);
    writeFileSync(path, bad);
    const found = await openSqlite({ path, clock: new FakeClock(), log: silentLog, sync: 'OFF' })
      .then(async (backend) => {
        await backend.range({ prefix: '' });
        await backend.put({ key: 'k/1', value: Buffer.from('y') });
        await backend.close();
        return 'opened';
      })
      .catch((error: unknown) => error);
    if (found !== 'opened') expect(found).toBeInstanceOf(GatehouseError);
  }
});

test('ok: a copied file is a new history: items stay, old positions are refused', async () => {
  const first = await open();
  await first.put({ key: 'a', value: Buffer.from('x') });
  const from = await first.revision();
  await first.close();
  copyFileSync(path, `${path}.copy`);
  path = `${path}.copy`;
  const warned: string[] = [];
  const log: Log = { ...silentLog, warn: (_, message) => warned.push(message) };
  const second = await open({ log });
  expect(warned).toEqual(['the store was copied or restored; watches start anew']);
  expect(await second.get('a')).toMatchObject({ revision: from });
  expect(Number(await second.revision())).toBeGreaterThan(Number(from) + 1_000_000);
  const { signal } = new AbortController();
  const watch = second.watch({ prefixes: [''], from, signal })[Symbol.asyncIterator]();
  await expect(watch.next()).rejects.toMatchObject({ code: 'REVISION_COMPACTED' });
  const revision = await second.revision();
  await second.close();
  const third = await open({ log });
  expect(await third.revision()).toBe(revision);
  expect(warned).toHaveLength(1);
});

function overwrite(start: number, length: number): void {
  const bytes = readFileSync(path);
  bytes.fill(0xa5, start, start + length);
  writeFileSync(path, bytes);
}
