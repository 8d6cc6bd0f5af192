// Backups made while writes go on, and what is restored from them.
import { existsSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { compareRevisions } from '#core/revision.ts';
import { silentLog } from '#core/log.ts';
import { FakeClock } from '#test/kit/clock.ts';
import { tempFolder } from '#test/kit/temp.ts';
import type { Backend } from '../backend.ts';
import { openSqlite, type SqliteBackend } from './open.ts';
import type { SqliteOptions } from './options.ts';

const folder = tempFolder();
let count = 0;
const newPath = (): string => join(folder, String(count++), 'sqlite.db');

async function open(path: string, options: Partial<SqliteOptions> = {}): Promise<SqliteBackend> {
  const backend = await openSqlite({ path, clock: new FakeClock(), log: silentLog, sync: 'OFF', ...options });
  onTestFinished(() => backend.close());
  return backend;
}

async function contents(backend: Backend): Promise<Map<string, string>> {
  const found = new Map<string, string>();
  let after: string | undefined;
  do {
    const page = await backend.range({ prefix: '', after });
    for (const { key, value, revision } of page.items) found.set(key, `${value[0]}@${revision}`);
    after = page.next;
  } while (after !== undefined);
  return found;
}

/** The store as it was at a revision, from its whole history. */
async function contentsAt(backend: Backend, start: string, revision: string): Promise<Map<string, string>> {
  const state = new Map<string, string>();
  const abort = new AbortController();
  for await (const batch of backend.watch({ prefixes: [''], from: start, signal: abort.signal })) {
    if (compareRevisions(batch.revision, revision) > 0) break;
    for (const event of batch.events) {
      if (event.type === 'put') state.set(event.item.key, `${event.item.value[0]}@${event.item.revision}`);
      else state.delete(event.key);
    }
    if (batch.revision === revision) break;
  }
  abort.abort();
  return state;
}

test.each(['WAL', 'DELETE'] as const)(
  'ok: backups under writes each equal one revision of the store exactly (%s)',
  { timeout: 60_000 },
  async (journal) => {
    const path = newPath();
    const backend = await open(path, { journal });
    const start = await backend.revision();
    const value = (mark: number): Uint8Array => Buffer.alloc(4000, mark);
    await Promise.all(
      Array.from({ length: 3000 }, (_, index) => backend.put({ key: `k/${index}`, value: value(1) })),
    );

    const stop = new AbortController();
    let writes = 0;
    const writer = (async () => {
      for (let round = 0; !stop.signal.aborted; round++) {
        const [one, other, gone] = [(round * 7) % 3000, (round * 13 + 1) % 3000, (round * 17) % 3000];
        const put = (index: number, prefix: string) => {
          const action = { do: 'put', value: value(round % 256) } as const;
          return { key: `${prefix}/${index}`, condition: { is: 'any' }, action } as const;
        };
        await backend.atomicWrite([put(one, 'k'), put(other, 'pair')]);
        await backend.delete(`k/${gone}`).catch(() => {});
        writes += 2;
      }
    })();
    const taken: { path: string; revision: string; bytes: number; during: number }[] = [];
    for (let index = 0; index < 5; index++) {
      const before = writes;
      const info = await backend.backup(join(dirname(path), `backup-${index}.db`));
      taken.push({ ...info, during: writes - before });
    }
    stop.abort();
    await writer;

    expect(Math.min(...taken.map(({ during }) => during))).toBeGreaterThan(2);
    for (const { path: copy, revision, bytes } of taken) {
      expect(statSync(copy).mode & 0o777).toBe(0o600);
      expect(statSync(copy).size).toBe(bytes);
      const restored = await open(copy);
      expect(await contents(restored)).toEqual(await contentsAt(backend, start, revision));
      await restored.close();
    }
    expect(readdirSync(dirname(path)).filter((name) => name.includes('partial'))).toEqual([]);
  },
);

test('ok: a restored backup is a new history, and conditions on what it holds still work', async () => {
  const path = newPath();
  const backend = await open(path);
  const kept = await backend.put({ key: 'a', value: Buffer.from('1') });
  const info = await backend.backup(`${path}.backup`);
  const lost = await backend.put({ key: 'a', value: Buffer.from('2') });
  const restored = await open(`${path}.backup`);
  expect(info.revision).toBe(kept);
  expect(compareRevisions(await restored.revision(), lost)).toBeGreaterThan(0);
  await expect(restored.update({ key: 'a', value: Buffer.from('3') }, lost)).rejects.toMatchObject({
    code: 'CONDITION_FAILED',
  });
  await restored.update({ key: 'a', value: Buffer.from('3') }, kept);
  for (const from of [kept, lost]) {
    const { signal } = new AbortController();
    const watch = restored.watch({ prefixes: [''], from, signal })[Symbol.asyncIterator]();
    await expect(watch.next()).rejects.toMatchObject({ code: 'REVISION_COMPACTED' });
  }
});

test('ok: what expires does so in the copy as well', async () => {
  const clock = new FakeClock();
  const path = newPath();
  const backend = await open(path, { clock });
  await backend.put({ key: 'a', value: Buffer.from('1'), expires: clock.now() + 5000 });
  await backend.backup(`${path}.backup`);
  const restored = await open(`${path}.backup`, { clock });
  expect(await restored.get('a')).toBeDefined();
  await clock.advance(5000);
  expect(await restored.get('a')).toBeUndefined();
});

test('refuses: to write over a file, which stays as it was', async () => {
  const path = newPath();
  const backend = await open(path);
  const target = `${path}.other`;
  writeFileSync(target, 'precious');
  await expect(backend.backup(target)).rejects.toMatchObject({ code: 'ALREADY_EXISTS' });
  await expect(backend.backup(path)).rejects.toMatchObject({ code: 'ALREADY_EXISTS' });
  expect(statSync(target).size).toBe(8);
});

test('ok: of two backups to one name at once, one wins', async () => {
  const path = newPath();
  const backend = await open(path);
  await backend.put({ key: 'a', value: Buffer.from('1') });
  const results = await Promise.allSettled([backend.backup(`${path}.b`), backend.backup(`${path}.b`)]);
  expect(results.map(({ status }) => status).toSorted()).toEqual(['fulfilled', 'rejected']);
  expect((results.find(({ status }) => status === 'rejected') as PromiseRejectedResult).reason).toMatchObject(
    { code: 'ALREADY_EXISTS' },
  );
  expect(await contents(await open(`${path}.b`))).toEqual(await contents(backend));
});

test('refuses: a folder that does not exist, and leaves nothing behind', async () => {
  const path = newPath();
  const backend = await open(path);
  const target = join(dirname(path), 'missing', 'backup.db');
  await expect(backend.backup(target)).rejects.toMatchObject({
    code: 'STORAGE_FAILED',
    message: expect.stringContaining(target) as string,
  });
  expect(existsSync(dirname(target))).toBe(false);
});

test('ok: close waits for a backup under way; refuses: a backup after close', async () => {
  const path = newPath();
  const backend = await open(path);
  await Promise.all(
    Array.from({ length: 2000 }, (_, index) => backend.put({ key: `k/${index}`, value: Buffer.alloc(4000) })),
  );
  const copying = backend.backup(`${path}.backup`);
  await backend.close();
  await copying;
  expect((await contents(await open(`${path}.backup`))).size).toBe(2000);
  await expect(backend.backup(`${path}.late`)).rejects.toMatchObject({ code: 'UNAVAILABLE' });
});
