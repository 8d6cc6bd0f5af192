import { describe, expect, test } from 'vitest';
import { homePath, parseEnd, parseSides } from '../../commands/gate/scp.ts';
import { matchesPattern } from '../name-pattern.ts';
import { lastPart, requireSafeName } from './paths.ts';
import { splitWords } from './words.ts';

test.each(['..', '.', '', 'a/b', '/etc/passwd', '../x', 'x\u0000y', '/'])(
  'S26 refuses: %j as the name of a file',
  (name) => {
    expect(() => requireSafeName(name)).toThrow(/leave the folder/);
  },
);

test('S26 ok: names that only look odd', () => {
  for (const name of ['...', '-rf', 'a b', 'x;y', '~root', '*', '\u001b[2J'])
    expect(requireSafeName(name)).toBe(name);
});

test('ok: the last part of a path', () => {
  expect(['/a/b', 'a/', '/', '..', 'x/.', ''].map(lastPart)).toEqual(['b', 'a', '', '', '', '']);
});

describe('patterns', () => {
  test.each([
    ['a.log', '*.log', true],
    ['.hidden.log', '*.log', false],
    ['.hidden', '.h*', true],
    ['ab', 'a?', true],
    ['a', 'a?', false],
    ['b7', '[a-c][0-9]', true],
    ['d7', '[a-c][0-9]', false],
    ['x', '[!a-c]', true],
    ['a*b', 'a\\*b', true],
    ['axb', 'a\\*b', false],
    ['', '*', true],
    ['ü', '?', true],
    ['a', '[', false],
  ])('ok: %j and %j', (name, pattern, fits) => {
    expect(matchesPattern(name, pattern)).toBe(fits);
  });

  test('S33 ok: a name made to take long takes no longer', () => {
    expect(matchesPattern('a'.repeat(4000), '*a*a*a*a*a*a*a*a*b')).toBe(false);
  });
});

describe('sides of a copy', () => {
  test.each([
    ['root@web-1:/x', { host: 'root@web-1', path: '/x' }],
    ['web-1:', { host: 'web-1', path: '' }],
    ['[::1]:x', { host: '[::1]', path: 'x' }],
    ['root@env=prod:x', { host: 'root@env=prod', path: 'x' }],
    ['./a:b', { path: './a:b' }],
    ['/a:b', { path: '/a:b' }],
    ['file', { path: 'file' }],
  ])('ok: %s', (text, end) => {
    expect(parseEnd(text)).toEqual(end);
  });

  test('ok: which way it goes, and where homes are', () => {
    expect(parseSides(['a', 'b', 'h:c'])).toEqual({
      where: 'h',
      sources: ['a', 'b'],
      target: 'c',
      isUpload: true,
    });
    expect(parseSides(['h:a', '.'])).toMatchObject({ isUpload: false });
    expect(['~/x', '~', '', '/x'].map(homePath)).toEqual(['x', '.', '.', '/x']);
  });

  test.each([[['a', 'b']], [['h:a', 'g:b', '.']], [['h:a', 'g:b']], [['a', 'h:b', '.']], [['a']]])(
    'refuses: %j',
    (words) => {
      expect(() => parseSides(words)).toThrow(/./);
    },
  );
});

test('ok: words with quotes', () => {
  expect(splitWords(`get "a b" 'c"d' e\\ f g"h"i # not this`)).toEqual(['get', 'a b', 'c"d', 'e f', 'ghi']);
  expect(splitWords('  ')).toEqual([]);
  expect(splitWords("put ''")).toEqual(['put', '']);
});

test.each(['get "a', "get 'a", 'x \\'])('refuses: %j', (line) => {
  expect(() => splitWords(line)).toThrow(/not closed/);
});
