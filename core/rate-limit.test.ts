// The buckets per address: what they let through, give back and forget.
import { describe, expect, test } from 'vitest';
import { FakeClock } from '#test/kit/clock.ts';
import { networkOf, plainAddress, RateLimit } from './rate-limit.ts';

const make = (clock: FakeClock, maxAddresses = 10) =>
  new RateLimit({ clock, burst: 3, refillMs: 1000, maxAddresses });
const takeMany = (limit: RateLimit, address: string, count: number): boolean[] =>
  Array.from({ length: count }, () => limit.take(address));

describe('rate limit by address', () => {
  test('refuses: the try after the burst, until time gives one back', async () => {
    const clock = new FakeClock();
    const limit = make(clock);
    expect(takeMany(limit, '192.0.2.1', 4)).toEqual([true, true, true, false]);
    await clock.advance(999);
    expect(limit.take('192.0.2.1')).toBe(false);
    await clock.advance(1);
    expect(takeMany(limit, '192.0.2.1', 2)).toEqual([true, false]);
  });

  test('ok: addresses do not share, and a good outcome costs nothing', () => {
    const limit = make(new FakeClock());
    takeMany(limit, '192.0.2.1', 3);
    expect(limit.take('192.0.2.2')).toBe(true);
    limit.giveBack('192.0.2.1');
    expect(limit.take('192.0.2.1')).toBe(true);
    limit.giveBack('192.0.2.99');
    expect(limit.take('192.0.2.99')).toBe(true);
  });

  test('refuses: more than the burst after a long rest or many give-backs', async () => {
    const clock = new FakeClock();
    const limit = make(clock);
    limit.take('192.0.2.1');
    for (let i = 0; i < 10; i++) limit.giveBack('192.0.2.1');
    await clock.advance(3_600_000);
    expect(takeMany(limit, '192.0.2.1', 4)).toEqual([true, true, true, false]);
  });

  test('S33 the table of addresses is bounded, and the one in use is kept', () => {
    const limit = make(new FakeClock(), 10);
    takeMany(limit, '192.0.2.1', 3);
    for (let i = 0; i < 1000; i++) {
      limit.take(`10.0.${i >> 8}.${i & 255}`);
      expect(limit.take('192.0.2.1')).toBe(false);
    }
    expect(limit.size).toBe(10);
  });

  test('S33 one /64 of IPv6 is one party; a mapped IPv4 address is itself', () => {
    expect(networkOf('2001:db8::1')).toBe(networkOf('2001:db8:0:0:ffff::2'));
    expect(networkOf('2001:db8::1')).not.toBe(networkOf('2001:db8:0:1::1'));
    expect(networkOf('::ffff:192.0.2.7')).toBe('192.0.2.7');
    expect(plainAddress('fe80::1%eth0')).toBe('fe80::1');
    expect(networkOf('not an address')).toBe('not an address');
  });
});
