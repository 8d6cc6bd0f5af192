import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { compilePattern, compileRegex, endsWithAnchor } from './pattern.ts';
import { compileReplace } from './replace.ts';

describe('patterns', () => {
  it.each([
    ['text matches itself', 'prod', 'prod', true],
    ['text is compared with case', 'prod', 'Prod', false],
    ['text does not match a part', 'prod', 'production', false],
    ['a dot is a dot', 'a.c', 'abc', false],
    ['* alone matches anything', '*', '', true],
    ['a glob at the end', 'us-west-*', 'us-west-2', true],
    ['a glob at the start', '*-prod', 'eu-prod', true],
    ['a glob in the middle', 'us-*-1', 'us-west-1', true],
    ['a glob does not overlap itself', 'aa*aa', 'aaa', false],
    ['several stars', '*a*b*', 'xxaxxbxx', true],
    ['several stars in the wrong order', '*a*b*', 'xxbxxaxx', false],
    ['a glob spans a line break', 'a*c', 'a\nc', true],
    ['an expression', '^us-(east|west)-[0-9]+$', 'us-west-12', true],
    ['an expression matches the whole text', '^test|staging$', 'testing', false],
    ['an alternative of the documents', '^test|staging$', 'staging', true],
    ['an expression ignores case when it says so', '^(?i)prod$', 'PROD', true],
    ['unicode in an expression', '^.$', '🦊', true],
    ['unicode classes', '^\\p{L}+$', 'äöü', true],
  ])('ok: %s', (_name, pattern, text, matches) => {
    expect(compilePattern(pattern).test(text)).toBe(matches);
  });

  it.each([
    ['only the first anchor', '^prod', /does not end with \$/],
    ['only the last anchor', 'prod$', /does not start with \^/],
    ['a dollar that is a plain character', '^prod\\$', /does not end with \$/],
    ['look-ahead', '^(?=x)a$', /not a regular expression in RE2/],
    ['back references', '^(a)\\1$', /not a regular expression in RE2/],
    ['a bracket that is not closed', '^[a$', /not a regular expression in RE2/],
    ['huge repeats', `^${'.{1000}'.repeat(3)}$`, /repeats too much/],
    ['nested repeats', '^((a{100}){100}){100}$', /not a regular expression/],
    ['a long pattern', `^${'a'.repeat(2000)}$`, /at most 1024/],
    ['deep nesting', `^${'('.repeat(500)}a${')'.repeat(400)}$`, /not a regular expression|too large/],
  ])('refuses: %s', (_name, pattern, says) => {
    expect(() => compilePattern(pattern)).toThrow(
      expect.objectContaining({ code: 'BAD_REQUEST', message: expect.stringMatching(says) }),
    );
  });

  it('S33 expressions that ruin backtracking engines stay fast', () => {
    const start = performance.now();
    for (const pattern of ['^(a+)+$', '^(a|a)*$', '^(a|aa)+$', '^([a-z]+)*b$', '^(.*)(.*)(.*)(.*)(.*)x$']) {
      expect(compilePattern(pattern).test(`${'a'.repeat(3000)}!`)).toBe(false);
    }
    expect(compilePattern(`${'*a'.repeat(300)}*b`).test('a'.repeat(3000))).toBe(false);
    expect(performance.now() - start).toBeLessThan(2000);
  });

  it('ok: a cache gives the same pattern again, and is bounded', () => {
    const cache = new Map();
    expect(compilePattern('^a+$', cache)).toBe(compilePattern('^a+$', cache));
    for (let i = 0; i < 10_100; i++) compilePattern(`x${i}`, cache);
    expect(cache.size).toBeLessThanOrEqual(10_000);
  });

  it('property: a glob agrees with the expression it stands for', () => {
    const piece = fc.constantFrom('a', 'b', '*', 'ab');
    fc.assert(
      fc.property(
        fc.array(piece, { maxLength: 6 }),
        fc.array(fc.constantFrom('a', 'b'), { maxLength: 8 }),
        (pieces, chars) => {
          const glob = pieces.join('');
          const text = chars.join('');
          const regex = compileRegex(`^${glob.replaceAll('*', '.*')}$`);
          expect(compilePattern(glob).test(text)).toBe(regex.testExact(text));
        },
      ),
      { numRuns: 300 },
    );
  });

  it.each([
    ['a$', true],
    ['a\\$', false],
    ['a\\\\$', true],
    ['$', false],
    ['', false],
  ])('ok: %j ends with an anchor: %s', (text, anchored) => {
    expect(endsWithAnchor(text)).toBe(anchored);
  });
});

describe('replacing', () => {
  it.each([
    ['a group', '^env-(.*)$', '$1', 'env-prod', 'prod'],
    ['braces', '^(a)(b)$', '${2}${1}x', 'ab', 'bax'],
    ['a named group', '^(?P<who>.*)@.*$', '${who}', 'joe@example.com', 'joe'],
    ['every occurrence', 'o', '0', 'foo', 'f00'],
    ['a dollar', 'a', '$$', 'abc', '$bc'],
    ['an empty match', 'x*', '-', 'ab', '-a-b-'],
    ['nothing found', '^env-', '', 'prod', undefined],
    ['a text that is too long', 'a', 'b', 'a'.repeat(5000), undefined],
    ['a result that is too long', 'a', 'b'.repeat(100), 'a'.repeat(100), undefined],
  ])('ok: %s', (_name, expression, replacement, text, result) => {
    expect(compileReplace(expression, replacement)(text)).toBe(result);
  });

  it.each(['$2', '$1x', '${nobody}'])('refuses: group %s that is not there', (replacement) => {
    expect(() => compileReplace('(a)', replacement)).toThrow(/does not have/);
  });
});
