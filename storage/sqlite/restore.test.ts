// What is restored, in the ways that operators restore things: a file put in place by hand, next to what a crash left,
// over the old file, or with the whole disk. No position of the lost history may be continued.
import { copyFileSync, existsSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { beforeEach, describe, expect, onTestFinished, test } from 'vitest';
import { silentLog } from '#core/log.ts';
import { FakeClock } from '#test/kit/clock.ts';
import { tempFolder } from '#test/kit/temp.ts';
import type { Revision, WatchEvent } from '../backend.ts';
import { openSqlite, type SqliteBackend } from './open.ts';
import type { JournalMode, SqliteOptions } from './options.ts';

const folder = tempFolder();
let count = 0;
let path = '';
beforeEach(() => {
  path = join(folder, String(count++), 'sqlite.db');
});

async function open(options: Partial<SqliteOptions> = {}): Promise<SqliteBackend> {
  const backend = await openSqlite({ path, clock: new FakeClock(), log: silentLog, sync: 'OFF', ...options });
  onTestFinished(() => backend.close());
  return backend;
}

async function write(backend: SqliteBackend, text: string, items = 100): Promise<void> {
  for (let n = 0; n < items; n++) {
    await backend.put({ key: `${n % 2 === 0 ? 'same' : text}/${n}`, value: Buffer.from(text.repeat(200)) });
  }
}

async function contents(backend: SqliteBackend): Promise<string[]> {
  const { items } = await backend.range({ prefix: '', limit: 10_000 });
  return items.map(({ key, value }) => `${key}=${Buffer.from(value).toString('utf8', 0, 10)}`);
}

/** The keys of the first changes after a position. */
async function firstChange(backend: SqliteBackend, from: Revision): Promise<string[] | undefined> {
  const { signal } = new AbortController();
  const batches = backend.watch({ prefixes: [''], from, signal })[Symbol.asyncIterator]();
  const { value } = await batches.next();
  await batches.return?.();
  return value?.events.map((event: WatchEvent) => (event.type === 'put' ? event.item.key : event.key));
}

/** What a kill leaves next to the file: copied from under a store at work. */
async function leaveJournal(journal: JournalMode): Promise<{ backup: string; expected: string[] }> {
  const backend = await open({ journal });
  await write(backend, 'old');
  const { path: backup } = await backend.backup(`${path}.backup`);
  const expected = await contents(backend);
  await write(backend, 'new', 500);
  const left = readdirSync(dirname(path)).filter((name) => /-(wal|journal)$/.test(name));
  for (const name of left) copyFileSync(join(dirname(path), name), join(dirname(path), `${name}.left`));
  await backend.close();
  for (const name of left) copyFileSync(join(dirname(path), `${name}.left`), join(dirname(path), name));
  return { backup, expected };
}

describe('what a crash left next to a restored file', () => {
  test('refuses: to mix it into the backup; both stay as they are', async () => {
    const { backup, expected } = await leaveJournal('WAL');
    copyFileSync(backup, path);
    for (const _attempt of [1, 2]) {
      await expect(open()).rejects.toMatchObject({
        code: 'STORAGE_FAILED',
        message: expect.stringContaining(`${path}-wal was left by the database`) as string,
      });
    }
    expect(readFileSync(path)).toEqual(readFileSync(backup));
    rmSync(`${path}-wal`);
    const restored = await open();
    expect(await contents(restored)).toEqual(expected);
  });

  test('ok: a journal that was used up does not matter', async () => {
    const { backup, expected } = await leaveJournal('PERSIST');
    expect(existsSync(`${path}-journal`)).toBe(true);
    copyFileSync(backup, path);
    expect(await contents(await open({ journal: 'PERSIST' }))).toEqual(expected);
  });

  test('ok: a restored store that crashed has a journal of its own, which counts', async () => {
    const first = await open();
    await write(first, 'old');
    await first.backup(`${path}.backup`);
    await first.close();
    copyFileSync(`${path}.backup`, path);
    const restored = await open();
    await write(restored, 'new');
    const expected = await contents(restored);
    const crashed = `${path}.crashed`;
    for (const end of ['', '-wal']) copyFileSync(path + end, crashed + end);
    path = crashed;
    expect(await contents(await open())).toEqual(expected);
  });
});

describe('a position of a lost history', () => {
  test('refuses: after an older copy was written over the file', async () => {
    const first = await open();
    await write(first, 'a');
    const kept = await first.revision();
    await first.close();
    copyFileSync(path, `${path}.saved`);
    const second = await open();
    await write(second, 'b', 10);
    const lost = await second.revision();
    await second.close();
    copyFileSync(`${path}.saved`, path);
    const third = await open();
    await expect(firstChange(third, lost)).rejects.toMatchObject({ code: 'REVISION_COMPACTED' });
    await write(third, 'c', 50);
    await expect(firstChange(third, lost)).rejects.toMatchObject({ code: 'REVISION_COMPACTED' });
    expect(await firstChange(third, kept)).toEqual(['same/0']);
  });

  test('refuses: also when the clock was set back meanwhile', async () => {
    const clock = new FakeClock('2026-05-01T12:00:00Z');
    const first = await open({ clock });
    await write(first, 'a');
    await first.close();
    copyFileSync(path, `${path}.saved`);
    const second = await open({ clock });
    await write(second, 'b', 10);
    const lost = await second.revision();
    await second.close();
    copyFileSync(`${path}.saved`, path);
    const third = await open({ clock: new FakeClock('2026-05-01T08:00:00Z') });
    await write(third, 'c', 50);
    await expect(firstChange(third, lost)).rejects.toMatchObject({ code: 'REVISION_COMPACTED' });
  });

  test('ok: a restart alone loses no position, and the revision moves with the first change only', async () => {
    const positions: Revision[] = [];
    for (let life = 0; life < 4; life++) {
      const backend = await open();
      if (positions.length > 0) expect(await backend.revision()).toBe(positions.at(-1));
      for (const from of positions.slice(0, -1)) expect(await firstChange(backend, from)).toBeDefined();
      for (let n = 0; n < 3; n++) {
        positions.push(await backend.put({ key: `k/${life}/${n}`, value: Buffer.from('x') }));
      }
      for (const from of positions.slice(0, -1)) expect(await firstChange(backend, from)).toBeDefined();
      await backend.close();
    }
  });
});
