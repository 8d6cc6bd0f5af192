import { describe, expect, it } from 'vitest';
import { exampleOf, problemsOf } from '#test/kit/resources.ts';
import { loginAttemptsKind } from './kind.ts';

describe('login_attempts', () => {
  it('ok: the example, with its row', () => {
    const [example] = exampleOf('login-attempts', loginAttemptsKind);
    expect(loginAttemptsKind.columns.map((column) => column.value(example as never))).toEqual([
      'joe',
      '2',
      '',
    ]);
  });

  it('S33 refuses: more failures than are worth keeping', () => {
    const failures = Array(101).fill('2026-01-31T15:04:05Z');
    const document = { kind: 'login_attempts', metadata: { name: 'joe' }, spec: { failures } };
    expect(problemsOf(loginAttemptsKind, document)).toEqual(['spec.failures: must have at most 100 entries']);
  });
});
