import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { keyOf, partsOf, prefixOf } from './keys.ts';

const HOSTILE = [
  'a/b',
  '../../x',
  '..',
  '.',
  '%2F',
  '%',
  'a\0b',
  'naïve',
  '\u{1F511}',
  ' ',
  'e\u0301',
  '\u00E9',
  '\r\n',
];

test.each([
  [['roles', 'dev'], 'roles/dev'],
  [['nodes', 'a.example.com', 'b-c_d~e@f:g+h=i,j!k'], 'nodes/a.example.com/b-c_d~e@f:g+h=i,j!k'],
  [['roles', 'a/b'], 'roles/a%2Fb'],
  [['roles', '%2F'], 'roles/%252F'],
  [['roles', 'é'], 'roles/%C3%A9'],
  [['roles', 'two words'], 'roles/two%20words'],
])('ok: %j is %s', (parts, key) => {
  const [prefix = '', ...rest] = parts;
  expect(keyOf(prefix, ...rest)).toBe(key);
  expect(partsOf(key)).toEqual(parts);
});

test('S26 no name reaches another key or leaves its prefix', () => {
  const keys = new Set<string>();
  for (const name of HOSTILE) {
    const key = keyOf('roles', name);
    expect(key).toMatch(/^roles\/[^/]+$/);
    expect(key).toMatch(/^[ -~]+$/);
    expect(partsOf(key)).toEqual(['roles', name]);
    keys.add(key);
  }
  expect(keys.size).toBe(HOSTILE.length);
});

test('S26 different parts have different keys, and parts come back', () => {
  const name = fc.string({ unit: 'binary', minLength: 1, maxLength: 30 });
  const parts = fc.array(name, { minLength: 1, maxLength: 4 });
  fc.assert(
    fc.property(parts, parts, (one, other) => {
      const [first = '', ...rest] = one;
      const key = keyOf(first, ...rest);
      expect(partsOf(key)).toEqual(one);
      const [otherFirst = '', ...otherRest] = other;
      expect(keyOf(otherFirst, ...otherRest) === key).toBe(JSON.stringify(one) === JSON.stringify(other));
    }),
  );
});

test('ok: a prefix covers its own names only', () => {
  expect(keyOf('roles', 'a').startsWith(prefixOf('roles'))).toBe(true);
  expect(keyOf('roles2', 'a').startsWith(prefixOf('roles'))).toBe(false);
  expect(keyOf('nodes', 'a', 'b').startsWith(prefixOf('nodes', 'a'))).toBe(true);
  expect(keyOf('nodes', 'a/b').startsWith(prefixOf('nodes', 'a'))).toBe(false);
});

test.each([[''], ['\uD800'], ['a\uDFFF'], ['x'.repeat(1025)], ['\u{1F511}'.repeat(300)]])(
  'refuses: a name that cannot be a key (%#)',
  (name) => {
    expect(() => keyOf('roles', name)).toThrow(expect.objectContaining({ code: 'BAD_REQUEST' }));
  },
);

test.each([
  '',
  'a//b',
  '/a',
  'a/',
  'a b',
  'a%2',
  'a%2f',
  '%41',
  '%FF',
  '%ED%A0%80',
  '%C0%AF',
  'é',
  'x'.repeat(1025),
])('refuses: %j, which keyOf does not write', (key) => {
  expect(() => partsOf(key)).toThrow(expect.objectContaining({ code: 'BAD_REQUEST' }));
});
