// The terminal of the person: raw while a session has it, and as it was before however the session ends. Node knows no
// terminal settings beyond "raw", so stty is asked for them; without it a session works with the usual ones.
import { spawn } from 'node:child_process';
import { encodeTerminalModes } from '#wire/ssh/terminal-modes.ts';
import type { Io, Keys, Sink } from '../../io.ts';

export interface TerminalSize {
  readonly columns: number;
  readonly rows: number;
}

const DEFAULT_SIZE: TerminalSize = { columns: 80, rows: 24 };
const ASK_MS = 500;

/** What a terminal of node has beyond a sink. */
interface Screen extends Sink {
  readonly rows?: number;
  on?(event: 'resize', listener: () => void): unknown;
  off?(event: 'resize', listener: () => void): unknown;
}

export interface RawTerminal {
  size(): TerminalSize;
  onResize(listener: () => void): void;
  /** Stops this process as Ctrl-Z does; comes back when it goes on, raw again. */
  suspend(): void;
  /** As it was. Safe to call twice. */
  restore(): void;
}

export function terminalSize({ stdout }: Pick<Io, 'stdout'>): TerminalSize {
  const { columns, rows } = stdout as Screen;
  return { columns: columns ?? DEFAULT_SIZE.columns, rows: rows ?? DEFAULT_SIZE.rows };
}

/** Undefined when the input is no terminal. The caller restores it. */
export function takeTerminal({ stdin, stdout }: Pick<Io, 'stdin' | 'stdout'>): RawTerminal | undefined {
  if (stdin.isTTY !== true || stdin.setRawMode === undefined) return undefined;
  const keys = stdin as unknown as Keys;
  const screen = stdout as Screen;
  const listeners: (() => void)[] = [];
  const enter = (): void => {
    keys.setRawMode(true);
    // Raw mode of node still turns every newline into two characters, which breaks what full-screen programs draw.
    stty(['-opost']);
  };
  const resume = (): void => {
    enter();
    for (const listener of listeners) listener();
  };
  enter();
  let isOver = false;
  return {
    size: () => terminalSize({ stdout }),
    onResize(listener) {
      listeners.push(listener);
      screen.on?.('resize', listener);
    },
    suspend() {
      keys.setRawMode(false);
      process.once('SIGCONT', resume);
      process.kill(process.pid, 'SIGTSTP');
    },
    restore() {
      if (isOver) return;
      isOver = true;
      process.off('SIGCONT', resume);
      for (const listener of listeners) screen.off?.('resize', listener);
      keys.setRawMode(false);
    },
  };
}

/**
 * The settings of the terminal for pty-req: keys such as "erase", and UTF-8. Empty when they cannot be known; never
 * rejects. Ask before the terminal is raw.
 */
export async function terminalModes(): Promise<Uint8Array> {
  if (process.platform !== 'linux') return encodeTerminalModes([]);
  return encodeTerminalModes(parseModes(await sttyOutput(['-g'])));
}

/** Opcodes of RFC 4254 section 8 with the place of the character in the `c_cc` of Linux. */
const CHARACTERS: readonly (readonly [opcode: number, place: number])[] = [
  [1, 0],
  [2, 1],
  [3, 2],
  [4, 3],
  [5, 4],
  [6, 11],
  [7, 16],
  [8, 8],
  [9, 9],
  [10, 10],
  [12, 12],
  [13, 14],
  [14, 15],
  [18, 13],
];
/** Opcodes with the bit of Linux's input, output and local flags. */
const INPUT_FLAGS: readonly (readonly [number, number])[] = [
  [30, 0x4],
  [36, 0x100],
  [38, 0x400],
  [39, 0x800],
  [40, 0x1000],
  [41, 0x2000],
  [42, 0x4000],
];
const LOCAL_FLAGS: readonly (readonly [number, number])[] = [
  [50, 0x1],
  [51, 0x2],
  [53, 0x8],
  [54, 0x10],
  [55, 0x20],
  [56, 0x40],
  [59, 0x8000],
  [60, 0x200],
  [61, 0x800],
];

/** Reads `stty -g` of Linux: input:output:control:local:characters, in hexadecimal. Pure; nothing when it is not that. */
export function parseModes(text: string): (readonly [number, number])[] {
  const fields = text.trim().split(':');
  if (fields.length < 4 + 17 || !fields.every((field) => /^[0-9a-f]{1,8}$/.test(field))) return [];
  const [input = 0, , , local = 0, ...characters] = fields.map((field) => Number.parseInt(field, 16));
  // 0 is "none" here, and 255 there.
  return [
    ...CHARACTERS.map(([opcode, place]) => [opcode, characters[place] || 255] as const),
    ...INPUT_FLAGS.map(([opcode, bit]) => [opcode, (input & bit) === 0 ? 0 : 1] as const),
    ...LOCAL_FLAGS.map(([opcode, bit]) => [opcode, (local & bit) === 0 ? 0 : 1] as const),
  ];
}

function stty(args: readonly string[]): void {
  const child = spawn('stty', args, { stdio: ['inherit', 'ignore', 'ignore'] });
  child.once('error', () => {});
}

function sttyOutput(args: readonly string[]): Promise<string> {
  return new Promise((resolve) => {
    let text = '';
    const child = spawn('stty', args, { stdio: ['inherit', 'pipe', 'ignore'], timeout: ASK_MS });
    child.once('error', () => resolve(''));
    child.stdout.on('data', (part: Buffer) => (text = (text + part.toString('latin1')).slice(0, 4096)));
    child.once('close', () => resolve(text));
  });
}
