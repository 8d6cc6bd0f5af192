// A full disk: nothing half-written, nothing acknowledged lost, and work goes on when there is space again.
import { execFileSync } from 'node:child_process';
import { mkdirSync, readdirSync, rmSync, statfsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, expect, onTestFinished, test } from 'vitest';
import { silentLog } from '#core/log.ts';
import { FakeClock } from '#test/kit/clock.ts';
import { tempFolder } from '#test/kit/temp.ts';
import type { Backend } from '../backend.ts';
import { openSqlite, type SqliteBackend } from './open.ts';
import type { SqliteOptions } from './options.ts';

const folder = tempFolder();
let count = 0;
const mounted: string[] = [];
afterAll(() => {
  for (const place of mounted) execFileSync('umount', [place]);
});

/** A disk of 4 MiB, or undefined where this process may not mount. */
function mountSmallDisk(): string | undefined {
  const place = join(folder, `disk-${count++}`);
  mkdirSync(place);
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=4m', 'tmpfs', place], { stdio: 'ignore' });
  } catch {
    return undefined;
  }
  mounted.push(place);
  return place;
}

async function open(path: string, options: Partial<SqliteOptions> = {}): Promise<SqliteBackend> {
  const backend = await openSqlite({ path, clock: new FakeClock(), log: silentLog, ...options });
  onTestFinished(() => backend.close());
  return backend;
}

/** Writes pairs until one is refused; returns how many were acknowledged. */
async function writeUntilFull(backend: Backend): Promise<number> {
  for (let index = 0; index < 10_000; index++) {
    const value = Buffer.alloc(20_000, `${index};`);
    const steps = ['a', 'b'].map((half) => {
      return { key: `${half}/${index}`, condition: { is: 'any' }, action: { do: 'put', value } } as const;
    });
    try {
      await backend.atomicWrite(steps);
    } catch (error) {
      expect(error).toMatchObject({
        code: 'STORAGE_FULL',
        message: expect.stringContaining('no space') as string,
      });
      return index;
    }
  }
  throw new Error('the disk never filled');
}

async function expectPairs(backend: Backend, pairs: number): Promise<void> {
  for (const half of ['a', 'b']) {
    const { items } = await backend.range({ prefix: `${half}/` });
    expect(items).toHaveLength(pairs);
    for (const { key, value } of items) {
      const expected = Buffer.alloc(20_000, `${key.slice(2)};`);
      expect(Buffer.compare(value, expected)).toBe(0);
    }
  }
}

async function eventsFrom(backend: Backend, from: string): Promise<number> {
  const abort = new AbortController();
  const end = await backend.revision();
  let events = 0;
  for await (const batch of backend.watch({ prefixes: [''], from, signal: abort.signal })) {
    events += batch.events.length;
    if (batch.revision === end) abort.abort();
  }
  return events;
}

const disk = mountSmallDisk();
if (disk === undefined)
  process.stdout.write('storage/sqlite: no right to mount a small disk; only quotas are tested\n');

test.each(disk === undefined ? [] : (['WAL', 'DELETE'] as const))('ok: a full disk (%s)', async (journal) => {
  const place = mountSmallDisk()!;
  const ballast = join(place, 'ballast');
  writeFileSync(ballast, Buffer.alloc(1_000_000));
  const path = join(place, 'data', 'sqlite.db');
  const backend = await open(path, { journal });
  const from = await backend.revision();
  const pairs = await writeUntilFull(backend);
  expect(pairs).toBeGreaterThan(5);
  await expectPairs(backend, pairs);
  expect(await eventsFrom(backend, from)).toBe(pairs * 2);
  rmSync(ballast);
  await backend.atomicWrite(
    ['a', 'b'].map((half) => {
      const value = Buffer.alloc(20_000, `${pairs};`);
      return { key: `${half}/${pairs}`, condition: { is: 'absent' }, action: { do: 'put', value } } as const;
    }),
  );
  await expectPairs(backend, pairs + 1);
  await backend.close();
  const again = await open(path, { journal });
  await expectPairs(again, pairs + 1);
  expect(await eventsFrom(again, from)).toBe(pairs * 2 + 2);
});

test.each(disk === undefined ? [] : (['WAL', 'DELETE'] as const))(
  'ok: on a full disk reads go on, small writes may pass, and a reopen finds everything (%s)',
  async (journal) => {
    const path = join(mountSmallDisk()!, 'data', 'sqlite.db');
    const backend = await open(path, { journal });
    const pairs = await writeUntilFull(backend);
    const big = { key: 'big', value: Buffer.alloc(900_000) };
    const together = await Promise.allSettled([backend.put(big), backend.get('a/0'), backend.put(big)]);
    expect(together.map(({ status }) => status)).toEqual(['rejected', 'fulfilled', 'rejected']);
    await backend.close();
    const again = await open(path, { journal });
    await expectPairs(again, pairs);
    expect(await again.get('big')).toBeUndefined();
  },
);

test.each(disk === undefined ? [] : [0])(
  'refuses: a backup to a full disk, and leaves nothing there',
  async () => {
    const backend = await open(join(folder, `${count++}`, 'sqlite.db'), { sync: 'OFF' });
    for (let index = 0; index < 8; index++)
      await backend.put({ key: `k/${index}`, value: Buffer.alloc(1_000_000) });
    const place = mountSmallDisk()!;
    await expect(backend.backup(join(place, 'backup.db'))).rejects.toMatchObject({ code: 'STORAGE_FULL' });
    expect(readdirSync(place)).toEqual([]);
    expect(statfsSync(place).bavail).toBe(statfsSync(place).blocks);
    await backend.put({ key: 'k/0', value: Buffer.from('x') });
  },
);

test('ok: a quota, and more space after it was raised', async () => {
  const path = join(folder, `${count++}`, 'sqlite.db');
  const backend = await open(path, { sync: 'OFF', maxBytes: 1_000_000 });
  const pairs = await writeUntilFull(backend);
  expect(pairs).toBeGreaterThan(5);
  await expectPairs(backend, pairs);
  // One that does not fit fails alone.
  const results = await Promise.allSettled([
    backend.put({ key: 'small/1', value: Buffer.from('x') }),
    backend.put({ key: 'big', value: Buffer.alloc(900_000) }),
    backend.put({ key: 'small/2', value: Buffer.from('x') }),
  ]);
  expect(results.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
  await backend.close();
  const again = await open(path, { sync: 'OFF', maxBytes: 4_000_000 });
  await expectPairs(again, pairs);
  await again.put({ key: 'big', value: Buffer.alloc(900_000) });
});
