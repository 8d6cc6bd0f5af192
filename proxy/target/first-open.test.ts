// Ways that open, fail and say nothing, in all the orders that matter.
import { describe, expect, it } from 'vitest';
import { FakeClock } from '#test/kit/clock.ts';
import { firstOpen } from './first-open.ts';

function setUp(count: number) {
  const clock = new FakeClock();
  const ways = Array.from({ length: count }, () => Promise.withResolvers<string>());
  const begun: number[] = [];
  const late: string[] = [];
  const opened = firstOpen(
    ways.map((way, n) => () => (begun.push(n), way.promise)),
    { clock, nextMs: 700, discard: (one) => void late.push(one) },
  );
  opened.catch(() => {});
  return { clock, ways, begun, late, opened };
}

describe('the first way that opens', () => {
  it('ok: no other one is tried when the first opens at once', async () => {
    const { clock, ways, begun, opened } = setUp(2);
    ways[0]?.resolve('first');
    expect(await opened).toBe('first');
    await clock.advance(10_000);
    expect(begun).toEqual([0]);
  });

  it('ok: the next one at once where one fails, and beside it where it says nothing', async () => {
    const { clock, ways, begun, opened } = setUp(4);
    ways[0]?.reject(new Error('gone'));
    await clock.advance(0);
    expect(begun).toEqual([0, 1]);
    await clock.advance(699);
    expect(begun).toEqual([0, 1]);
    await clock.advance(1);
    expect(begun).toEqual([0, 1, 2]);
    // An older one that fails late hurries nobody.
    ways[1]?.reject(new Error('late'));
    await clock.advance(0);
    expect(begun).toEqual([0, 1, 2]);
    ways[2]?.resolve('third');
    expect(await opened).toBe('third');
  });

  it('ok: one that opens late may still win, and what comes after it is discarded', async () => {
    const { clock, ways, late, opened } = setUp(2);
    await clock.advance(700);
    ways[0]?.resolve('first');
    expect(await opened).toBe('first');
    ways[1]?.resolve('second');
    await clock.advance(0);
    expect(late).toEqual(['second']);
  });

  it('refuses: all failures, in the order of the ways', async () => {
    const { clock, ways, opened } = setUp(2);
    await clock.advance(700);
    ways[1]?.reject(new Error('b'));
    ways[0]?.reject(new Error('a'));
    await expect(opened).rejects.toMatchObject({ errors: [{ message: 'a' }, { message: 'b' }] });
    await expect(firstOpen([], { clock, nextMs: 1, discard() {} })).rejects.toThrow(AggregateError);
  });
});
