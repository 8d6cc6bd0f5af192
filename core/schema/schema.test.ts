import { describe, expect, it } from 'vitest';
import { check, formatProblem } from './check.ts';
import { nearest } from './nearest.ts';
import { redact } from './redact.ts';
import * as s from './schema.ts';

const schema = s.object({
  roles: s.list(s.string(), { single: true }),
  mode: s.optional(s.enumOf(['off', 'otp', 'webauthn'])),
  ttl: s.withDefault(s.duration(), '12h'),
  lock: s.optional(
    s.object({ until: s.optional(s.timestamp()), by: s.optional(s.string({ secret: true })) }),
  ),
  traits: s.withDefault(s.map(s.list(s.string(), { single: true })), {}),
  mfa: s.optional(s.choice([s.boolean(), s.enumOf(['hardware_key'])])),
});

function problemsOf(value: unknown): string[] {
  const result = check(schema, value);
  return result.ok ? [] : result.problems.map(formatProblem);
}

describe('check', () => {
  it.each([
    ['a plain value for a list', { roles: 'admin' }, { roles: ['admin'], ttl: '12h', traits: {} }],
    ['off read as a boolean', { roles: [], mode: false }, { roles: [], mode: 'off', ttl: '12h', traits: {} }],
    [
      'the zero time',
      { roles: [], lock: { until: '0001-01-01T00:00:00Z' } },
      { roles: [], lock: {}, ttl: '12h', traits: {} },
    ],
    ['null for an optional field', { roles: null, mode: null, traits: { a: null } }, undefined],
    [
      'a choice',
      { roles: [], mfa: 'hardware_key' },
      { roles: [], mfa: 'hardware_key', ttl: '12h', traits: {} },
    ],
    ['yes for true', { roles: [], mfa: 'yes' }, { roles: [], mfa: true, ttl: '12h', traits: {} }],
  ])('ok: %s', (_name, value, expected) => {
    const result = check(schema, value);
    if (expected === undefined) expect(result.ok).toBe(false);
    else expect(result).toEqual({ ok: true, value: expected });
  });

  it.each([
    [
      'an unknown field, with the nearest name',
      { roles: [], trait: {} },
      ['trait: is not a known field; did you mean "traits"?'],
    ],
    [
      'a far unknown field, with the allowed ones',
      { roles: [], zzz: 1 },
      ['zzz: is not a known field; allowed here: roles, mode, ttl, lock, traits, mfa'],
    ],
    [
      'a bad enum value',
      { roles: [], mode: 'otpp' },
      ['mode: must be one of off, otp, webauthn; did you mean "otp"?'],
    ],
    ['a missing field', {}, ['roles: is required']],
    ['a bad duration', { roles: [], ttl: 'soon' }, ['ttl: must be a duration such as 30s, 5m, 12h or 1h30m']],
    [
      'several problems at once',
      { roles: [{}], mode: 'x', lock: 3 },
      [
        'roles[0]: must be text, not a map',
        'mode: must be one of off, otp, webauthn',
        'lock: must be a map of fields, not the number 3',
      ],
    ],
    [
      'a name that would change a prototype',
      JSON.parse('{"roles":[],"traits":{"__proto__":["x"]}}'),
      ['traits.__proto__: is not allowed as a name'],
    ],
    ['a NUL character', { roles: ['a\u0000b'] }, ['roles[0]: must not contain a NUL character']],
  ])('refuses: %s', (_name, value, expected) => {
    expect(problemsOf(value)).toEqual(expected);
  });

  it('refuses: a hostile value with a bounded number of problems', () => {
    expect(problemsOf({ roles: Array.from({ length: 10_000 }, () => ({})) })).toHaveLength(50);
  });

  it('refuses: S33 a hostile list of choices with a bounded number of problems', () => {
    const choices = s.list(s.choice([s.object({ a: s.integer() }), s.boolean()]));
    const result = check(
      choices,
      Array.from({ length: 10_000 }, () => ({ a: 'x', b: 'y' })),
    );
    expect(result.ok ? [] : result.problems).toHaveLength(50);
  });
});

describe('times', () => {
  const time = (text: unknown): unknown => {
    const result = check(s.timestamp(), text);
    return result.ok ? result.value : 'refused';
  };
  it.each([
    ['2026-01-31T15:04:05Z', '2026-01-31T15:04:05Z'],
    ['2026-01-31T15:04:05.123456789Z', '2026-01-31T15:04:05.123Z'],
    ['2026-01-01T00:30:00+01:00', '2025-12-31T23:30:00Z'],
    ['2028-02-29T00:00:00Z', '2028-02-29T00:00:00Z'],
  ])('ok: %s', (text, read) => {
    expect(time(text)).toBe(read);
  });

  it.each([
    '2026-02-30T00:00:00Z',
    '2026-02-29T00:00:00+01:00',
    '2026-13-01T00:00:00Z',
    '2026-01-01T24:00:00Z',
    '2026-01-01T00:00:60Z',
    '2026-01-01T00:00:00+99:99',
    '2026-01-01',
    '2026-01-01T00:00:00',
    1_767_225_600,
  ])('refuses: %s', (text) => {
    expect(time(text)).toBe('refused');
  });
});

describe('redact', () => {
  it('S36 a choice with a secret in it is left out whole: nothing says which option the value is of', () => {
    const schema = s.object({
      open: s.choice([s.boolean(), s.string()]),
      mixed: s.choice([s.string(), s.object({ key: s.string({ secret: true }) })]),
    });
    expect(redact(schema, { open: 'x', mixed: { key: 'hush' } })).toEqual({ open: 'x' });
  });

  it('ok: takes secrets out at any depth and leaves the rest', () => {
    const result = check(schema, { roles: ['a'], lock: { until: '2026-01-01T00:00:00Z', by: 'hidden' } });
    if (!result.ok) throw new Error('unexpected');
    expect(redact(schema, result.value)).toEqual({
      roles: ['a'],
      ttl: '12h',
      traits: {},
      lock: { until: '2026-01-01T00:00:00Z' },
    });
  });
});

describe('nearest', () => {
  it.each([
    ['labls', 'labels'],
    ['ndoe', 'node'],
    ['Roles', 'roles'],
    ['quux', undefined],
  ])('%s → %s', (word, expected) => {
    expect(nearest(word, ['labels', 'node', 'roles'])).toBe(expected);
  });
});

describe('hostile values', () => {
  it.each([
    ['a map without prototype', Object.create(null)],
    ['a map with a toString of its own', JSON.parse('{"toString": 1, "valueOf": 2}')],
    ['a list', [[]]],
  ])('S33 %s is refused wherever a scalar belongs', (_name, value) => {
    const scalars = [s.string(), s.enumOf(['a']), s.boolean(), s.integer(), s.duration(), s.timestamp()];
    for (const scalar of scalars) expect(check(scalar as s.Schema<unknown>, value).ok).toBe(false);
  });
});

it('S36 text that stands where something else belongs is not repeated', () => {
  const result = check(schema, {
    roles: { a: 'hunter2' },
    lock: 'hunter2',
    ttl: 'hunter2',
    mode: ['hunter2'],
  });
  expect(result.ok ? [] : result.problems.map(formatProblem)).toContain(
    'lock: must be a map of fields, not text',
  );
  expect(JSON.stringify(result)).not.toContain('hunter2');
});

it('S33 refuses: a value of any form that is nested so deeply that copying it would end in an error', () => {
  const nested = (levels: number): unknown => {
    let value: unknown = 1;
    for (let level = 0; level < levels; level += 1) value = level % 2 === 0 ? [value] : { a: value };
    return value;
  };
  const free = s.object({ free: s.json() });
  expect(check(free, { free: nested(60) })).toEqual({ ok: true, value: { free: nested(60) } });
  const result = check(free, { free: nested(50_000) });
  expect(result.ok ? [] : result.problems.map(formatProblem)).toEqual([
    'free: must not be nested deeper than 64 levels',
  ]);
});
