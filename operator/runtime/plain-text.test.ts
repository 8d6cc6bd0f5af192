import { expect, it } from 'vitest';
import { plainLine, plainText } from './plain-text.ts';

it('S37 refuses: characters that move the cursor, turn text around, or begin a line', () => {
  const text = 'a\u001b[2Jb\u202ec\u0000d\u2028e\u009bf\ud800g\u{e0041}h';
  expect(plainText(text, 100)).toBe('a\ufffd[2Jb\ufffdc\ufffdd\ufffde\ufffdf\ufffdg\ufffdh');
  expect(plainLine(`one\r\n\tReady=True ${text}`, 100)).toBe(`one Ready=True ${plainText(text, 100)}`);
});

it('ok: letters of all scripts stay, lines too, and half a letter at the end does not', () => {
  expect(plainText('pod "größe" 東京 🎉\nsecond', 100)).toBe('pod "größe" 東京 🎉\nsecond');
  expect(plainText('ab🎉', 3)).toBe('ab\ufffd');
});
