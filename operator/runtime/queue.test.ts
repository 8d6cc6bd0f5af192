import { expect, it } from 'vitest';
import { FakeClock } from '#test/kit/clock.ts';
import type { ObjectKey } from '../kube/kube.ts';
import { openQueue, type Queue } from './queue.ts';

const key = (name: string): ObjectKey => ({ namespace: 'n', name });

interface Bench {
  readonly clock: FakeClock;
  readonly queue: Queue;
  readonly begun: string[];
  readonly failures: number[];
  /** Ends the oldest work that has begun. */
  end(outcome?: number | Error): Promise<void>;
}

function bench(concurrency = 1, perNamespace?: number): Bench {
  const clock = new FakeClock();
  const begun: string[] = [];
  const failures: number[] = [];
  const ends: ((outcome: number | undefined | Error) => void)[] = [];
  const queue = openQueue({
    clock,
    concurrency,
    perNamespace,
    work: ({ name }) => {
      begun.push(name);
      return new Promise((resolve, reject) => {
        ends.push((outcome) => (outcome instanceof Error ? reject(outcome) : resolve(outcome)));
      });
    },
    onFailure: (_key, _error, retryMs) => void failures.push(retryMs),
  });
  const end = async (outcome?: number | Error): Promise<void> => {
    ends.shift()?.(outcome);
    await clock.advance(0);
  };
  return { clock, queue, begun, failures, end };
}

it('ok: a key stands in line once, and is done once more when it changed meanwhile', async () => {
  const { queue, begun, end } = bench();
  queue.add(key('a'));
  queue.add(key('b'));
  queue.add(key('b'));
  queue.add(key('a'));
  queue.add(key('a'));
  expect([begun, queue.waiting(), queue.running()]).toEqual([['a'], 1, 1]);
  await end();
  await end();
  await end();
  expect([begun, queue.waiting(), queue.running()]).toEqual([['a', 'b', 'a'], 0, 0]);
});

it('ok: as many at once as allowed, never two of one key', async () => {
  const { queue, begun, end } = bench(2);
  for (const name of ['a', 'a', 'b', 'c']) queue.add(key(name));
  expect(begun).toEqual(['a', 'b']);
  await end();
  expect([begun, queue.running()]).toEqual([['a', 'b', 'c'], 2]);
});

it('ok: failures wait longer and longer, at most five minutes; success forgets them', async () => {
  const { clock, queue, begun, failures, end } = bench();
  queue.add(key('a'));
  for (let i = 0; i < 15; i++) {
    await end(new Error('no'));
    expect(queue.failing()).toBe(1);
    await clock.advance(failures.at(-1)!);
    expect(begun).toHaveLength(i + 2);
  }
  expect(failures[0]).toBeLessThanOrEqual(200);
  expect(failures[5]).toBeGreaterThanOrEqual(3200);
  expect(failures.at(-1)).toBeLessThanOrEqual(300_000);
  expect(failures.at(-1)).toBeGreaterThanOrEqual(150_000);
  await end();
  expect(queue.failing()).toBe(0);
  await clock.advance(3_600_000);
  expect(begun).toHaveLength(16);
});

it('ok: a change that comes while the work fails waits for the back-off; one that comes later does not', async () => {
  const { queue, begun, end } = bench();
  queue.add(key('a'));
  queue.add(key('a'));
  await end(new Error('no'));
  expect(begun).toEqual(['a']);
  queue.add(key('a'));
  expect(begun).toEqual(['a', 'a']);
  await end();
});

it('ok: done again when asked for, unless a change came first', async () => {
  const { clock, queue, begun, end } = bench();
  queue.add(key('a'));
  await end(1000);
  await clock.advance(999);
  expect(begun).toHaveLength(1);
  await clock.advance(1);
  expect(begun).toHaveLength(2);
  await end(1000);
  queue.add(key('a'));
  await end();
  await clock.advance(10_000);
  expect(begun).toHaveLength(3);
});

it('ok: close waits for what was begun and begins nothing more', async () => {
  const { clock, queue, begun, failures, end } = bench();
  queue.add(key('a'));
  queue.add(key('b'));
  let isClosed = false;
  const closed = queue.close().then(() => (isClosed = true));
  await clock.advance(0);
  expect(isClosed).toBe(false);
  queue.add(key('c'));
  await end(new Error('aborted'));
  await closed;
  await clock.advance(1_000_000);
  expect([begun, failures]).toEqual([['a'], []]);
});

it('S33 S37 ok: a namespace whose work hangs leaves room for the others, and its turn comes', async () => {
  const { queue, begun, end } = bench(4, 2);
  for (const name of ['a', 'b', 'c', 'd']) queue.add(key(name));
  expect([begun, queue.waiting()]).toEqual([['a', 'b'], 2]);
  queue.add({ namespace: 'other', name: 'x' });
  queue.add({ namespace: 'other', name: 'y' });
  queue.add({ namespace: 'third', name: 'z' });
  expect(begun).toEqual(['a', 'b', 'x', 'y']);
  await end();
  expect(begun).toEqual(['a', 'b', 'x', 'y', 'c']);
  await end(new Error('hung'));
  expect(begun.slice(5)).toEqual(['d']);
  for (let left = 0; left < 6; left += 1) await end();
  expect([begun.at(-1), queue.waiting(), queue.running()]).toEqual(['z', 0, 0]);
});
