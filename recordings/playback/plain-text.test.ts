import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { PlainText } from './plain-text.ts';

function plain(...pieces: (string | Uint8Array)[]): string {
  const text = new PlainText();
  return pieces.map((piece) => text.push(Buffer.from(piece as string))).join('') + text.finish();
}

describe('what a terminal showed', () => {
  test.each([
    ['colours', '\u001b[1;32mok\u001b[0m done', 'ok done\n'],
    ['a prompt that sets the title', '\u001b]0;root@db: ~\u0007$ ls', '$ ls\n'],
    ['a title ended by ST', '\u001b]2;x\u001b\\$ ls', '$ ls\n'],
    ['a typing error', 'lss\b \b -l', 'ls -l\n'],
    ['a line written anew', '10%\r20%\r100% done', '100% done\n'],
    ['a line erased', 'secret prompt\r\u001b[Kshort', 'short\n'],
    ['a whole line erased', 'abc\u001b[2K\rx', 'x\n'],
    ['text put into a line', 'echo a c\u001b[D\u001b[2@b ', 'echo a b c\n'],
    ['text taken out of a line', 'abcdef\r\u001b[3Pxyz', 'xyz\n'],
    ['moving to the right', 'a\u001b[3Cb', 'a   b\n'],
    ['lines of a terminal', 'one\r\ntwo\r\n', 'one\ntwo\n'],
    ['tabs', 'a\tb', 'a\tb\n'],
    ['letters of all kinds', 'žluťoučký 日本 🎉', 'žluťoučký 日本 🎉\n'],
    ['character sets', '\u001b(B\u001b)0text', 'text\n'],
    ['nothing', '', ''],
  ])('ok: %s', (_, shown, expected) => {
    expect(plain(shown)).toBe(expected);
  });

  test('ok: letters and sequences may be cut anywhere', () => {
    const whole = Buffer.from('\u001b[31mžluť 🎉\u001b]0;title\u0007\r\nend');
    for (let at = 0; at <= whole.length; at++)
      expect(plain(whole.subarray(0, at), whole.subarray(at))).toBe('žluť 🎉\nend\n');
  });
});

describe('S27 hostile output', () => {
  test.each([
    ['a clipboard write', '\u001b]52;c;cm0gLXJmIC8=\u0007after', 'after\n'],
    ['an answer-back request', 'a\u001b[6n\u001b[cb', 'ab\n'],
    ['C1 controls', 'a\u009b31mb\u009d0;title\u009cc', 'abc\n'],
    ['a device control string', '\u001bP$q"p\u001b\\after', 'after\n'],
    ['marks that turn text around', 'user\u202etxt.exe\u202c', 'usertxt.exe\n'],
    ['invisible characters', 'a\u200bb\u{e0041}c\ufeff', 'abc\n'],
    ['other line ends', 'a\u2028b\u0085c\vd\fe', 'abcde\n'],
    ['an escape at the end', 'text\u001b', 'text\n'],
    ['a string without an end', `\u001b]0;${'x'.repeat(5000)}after`, /after\n$/],
    ['bytes that are no text', Buffer.from([0x61, 0xff, 0xfe, 0xc0, 0x62]), /^a.*b\n$/],
  ])('ok: %s', (_, shown, expected) => {
    const text = plain(shown);
    if (typeof expected === 'string') expect(text).toBe(expected);
    else expect(text).toMatch(expected);
  });

  test('ok: whatever comes, nothing but shown characters, tabs and newlines leaves', () => {
    const risky = /[^\P{Cc}\t\n]|\p{Cf}|\p{Cs}|\p{Zl}|\p{Zp}/u;
    const piece = fc.oneof(
      fc.uint8Array({ maxLength: 40 }),
      fc
        .constantFrom(
          '\u001b',
          '\u001b[',
          '\u001b]',
          '\u001bP',
          '\u009b',
          '\r',
          '\b',
          '\u001b[99999C',
          '\u001b[K',
        )
        .map((text) => new Uint8Array(Buffer.from(text))),
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 30 }), (pieces) => {
        expect(plain(...pieces)).not.toMatch(risky);
      }),
    );
  });

  test('ok: S33 a line without an end needs no more than its bound', () => {
    const text = new PlainText();
    let longest = 0;
    for (let at = 0; at < 200; at++)
      for (const line of text.push(Buffer.from(`\u001b[9999@${'x'.repeat(1000)}\u001b[9999C`)).split('\n'))
        longest = Math.max(longest, line.length);
    expect(longest).toBeLessThanOrEqual(16_384);
  });
});
