// The lock-out as a table, and under tries at the same time.
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { loginAttemptsKind } from '#kinds/login-attempts/kind.ts';
import { timestampOf } from '#core/timestamp.ts';
import { startTestState, type TestState } from '#test/kit/state.ts';
import { countAttempt, LOCKOUT_MS, MAX_FAILURES, nextAttempts, WINDOW_MS } from './attempts.ts';

const NOW = Date.parse('2026-01-01T12:00:00Z');
const MINUTE = 60_000;
const ago = (...minutes: number[]): string[] =>
  minutes.map((minute) => new Date(NOW - minute * MINUTE).toISOString());

describe('counting', () => {
  test.each([
    ['the first', undefined, 1, false],
    ['the fourth in 15 minutes', { failures: ago(14, 3, 1) }, 4, false],
    ['the fifth in 15 minutes locks', { failures: ago(14, 9, 3, 1) }, 5, true],
    ['one that is 15 minutes old counts no more', { failures: ago(15, 9, 3, 1) }, 4, false],
    [
      'after a lock-out the count starts anew',
      { failures: ago(14, 14, 14, 14), locked_until: ago(0)[0]! },
      1,
      false,
    ],
  ])('ok: %s', (_title, stored, count, locks) => {
    const next = nextAttempts(stored, NOW);
    expect(next.failures).toHaveLength(count);
    expect(next.lockedUntil).toBe(locks ? NOW + LOCKOUT_MS : undefined);
  });

  test('refuses: any try while locked, and says for how long', () => {
    const locked_until = timestampOf(NOW + 61_000);
    expect(() => nextAttempts({ failures: [], locked_until }, NOW)).toThrow(
      expect.objectContaining({
        code: 'ACCOUNT_LOCKED',
        message: 'too many failed attempts; try again in 2 minutes',
        details: { locked_until },
      }),
    );
  });
});

describe('in the store', () => {
  let test_: TestState;
  beforeEach(async () => {
    test_ = await startTestState();
  });
  afterEach(() => test_.close());

  test('S7 of a hundred tries at once five are let through', async () => {
    const all = await Promise.allSettled(
      Array.from({ length: 100 }, () => countAttempt({ ...test_, clock: test_.clock }, 'joe')),
    );
    expect(all.filter(({ status }) => status === 'fulfilled')).toHaveLength(MAX_FAILURES);
    for (const result of all) {
      if (result.status === 'rejected') expect(result.reason).toMatchObject({ code: 'ACCOUNT_LOCKED' });
    }
  });

  test('ok: the last try before the lock-out tells until when', async () => {
    for (let index = 1; index < MAX_FAILURES; index++) {
      expect((await countAttempt(test_, 'joe')).locksUntil).toBeUndefined();
    }
    expect((await countAttempt(test_, 'joe')).locksUntil).toBe(test_.clock.now() + LOCKOUT_MS);
    await expect(countAttempt(test_, 'joe')).rejects.toMatchObject({ code: 'ACCOUNT_LOCKED' });
    await expect(countAttempt(test_, 'joe2')).resolves.toBeDefined();
    await test_.clock.advance(LOCKOUT_MS - 1);
    await expect(countAttempt(test_, 'joe')).rejects.toMatchObject({ code: 'ACCOUNT_LOCKED' });
    await test_.clock.advance(1);
    expect((await countAttempt(test_, 'joe')).locksUntil).toBeUndefined();
  });

  test('S9 what is kept of made-up names is gone after the window', async () => {
    for (let index = 0; index < 50; index++) await countAttempt(test_, `nobody-${index}`);
    await test_.clock.advance(WINDOW_MS + MINUTE);
    const left = [];
    for await (const record of test_.state.readAll(loginAttemptsKind)) left.push(record);
    expect(left).toEqual([]);
    expect((await test_.backend.range({ prefix: 'resources/login_attempts/' })).items).toEqual([]);
  });

  test('ok: forgetting starts the count anew', async () => {
    for (let index = 1; index < MAX_FAILURES; index++) await countAttempt(test_, 'joe');
    const { forget } = await countAttempt(test_, 'joe');
    await test_.state.write([forget]);
    expect((await countAttempt(test_, 'joe')).locksUntil).toBeUndefined();
  });
});
