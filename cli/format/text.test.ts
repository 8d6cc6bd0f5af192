import { describe, expect, test } from 'vitest';
import { escapeRisky, indented, oneLine, paint, relativeTime, shellWord } from './text.ts';

describe('S27 what a terminal would act on is written as an escape', () => {
  test.each([
    ['clear the screen', '\u001b[2J', '\\u001b[2J'],
    ['set the title', '\u001b]0;root@prod\u0007', '\\u001b]0;root@prod\\u0007'],
    ['C1 control sequence', '\u009b31m', '\\u009b31m'],
    ['carriage return hides the line', 'ok\rbad', 'ok\\u000dbad'],
    ['backspace', 'ab\b\bc', 'ab\\u0008\\u0008c'],
    ['delete', '\u007f', '\\u007f'],
    ['right-to-left override', '\u202egpj.exe', '\\u202egpj.exe'],
    ['isolate', '\u2066x\u2069', '\\u2066x\\u2069'],
    ['line separator', 'a\u2028b', 'a\\u2028b'],
    ['zero width space', 'ro\u200bot', 'ro\\u200bot'],
    ['half of a character', 'a\ud800b', 'a\\ud800b'],
    ['tag characters', 'a\u{e0041}', 'a\\udb40\\udc41'],
    ['NUL', '\u0000', '\\u0000'],
  ])('%s', (_, given, safe) => {
    expect(escapeRisky(given)).toBe(safe);
  });

  test('ok: letters of all languages, emoji, tabs and line breaks stay', () => {
    const text = 'Zoë 東京 العربية 👩🏽 a\tb\nc';
    expect(escapeRisky(text)).toBe(text);
  });

  test('one line is one line', () => {
    expect(oneLine('a\nERROR: b\tc')).toBe('a\\nERROR: b\\tc');
  });

  test('several lines cannot pass for lines of ours', () => {
    expect(indented('a\nb\n  c\n\td')).toBe('a\n  b\n  c\n  \td');
  });
});

describe('S21 a word of a shell', () => {
  test.each([
    ['plain', 'node,proxy', 'node,proxy'],
    ['address', '[::1]:3025', "'[::1]:3025'"],
    ['pin', 'sha256:ab12', 'sha256:ab12'],
    ['empty', '', "''"],
    ['space', 'a b', "'a b'"],
    ['command substitution', '$(reboot)', "'$(reboot)'"],
    ['backticks', '`id`', "'`id`'"],
    ['single quote', "a'; rm -rf / #", "'a'\\''; rm -rf / #'"],
    ['glob', '*', "'*'"],
    ['line break', 'a\nb', "'a\nb'"],
    ['tilde', '~root', "'~root'"],
    ['history', 'a!b', "'a!b'"],
  ])('%s', (_, word, quoted) => {
    expect(shellWord(word)).toBe(quoted);
  });
});

test.each([
  [0, 'now'],
  [999, 'in 1s'],
  [59_400, 'in 1m'],
  [-90_000, '2m ago'],
  [3_599_900, 'in 1h'],
  [43_200_000, 'in 12h'],
  [-86_400_000 * 3, '3d ago'],
])('ok: %i ms is %s', (ms, text) => {
  expect(relativeTime(1_000_000_000_000 + ms, 1_000_000_000_000)).toBe(text);
});

test('ok: colour only where it is on', () => {
  expect(paint('x', 'red', true)).toBe('\u001b[31mx\u001b[0m');
  expect(paint('x', 'red', false)).toBe('x');
});
