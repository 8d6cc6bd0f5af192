// The replica against a feed of this file's making; storage/feed.test.ts runs it on real stores.
import { afterEach, expect, test } from 'vitest';
import { FakeClock } from '#test/kit/clock.ts';
import { GatehouseError } from './errors/error.ts';
import type { Feed, FeedBatch, FeedEntry, Snapshot } from './feed.ts';
import { silentLog, type Log } from './log.ts';
import { startReplica, type Change, type Replica, type ReplicaOptions } from './replica.ts';

type Step = FeedBatch<string> | Error | 'cut';

/** A feed that says what it is told to; each tail takes from the same script and waits at its end. */
class ScriptedFeed implements Feed<string> {
  readonly tails: string[] = [];
  snapshots: (Snapshot<string> | Error)[];
  #script: Step[] = [];
  #wake = (): void => {};

  constructor(...snapshots: (Snapshot<string> | Error)[]) {
    this.snapshots = snapshots;
  }

  say(...steps: Step[]): void {
    this.#script.push(...steps);
    this.#wake();
  }

  async snapshot(): Promise<Snapshot<string>> {
    const next = this.snapshots.shift();
    if (next === undefined) throw new Error('no snapshot was scripted');
    if (next instanceof Error) throw next;
    return next;
  }

  async *tail(from: string, signal: AbortSignal): AsyncGenerator<FeedBatch<string>> {
    this.tails.push(from);
    signal.addEventListener('abort', () => this.#wake());
    while (!signal.aborted) {
      const step = this.#script.shift();
      if (step === 'cut') return;
      if (step instanceof Error) throw step;
      if (step !== undefined) yield step;
      else await new Promise<void>((resolve) => (this.#wake = resolve));
    }
  }
}

const entry = (key: string, value: string, revision: string, expires?: number): FeedEntry<string> => {
  return { key, value, revision, expires };
};
const put = (key: string, value: string, revision: string): FeedBatch<string> => {
  return { revision, events: [{ type: 'put', item: entry(key, value, revision) }] };
};
const gone = (key: string, revision: string): FeedBatch<string> => {
  return { revision, events: [{ type: 'delete', key, revision }] };
};
const compacted = new GatehouseError('REVISION_COMPACTED', 'too old');

const clock = new FakeClock();
const started: Replica<string>[] = [];
afterEach(async () => {
  for (const replica of started.splice(0)) await replica.close();
});

function start(feed: Feed<string>, options: Partial<ReplicaOptions<string, string>> = {}): Replica<string> {
  const decode = ({ value }: FeedEntry<string>): string => {
    if (value === 'bad') throw new Error('not decodable');
    return value.toUpperCase();
  };
  const replica = startReplica({ feed, decode, clock, log: silentLog, ...options });
  started.push(replica);
  return replica;
}

/** Lets the replica act on what was said, waits between attempts included. */
async function settle(ms = 20_000): Promise<void> {
  for (let round = 0; round < 4; round++) await clock.advance(ms / 4);
}

test('ok: is ready with the snapshot, decoded and in order', async () => {
  const feed = new ScriptedFeed({
    revision: '10',
    entries: [entry('b/2', 'y', '9'), entry('a/1', 'x', '10')],
  });
  const replica = start(feed);
  expect(replica.revision).toBeUndefined();
  await replica.ready;
  expect(replica.revision).toBe('10');
  expect(replica.list('')).toEqual(['X', 'Y']);
  expect(replica.list('b/')).toEqual(['Y']);
  expect(replica.get('a/1')).toBe('X');
  expect(replica.get('a/2')).toBeUndefined();
});

test('ok: follows the tail and tells listeners what changed, with what was before', async () => {
  const feed = new ScriptedFeed({ revision: '1', entries: [entry('a', 'x', '1')] });
  const replica = start(feed);
  await replica.ready;
  const told: [string, readonly Change<string>[]][] = [];
  const stop = replica.onChange((changes, revision) => told.push([revision, changes]));
  feed.say(put('a', 'y', '2'), put('b', 'z', '3'), gone('a', '4'), gone('nothing', '5'));
  await replica.reached('5', 1000);
  expect(told).toEqual([
    ['2', [{ type: 'put', key: 'a', value: 'Y', before: 'X' }]],
    ['3', [{ type: 'put', key: 'b', value: 'Z', before: undefined }]],
    ['4', [{ type: 'delete', key: 'a', before: 'Y' }]],
  ]);
  stop();
  feed.say(put('c', 'x', '6'));
  await replica.reached('6', 1000);
  expect(told).toHaveLength(3);
});

test('ok: all changes of a batch are there before a listener hears of the first', async () => {
  const feed = new ScriptedFeed({ revision: '1', entries: [] });
  const replica = start(feed);
  await replica.ready;
  const seen: string[][] = [];
  replica.onChange(() => seen.push(replica.list('')));
  const [a, b] = [put('a', 'x', '3').events[0]!, put('b', 'y', '3').events[0]!];
  feed.say({ revision: '3', events: [a, b] });
  await replica.reached('3', 1000);
  expect(seen).toEqual([['X', 'Y']]);
});

test('ok: a cut feed is resumed from where it stopped, without a snapshot', async () => {
  const feed = new ScriptedFeed({ revision: '1', entries: [entry('a', 'x', '1')] });
  const replica = start(feed);
  await replica.ready;
  feed.say(put('b', 'y', '2'), 'cut', put('c', 'z', '3'), new Error('reset by peer'), put('d', 'w', '4'));
  await settle();
  expect(feed.tails).toEqual(['1', '2', '3']);
  expect(replica.list('')).toEqual(['X', 'Y', 'Z', 'W']);
  expect(replica.stats).toMatchObject({ snapshots: 1, resumes: 2 });
});

test('ok: what a resumed feed repeats is passed over', async () => {
  const feed = new ScriptedFeed({ revision: '5', entries: [entry('a', 'x', '5')] });
  const replica = start(feed);
  await replica.ready;
  const told: unknown[] = [];
  replica.onChange((changes) => told.push(changes));
  feed.say(put('a', 'old', '4'), put('a', 'x', '5'), { revision: '5', events: [] }, put('b', 'y', '6'));
  await replica.reached('6', 1000);
  expect(told).toHaveLength(1);
  expect(replica.list('')).toEqual(['X', 'Y']);
});

test('ok: a lost position costs one snapshot, and listeners see only real differences', async () => {
  const kept = entry('kept', 'x', '1');
  const feed = new ScriptedFeed(
    { revision: '1', entries: [kept, entry('gone', 'y', '1'), entry('changed', 'z', '1')] },
    { revision: '90', entries: [kept, entry('changed', 'w', '50'), entry('new', 'v', '60')] },
  );
  let decoded = 0;
  const replica = start(feed, { decode: ({ value }) => (decoded++, value) });
  await replica.ready;
  const told: (readonly Change<string>[])[] = [];
  replica.onChange((changes) => told.push(changes));
  feed.say(compacted);
  await settle();
  expect(told).toEqual([
    [
      { type: 'delete', key: 'gone', before: 'y' },
      { type: 'put', key: 'changed', value: 'w', before: 'z' },
      { type: 'put', key: 'new', value: 'v', before: undefined },
    ],
  ]);
  expect(decoded).toBe(5);
  expect(replica.stats.snapshots).toBe(2);
  expect(feed.tails).toEqual(['1', '90']);
});

test('ok: a snapshot that fails is tried again, and readers keep what there is', async () => {
  const feed = new ScriptedFeed(
    { revision: '1', entries: [entry('a', 'x', '1')] },
    new Error('down'),
    new GatehouseError('UNAVAILABLE', 'down'),
    { revision: '9', entries: [entry('a', 'y', '9')] },
  );
  const replica = start(feed);
  await replica.ready;
  feed.say(compacted);
  await clock.advance(0);
  expect(replica.get('a')).toBe('X');
  await settle(120_000);
  expect(replica.get('a')).toBe('Y');
  expect(replica.stats.snapshots).toBe(2);
});

test('ok: waits are random below a bound that doubles, and short again after a word from the feed', async () => {
  const bounds: number[] = [];
  const random = (below: number): number => {
    bounds.push(below - 1);
    return below - 1;
  };
  const feed = new ScriptedFeed(...Array.from({ length: 9 }, () => new Error('down')), {
    revision: '1',
    entries: [],
  });
  const replica = start(feed, { random, backoff: { firstMs: 100, maxMs: 5000 } });
  await settle(60_000);
  expect(bounds).toEqual([100, 200, 400, 800, 1600, 3200, 5000, 5000, 5000]);
  await replica.ready;
  await clock.advance(60_000);
  feed.say(put('a', 'x', '2'), 'cut', put('a', 'y', '3'), 'cut');
  await settle();
  expect(bounds.slice(9)).toEqual([100, 100]);
});

test('ok: a feed that compacts again and again is not hammered', async () => {
  const bounds: number[] = [];
  const random = (below: number): number => (bounds.push(below - 1), below - 1);
  const feed = new ScriptedFeed(...Array.from({ length: 5 }, () => ({ revision: '1', entries: [] })));
  const replica = start(feed, { random, backoff: { firstMs: 100, maxMs: 5000 } });
  await replica.ready;
  feed.say(compacted, compacted, compacted, compacted);
  await settle();
  expect(bounds).toEqual([100, 200, 400, 800]);
  expect(replica.stats.snapshots).toBe(5);
});

test('ok: a silent feed is cut and resumed', async () => {
  const feed = new ScriptedFeed({ revision: '1', entries: [] });
  const replica = start(feed, { idleTimeoutMs: 60_000, random: () => 0 });
  await replica.ready;
  await clock.advance(50_000);
  feed.say({ revision: '1', events: [] });
  await clock.advance(0);
  await clock.advance(50_000);
  expect(feed.tails).toEqual(['1']);
  await clock.advance(20_000);
  expect(feed.tails).toEqual(['1', '1']);
});

test('ok: an expired entry is not read, even while the feed is cut', async () => {
  const expires = clock.now() + 5000;
  const feed = new ScriptedFeed({
    revision: '1',
    entries: [entry('a', 'x', '1', expires), entry('b', 'y', '1')],
  });
  const replica = start(feed);
  await replica.ready;
  expect(replica.list('')).toEqual(['X', 'Y']);
  await clock.advance(5000);
  expect(replica.get('a')).toBeUndefined();
  expect(replica.list('')).toEqual(['Y']);
});

test('refuses: reading what could not be decoded; the rest goes on', async () => {
  const logged: unknown[] = [];
  const log: Log = { ...silentLog, error: (fields) => logged.push(fields) };
  const feed = new ScriptedFeed({ revision: '1', entries: [entry('a', 'bad', '1'), entry('b', 'y', '1')] });
  const replica = start(feed, { log });
  await replica.ready;
  expect(() => replica.get('a')).toThrow(expect.objectContaining({ code: 'CORRUPT', details: { key: 'a' } }));
  expect(() => replica.list('')).toThrow(expect.objectContaining({ code: 'CORRUPT' }));
  expect(replica.list('', { skipBroken: true })).toEqual(['Y']);
  expect(replica.list('b')).toEqual(['Y']);
  expect(logged).toMatchObject([{ key: 'a' }]);
  feed.say(put('a', 'good', '2'));
  await replica.reached('2', 1000);
  expect(replica.get('a')).toBe('GOOD');
});

test('ok: reached waits for the revision, and gives up in time', async () => {
  const feed = new ScriptedFeed({ revision: '9', entries: [] });
  const replica = start(feed);
  const early = replica.reached('9', 1000);
  await early;
  await replica.reached('8', 0);
  const waiting = replica.reached('100', 5000);
  const never = replica.reached('101', 5000);
  feed.say({ revision: '100', events: [] });
  await waiting;
  const refused = expect(never).rejects.toMatchObject({ code: 'UNAVAILABLE' });
  await clock.advance(5000);
  await refused;
});

test('ok: a listener that throws disturbs nobody', async () => {
  const feed = new ScriptedFeed({ revision: '1', entries: [] });
  const replica = start(feed);
  await replica.ready;
  const told: unknown[] = [];
  replica.onChange(() => {
    throw new Error('listener');
  });
  replica.onChange((changes) => told.push(changes));
  feed.say(put('a', 'x', '2'), put('b', 'x', '3'));
  await replica.reached('3', 1000);
  expect(told).toHaveLength(2);
  expect(feed.tails).toHaveLength(1);
});

test('ok: close ends the feed and refuses those who wait; what was read stays', async () => {
  const feed = new ScriptedFeed({ revision: '1', entries: [entry('a', 'x', '1')] });
  const replica = start(feed);
  await replica.ready;
  const waiting = expect(replica.reached('5', 60_000)).rejects.toMatchObject({ code: 'UNAVAILABLE' });
  await replica.close();
  await replica.close();
  await waiting;
  await expect(replica.reached('5', 60_000)).rejects.toMatchObject({ code: 'UNAVAILABLE' });
  expect(replica.get('a')).toBe('X');
});

test('refuses: ready when closed before the first snapshot', async () => {
  const replica = start(new ScriptedFeed(new Error('down')));
  await clock.advance(0);
  await replica.close();
  await expect(replica.ready).rejects.toMatchObject({ code: 'UNAVAILABLE' });
});
