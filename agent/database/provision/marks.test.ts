// Marks of sessions on accounts: fresh ones count, strange comments do not.
import { expect, test } from 'vitest';
import { quoteName, quoteText } from './names.ts';
import { readMarks, withMark, withoutMark, writeMarks } from './marks.ts';

const A = '11111111-1111-4111-8111-111111111111';
const B = '22222222-2222-4222-8222-222222222222';

test('ok: written, read, one taken away', () => {
  const both = withMark(withMark(new Map(), A, 1000), B, 1010);
  expect(readMarks(writeMarks(both), 1020)).toEqual(both);
  expect([...withoutMark(both, A).keys()]).toEqual([B]);
  expect(readMarks(writeMarks(new Map()), 1020).size).toBe(0);
});

test('refuses: old marks, and comments of others', () => {
  expect([...readMarks(writeMarks(withMark(withMark(new Map(), A, 1000), B, 1050)), 1065).keys()]).toEqual([
    B,
  ]);
  for (const comment of [null, '', 'the account of Ann', 'gatehouse', `gatehouse ${A}=x`, `gatehouse x=1000`])
    expect(readMarks(comment, 1000).size, String(comment)).toBe(0);
});

test('S22 names are names, whatever is in them', () => {
  expect(quoteName('a"b')).toBe('"a""b"');
  expect(quoteName('A b;--')).toBe('"A b;--"');
  for (const name of ['', 'a\0b', 'x'.repeat(64), 'ä'.repeat(32), '\ud800'])
    expect(() => quoteName(name), JSON.stringify(name)).toThrow(/cannot be an account/);
  expect(quoteText("it's")).toBe("'it''s'");
  expect(() => quoteText('a\\b')).toThrow();
});
