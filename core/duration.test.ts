import { describe, expect, it } from 'vitest';
import { formatDuration, parseDuration } from './duration.ts';

describe('durations', () => {
  it.each([
    ['0', 0],
    ['1ms', 1],
    ['1h30m', 5_400_000],
    ['1.5h', 5_400_000],
    ['2d', 172_800_000],
    ['2562047h', 9_223_369_200_000],
  ])('ok: %s', (text, ms) => {
    expect(parseDuration(text)).toBe(ms);
  });

  it.each(['', ' 1s', '-1s', '1', 'h', '1e3s', '1,5h', '1h 30m', '\u0663s', '2562048h', '2500000000h'])(
    'refuses: %j, and what no date can be as far away as',
    (text) => {
      expect(() => parseDuration(text)).toThrow(expect.objectContaining({ code: 'BAD_REQUEST' }));
    },
  );

  it('ok: written as Go prints it', () => {
    expect([0, 20, 1500, 60_000, 5_400_000].map(formatDuration)).toEqual([
      '0s',
      '20ms',
      '1.5s',
      '1m0s',
      '1h30m0s',
    ]);
  });
});
