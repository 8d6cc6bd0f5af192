// S27: what a recording may do to the terminal of whoever watches it.
import { describe, expect, test } from 'vitest';
import { playCommands } from './keys.ts';
import { ScreenFilter } from './screen-filter.ts';

const show = (...parts: string[]): string => {
  const filter = new ScreenFilter();
  return parts.map((part) => filter.push(Buffer.from(part))).join('');
};

describe('what draws', () => {
  test.each([
    ['text and lines', 'ünï\r\n\tx\b\u0007'],
    ['colours', '\u001b[1;38;5;200mred\u001b[38:2::1:2:3m\u001b[0m'],
    ['moves and erasing', '\u001b[2J\u001b[H\u001b[10;20H\u001b[3A\u001b[K\u001b[?2K'],
    ['margins and scrolling', '\u001b[1;20r\u001b[2S\u001bM\u001bD'],
    ['the other screen and the cursor', '\u001b[?1049h\u001b[?25l\u001b[2 q\u001b7\u001b8'],
    ['lines by character set', '\u001b(0lqk\u001b(B'],
  ])('ok: %s', (_, text) => {
    expect(show(text)).toBe(text);
  });

  test('ok: in pieces, within a character and within a sequence', () => {
    const filter = new ScreenFilter();
    const bytes = Buffer.from('ü\u001b[31mx');
    expect([...bytes].map((byte) => filter.push(Uint8Array.of(byte))).join('')).toBe('ü\u001b[31mx');
  });
});

describe('what does more', () => {
  test.each([
    ['asks for the cursor', '\u001b[6n'],
    ['asks what it is', '\u001b[c\u001b[>c\u001b[=c\u001b[>q\u001bZ\u0005'],
    ['asks for modes and settings', '\u001b[?2004$p\u001bP$qm\u001b\\'],
    ['asks for the title', '\u001b[21t'],
    ['sets the title', '\u001b]0;sudo password:\u0007'],
    ['sets the clipboard', '\u001b]52;c;cm0gLXJmIH4K\u001b\\'],
    ['links', '\u001b]8;;https://evil.example\u001b\\'],
    ['resizes the window', '\u001b[8;1;1t'],
    ['prints', '\u001b[5i'],
    ['defines keys', '\u001bP0;0|17/rm\u001b\\'],
    ['locks the keyboard', '\u001b[2h'],
    ['makes the mouse report', '\u001b[?1000h\u001b[?1003;1006h'],
    ['changes what keys send', '\u001b[>4;1m\u001b[>1u\u001b[?u'],
    ['changes what other keys send', '\u001b[?1h\u001b[?67h\u001b[?1036;1052h'],
    ['makes it another terminal', '\u001b[?2l\u001b[?3h\u001b[?1060;61h'],
    ['marks pasted text', '\u001b[?2004h'],
    ['the same in eight bits', '\u009b6n\u009d0;x\u009c\u0090q\u009c'],
    ['resets everything', '\u001bc'],
    ['privacy and application strings', '\u001b^x\u001b\\\u001b_Gx\u001b\\\u001bXx\u001b\\'],
  ])('S27 left out: what %s', (_, text) => {
    expect(show(`a${text}b`)).toBe('ab');
  });

  test('S27 ok: of several modes those of the picture stay, and one of two screens is known', () => {
    const filter = new ScreenFilter();
    expect(filter.push(Buffer.from('\u001b[?2004;01049;1h'))).toBe('\u001b[?01049h');
    expect(filter.reset()).toContain('1049');
  });

  test('S27 ok: a string that does not end hides nothing for ever', () => {
    expect(show('\u001b]0;x', 'y\u0018z')).toBe('z');
  });

  test('S27 ok: the end puts everything back, and leaves the other screen only when it was entered', () => {
    const filter = new ScreenFilter();
    expect(filter.reset()).not.toContain('1049');
    filter.push(Buffer.from('\u001b[?1049h\u001b]0;open'));
    const end = filter.reset();
    expect(end.startsWith('\u0018\u001b\\\u001b[?1049l')).toBe(true);
    for (const needed of ['\u001b[!p', '\u001b[?25h', '\u001b[?2004l', '\u001b[0m'])
      expect(end).toContain(needed);
    filter.push(Buffer.from('\u0007\u001b[?1049l'));
    expect(filter.reset()).not.toContain('1049');
  });
});

test('ok: keys', () => {
  expect(playCommands(' q\u001b[C\u001b[D\u001bOA\u001b[B\u0003')).toEqual([
    'pause',
    'quit',
    'forward',
    'back',
    'faster',
    'slower',
    'quit',
  ]);
});

test('S27 ok: what a terminal answers is no key', () => {
  expect(playCommands('\u001b[24;80R\u001b[?1;2c\u001b[200~x')).toEqual([]);
});
