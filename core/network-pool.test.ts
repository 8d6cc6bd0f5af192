// What one network may hold, and what all of them may.
import { expect, test } from 'vitest';
import { NetworkPool } from './network-pool.ts';

test('S32 refuses: more than a network may hold, while others get theirs', () => {
  const pool = new NetworkPool(2);
  expect(pool.take('10.0.0.1')).toBeDefined();
  expect(pool.take('::ffff:10.0.0.1')).toBeDefined();
  expect(pool.take('10.0.0.1')).toBeUndefined();
  expect(pool.take('10.0.0.2')).toBeDefined();
  expect(pool.take('2001:db8::1')).toBeDefined();
  expect(pool.take('2001:db8::2')).toBeDefined();
  expect(pool.take('2001:db8::3')).toBeUndefined();
  expect(pool.size).toBe(5);
});

test('ok: what was given back may be taken again, and counts once however often it is given', () => {
  const pool = new NetworkPool(1);
  const release = pool.take('10.0.0.1');
  release?.();
  release?.();
  expect(pool.size).toBe(0);
  expect(pool.take('10.0.0.1')).toBeDefined();
  expect(pool.take('10.0.0.1')).toBeUndefined();
});

test('S32 refuses: more than there are for all networks together', () => {
  const pool = new NetworkPool(10, 2);
  expect(pool.take('10.0.0.1')).toBeDefined();
  expect(pool.take('10.0.0.2')).toBeDefined();
  expect(pool.take('10.0.0.3')).toBeUndefined();
});
