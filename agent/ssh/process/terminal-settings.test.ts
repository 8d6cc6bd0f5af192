import { spawnSync } from 'node:child_process';
import { expect, it } from 'vitest';
import { encodeTerminalModes } from '#wire/ssh/terminal-modes.ts';
import { terminalSettings } from './terminal-settings.ts';
import { Terminals } from './terminals.ts';

const settings = (modes: readonly (readonly [number, number])[]): string[] =>
  terminalSettings(encodeTerminalModes(modes));

it('ok: nothing is told that a new terminal has already', () => {
  const asUsual: [number, number][] = [
    [1, 3],
    [3, 127],
    [6, 255],
    [36, 1],
    [53, 1],
    [72, 1],
    [31, 0],
  ];
  expect(settings(asUsual)).toEqual([]);
});

it('ok: characters, flags and speeds', () => {
  const asked: [number, number][] = [
    [3, 8],
    [1, 255],
    [42, 1],
    [53, 0],
    [128, 1200],
    [129, 115_200],
  ];
  expect(settings(asked)).toEqual(['erase', '0x8', 'intr', 'undef', 'iutf8', '-echo', '115200']);
});

it.each([
  ['a character that is none', [3, 256]],
  ['a speed that no line has', [129, 38_400_000]],
  ['opcodes that nobody knows', [99, 1]],
] as const)('refuses: %s is left out', (_, mode) => {
  expect(settings([mode])).toEqual([]);
});

it('refuses: a list that is cut short', () => {
  expect(() => terminalSettings(Uint8Array.of(1, 0, 0))).toThrow(/cut short/);
});

it('ok: stty takes every word that can come of it', () => {
  const every: [number, number][] = [];
  for (let opcode = 1; opcode < 160; opcode++) {
    every.push([opcode, opcode >= 128 ? 9600 : opcode < 30 ? 1 : 0], [opcode, opcode < 30 ? 255 : 1]);
  }
  const terminals = new Terminals();
  const terminal = terminals.open({ columns: 80, rows: 24 });
  for (const mode of every) {
    const words = settings([mode]);
    const { status, stderr } = spawnSync('stty', words, { stdio: [terminal.slave, 'pipe', 'pipe'] });
    expect(`${words.join(' ')}: ${status} ${stderr.toString()}`).toBe(`${words.join(' ')}: 0 `);
  }
  terminal.close();
  terminals.close();
});
