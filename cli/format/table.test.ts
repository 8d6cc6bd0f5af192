import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { formatTable, widthOf } from './table.ts';

test('ok: titles, dashes, rows, as the manual shows them', () => {
  const rows = [
    ['admin', 'admin,root'],
    ['ross', 'ross'],
  ];
  expect(formatTable(['User', 'Allowed Logins'], rows)).toBe(
    `User   Allowed Logins
----   --------------
admin  admin,root
ross   ross
`,
  );
});

test('ok: columns are aligned where characters are wide or take no room', () => {
  const text = formatTable(
    ['A', 'B'],
    [
      ['東京', 'x'],
      ['e\u0301', 'y'],
      ['👍', 'z'],
    ],
  );
  expect(text).toBe('A     B\n-     -\n東京  x\ne\u0301     y\n👍    z\n');
});

test('ok: a table without rows still has its titles', () => {
  expect(formatTable(['A'], [])).toBe('A\n-\n');
});

test('S27 no value makes a line, moves a column or reaches the terminal raw', () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.string({ unit: 'binary' }), fc.string()), { maxLength: 5 }), (rows) => {
      const lines = formatTable(['One', 'Two'], rows).split('\n');
      expect(lines).toHaveLength(rows.length + 3);
      // oxlint-disable-next-line no-control-regex -- control characters are what is refused
      for (const line of lines) expect(line).not.toMatch(/[\u0000-\u001f\u007f-\u009f\u202a-\u202e]/u);
    }),
  );
});

test('ok: an endless cell is cut, unless it is the last', () => {
  const long = 'x'.repeat(5000);
  const [, , line = ''] = formatTable(['A', 'B'], [[long, long]]).split('\n');
  expect(line.indexOf('…')).toBe(119);
  expect(line.endsWith(long)).toBe(true);
  expect(widthOf('abc')).toBe(3);
});
