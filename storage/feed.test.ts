// A replica fed by real stores: cut at random, over and over, while others write.
import { randomInt } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import type { Feed } from '#core/feed.ts';
import { silentLog } from '#core/log.ts';
import { startReplica, type Replica } from '#core/replica.ts';
import { FakeClock } from '#test/kit/clock.ts';
import type { Backend } from './backend.ts';
import { feedOf } from './feed.ts';
import { openMemory } from './memory/open.ts';
import { openSqlite } from './sqlite/open.ts';

const CUTS = 1000;

const closing: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).toReversed()) await close();
});

type Open = (clock: FakeClock) => Promise<Backend>;
const stores: Record<string, Open> = {
  memory: async (clock) => openMemory({ clock }),
  sqlite: (clock) => {
    const folder = mkdtempSync(join(tmpdir(), 'gatehouse-feed-'));
    closing.push(() => rmSync(folder, { recursive: true, force: true }));
    return openSqlite({ path: join(folder, 'store.db'), clock, log: silentLog, sync: 'OFF' });
  },
};

interface Seen {
  readonly key: string;
  readonly text: string;
  readonly revision: string;
}

async function openWith(open: Open, clock: FakeClock): Promise<Backend> {
  const backend = await open(clock);
  closing.push(() => backend.close());
  return backend;
}

function follow(feed: Feed<Uint8Array>, clock: FakeClock): Replica<Seen> {
  const replica = startReplica<Uint8Array, Seen>({
    feed,
    decode: ({ key, value, revision }) => ({ key, text: Buffer.from(value).toString(), revision }),
    clock,
    log: silentLog,
    backoff: { firstMs: 1, maxMs: 1000 },
  });
  closing.push(() => replica.close());
  return replica;
}

async function storeContents(backend: Backend, prefix: string): Promise<Seen[]> {
  const found: Seen[] = [];
  let after: string | undefined;
  do {
    const page = await backend.range({ prefix, after });
    for (const { key, value, revision } of page.items)
      found.push({ key, text: Buffer.from(value).toString(), revision });
    after = page.next;
  } while (after !== undefined);
  return found;
}

/** Random writes to forty keys, some outside of what is watched, some atomic. */
async function writeSomething(backend: Backend, count: number): Promise<void> {
  const key = (): string => `${randomInt(4) === 0 ? 'other' : 'watched'}/${randomInt(40)}`;
  const value = (): Uint8Array => Buffer.from(String(randomInt(1_000_000)));
  const writes: Promise<unknown>[] = [];
  for (let index = 0; index < count; index++) {
    const kind = randomInt(4);
    if (kind === 0) writes.push(backend.delete(key()).catch(() => {}));
    else if (kind === 1) {
      const [one, other] = [key(), key()];
      if (one === other) continue;
      const steps = [one, other].map((name) => {
        return { key: name, condition: { is: 'any' }, action: { do: 'put', value: value() } } as const;
      });
      writes.push(backend.atomicWrite(steps));
    } else writes.push(backend.put({ key: key(), value: value() }));
  }
  await Promise.all(writes);
}

test.each(Object.entries(stores))(
  `ok: ${CUTS} cuts under writes on %s, and never a reload`,
  { timeout: 60_000 },
  async (_, open) => {
    const clock = new FakeClock();
    const backend = await openWith(open, clock);
    await writeSomething(backend, 100);
    const source = feedOf(backend, ['watched/']);
    let cut = (): void => {};
    let batches = 0;
    const feed: Feed<Uint8Array> = {
      snapshot: source.snapshot,
      async *tail(from, signal) {
        const connection = new AbortController();
        cut = () => connection.abort();
        for await (const batch of source.tail(from, AbortSignal.any([signal, connection.signal]))) {
          // What was on its way when the line was cut is lost.
          if (connection.signal.aborted) return;
          batches++;
          yield batch;
          if (connection.signal.aborted) throw new Error('cut');
        }
      },
    };
    const replica = follow(feed, clock);
    await replica.ready;
    for (let round = 0; round < CUTS; round++) {
      const writing = writeSomething(backend, 1 + randomInt(6));
      for (let turn = randomInt(4); turn > 0; turn--) await new Promise((resolve) => setImmediate(resolve));
      cut();
      await writing;
      const reached = replica.reached(await backend.revision(), 1_000_000);
      await clock.advance(1);
      await clock.advance(1);
      await reached;
      expect(replica.list('')).toEqual(await storeContents(backend, 'watched/'));
    }
    expect(replica.stats.snapshots).toBe(1);
    expect(replica.stats.resumes).toBeGreaterThan(CUTS * 0.9);
    expect(batches).toBeGreaterThan(CUTS);
  },
);

test.each(Object.entries(stores))(
  'ok: a snapshot of many pages under writes is of one revision, on %s',
  async (_, open) => {
    const clock = new FakeClock();
    const backend = await openWith(open, clock);
    const key = (index: number): string => `watched/${String(index).padStart(4, '0')}`;
    for (let index = 0; index < 2500; index++)
      await backend.put({ key: key(index), value: Buffer.from('first') });
    let page = 0;
    // Between pages: a key of an earlier page goes, one of a later page goes and comes back, a new one comes.
    const disturbed: Backend = {
      ...backend,
      async range(query) {
        const found = await backend.range(query);
        if (++page > 3) return found;
        await backend.delete(key(page));
        await backend.delete(key(2400 + page));
        await backend.put({ key: key(2400 + page), value: Buffer.from('again') });
        await backend.put({ key: key(3000 + page), value: Buffer.from('new') });
        await backend.put({ key: 'other/a', value: Buffer.from('x') });
        return found;
      },
    };
    const snapshot = await feedOf(disturbed, ['watched/']).snapshot(new AbortController().signal);
    expect(page).toBeGreaterThan(2);
    const replica = follow(
      { snapshot: async () => snapshot, tail: feedOf(backend, ['watched/']).tail },
      clock,
    );
    await replica.ready;
    await replica.reached(await backend.revision(), 1000);
    expect(replica.list('')).toEqual(await storeContents(backend, 'watched/'));
  },
);

test('ok: a replica that lost its place takes exactly one snapshot', async () => {
  const clock = new FakeClock();
  const backend = openMemory({ clock, maxHistory: 50 });
  closing.push(() => backend.close());
  const source = feedOf(backend, ['watched/']);
  let connection = new AbortController();
  let online = true;
  const replica = follow(
    {
      snapshot: source.snapshot,
      async *tail(from, signal) {
        if (!online) throw new Error('offline');
        connection = new AbortController();
        yield* source.tail(from, AbortSignal.any([signal, connection.signal]));
      },
    },
    clock,
  );
  await replica.ready;
  online = false;
  connection.abort();
  await writeSomething(backend, 300);
  await clock.advance(5000);
  expect(replica.stats.snapshots).toBe(1);
  online = true;
  const reached = replica.reached(await backend.revision(), 600_000);
  for (let round = 0; round < 5; round++) await clock.advance(10_000);
  await reached;
  expect(replica.stats.snapshots).toBe(2);
  expect(replica.list('')).toEqual(await storeContents(backend, 'watched/'));
});

test('ok: several prefixes, and a revision that changed none of them is reached', async () => {
  const clock = new FakeClock();
  const backend = openMemory({ clock });
  closing.push(() => backend.close());
  await backend.put({ key: 'a/1', value: Buffer.from('x') });
  await backend.put({ key: 'b/1', value: Buffer.from('y') });
  await backend.put({ key: 'c/1', value: Buffer.from('z') });
  const replica = follow(feedOf(backend, ['b/', 'a/']), clock);
  await replica.ready;
  expect(replica.list('').map(({ key }) => key)).toEqual(['a/1', 'b/1']);
  await replica.reached(await backend.put({ key: 'c/2', value: Buffer.from('z') }), 1000);
});
