// What the index claims of a block, and how it is looked up.
import { describe, expect, test } from 'vitest';
import { Chain, login, START } from '../conformance/samples.ts';
import { factsOf, FileBlocks, mayHoldUser } from './block-index.ts';

describe('facts', () => {
  test('ok: times, types and users, also of names with quotes and backslashes', () => {
    const chain = new Chain();
    const names = ['alice', 'a "b" c', 'back\\', 'back\\"', 'naïve'];
    const text = names.map((user) => chain.add(login(1, { user })).line).join('\n');
    const facts = factsOf(Buffer.from(text).toString('latin1'));
    expect(facts).toMatchObject({ minTime: START, maxTime: START + 4000, types: new Set(['"user.login"']) });
    for (const name of names) {
      expect(mayHoldUser(facts, Buffer.from(JSON.stringify(name)).toString('latin1')), name).toBe(true);
    }
    expect(mayHoldUser(facts, '"bob"')).toBe(false);
  });
  test('ok: few questions about users that are not there read a block of 300 users in vain', () => {
    const chain = new Chain();
    const facts = factsOf(
      chain
        .logins(300)
        .map(({ line }) => line)
        .join('\n'),
    );
    const vain = Array.from({ length: 1000 }, (_, n) => mayHoldUser(facts, `"nobody-${n}"`)).filter(Boolean);
    expect(vain.length).toBeLessThan(40);
  });
  test('ok: text that ends within a string', () => {
    expect(factsOf('"user":"alice').minTime).toBe(Infinity);
  });
});

describe('blocks of a file', () => {
  const size = 64 * 1024;
  const known = (...spans: [number, number][]): FileBlocks => {
    const blocks = new FileBlocks();
    for (const [start, end] of spans) blocks.learn({ start: start * size, end: end * size }, '');
    return blocks;
  };
  test('ok: found by start and by end, in whatever order they were learned', () => {
    const blocks = known([5, 6], [0, 1], [2, 4]);
    expect(blocks.startingAt(2 * size)).toMatchObject({ end: 4 * size });
    expect(blocks.startingAt(3 * size)).toBeUndefined();
    expect(blocks.endingAt(4 * size)).toMatchObject({ start: 2 * size });
    expect(blocks.endingAt(3 * size)).toBeUndefined();
    expect([blocks.nextStart(1), blocks.nextStart(5 * size), blocks.nextStart(5 * size + 1)]).toEqual([
      2 * size,
      5 * size,
      Infinity,
    ]);
    expect([
      blocks.previousEnd(size - 1),
      blocks.previousEnd(3 * size),
      blocks.previousEnd(9 * size),
    ]).toEqual([0, size, 6 * size]);
  });
  test('refuses: blocks that overlap known ones, and small ones', () => {
    const blocks = known([0, 2], [1, 3], [2, 3]);
    expect(blocks.size).toBe(2);
    blocks.learn({ start: 3 * size, end: 4 * size - 1 }, '');
    expect(blocks.size).toBe(2);
  });
});
