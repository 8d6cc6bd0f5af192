import { expect, test } from 'vitest';
import { EscapeFilter, type Escape } from './escape.ts';
import { parseModes } from './terminal.ts';

function type(...parts: string[]): { sent: string; asked: Escape[] } {
  const filter = new EscapeFilter();
  const asked: Escape[] = [];
  const sent = parts.map((part) =>
    Buffer.from(filter.take(Buffer.from(part, 'latin1'), (escape) => asked.push(escape))).toString('latin1'),
  );
  return { sent: sent.join(''), asked };
}

test.each<[string, string[], string, Escape[]]>([
  ['at the beginning', ['~.'], '', ['end']],
  ['after a newline', ['ls\r~.'], 'ls\r', ['end']],
  ['in pieces', ['ls\r', '~', '.'], 'ls\r', ['end']],
  ['one after the other', ['~?~#'], '', ['help', 'forwards']],
  ['suspending, then typing on', ['\r~\u001als\r'], '\rls\r', ['suspend']],
  ['the tilde itself', ['~~.\r'], '~.\r', []],
  ['a path', ['cd ~.ssh\r~/x'], 'cd ~.ssh\r~/x', []],
  ['what comes after the end is nobody’s', ['~.rm -rf x'], '', ['end']],
  ['not in the middle of a line', ['echo ~.'], 'echo ~.', []],
  ['nothing to do with other bytes', ['\u00ff\u0000~.'], '\u00ff\u0000~.', []],
])('ok: %s', (_, parts, sent, asked) => {
  expect(type(...parts)).toEqual({ sent, asked });
});

test('ok: settings of a terminal of Linux', () => {
  const stty = '6d00:5:bf:8a3b:3:1c:8:15:4:0:1:0:11:13:1a:0:12:f:17:16:0:0:0:0:0:0:0:0:0:0:0:0:0:0:0:0';
  const modes = new Map(parseModes(stty));
  expect([modes.get(3), modes.get(1), modes.get(42), modes.get(53), modes.get(6)]).toEqual([8, 3, 1, 1, 255]);
});

test.each(['', 'speed 38400 baud', '1:2:3', 'zz:5:bf:8a3b:3'])('ok: nothing where stty says %j', (text) => {
  expect(parseModes(text)).toEqual([]);
});
