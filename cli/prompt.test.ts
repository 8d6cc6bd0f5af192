import { EventEmitter } from 'node:events';
import { describe, expect, test } from 'vitest';
import { FakeClock } from '#test/kit/clock.ts';
import type { Io } from './io.ts';
import { askSecret, askText, canAsk } from './prompt.ts';

/** A terminal on which keys are pressed as soon as somebody listens. */
class Terminal extends EventEmitter {
  readonly isTTY = true;
  readonly modes: boolean[] = [];
  readonly #typed: readonly Buffer[];

  constructor(typed: readonly Buffer[]) {
    super();
    this.#typed = typed;
  }
  setRawMode(isOn: boolean): void {
    this.modes.push(isOn);
  }
  resume(): void {
    for (const chunk of this.#typed) this.emit('data', chunk);
  }
  pause(): void {}
  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array> {}
}

function machine(...typed: readonly (string | Buffer)[]): {
  io: Io;
  terminal: Terminal;
  shown: () => string;
} {
  let stderr = '';
  const terminal = new Terminal(typed.map((text) => Buffer.from(text)));
  const sink = { write: (chunk: string | Uint8Array) => (stderr += String(chunk)) };
  const io: Io = {
    stdin: terminal as unknown as Io['stdin'],
    stdout: sink,
    stderr: sink,
    env: {},
    home: undefined,
    hostname: 'box',
    uid: 0,
    clock: new FakeClock(),
  };
  return { io, terminal, shown: () => stderr };
}

describe('a password', () => {
  test.each([
    ['typed key by key', ['a', 'b', 'c', '\r'], 'abc'],
    ['pasted at once', ['hunter2\n'], 'hunter2'],
    ['with backspace', ['abd\u007fc\r'], 'abc'],
    ['with the line removed', ['wrong\u0015right\r'], 'right'],
    ['letters of two bytes, cut in the middle', [Buffer.from([0x7a, 0xc3]), Buffer.from([0xab, 0x0d])], 'zë'],
    ['other keys are passed over', ['a\u0001\tb\r'], 'ab'],
    ['ended by Ctrl-D', ['abc\u0004'], 'abc'],
    ['what comes after Enter is not part of it', ['abc\rdef\r'], 'abc'],
  ])('ok: %s', async (_, typed, expected) => {
    const { io, terminal, shown } = machine(...typed);
    const secret = await askSecret(io, 'Password: ', 'pass --x');
    expect(secret.reveal()).toBe(expected);
    expect(shown()).toBe('Password: \n');
    expect(terminal.modes).toEqual([true, false]);
    expect(terminal.listenerCount('data')).toBe(0);
  });

  test('refuses: Ctrl-C; the terminal is put back', async () => {
    const { io, terminal } = machine('abc\u0003');
    await expect(askSecret(io, 'Password: ', 'x')).rejects.toThrow('interrupted');
    expect(terminal.modes).toEqual([true, false]);
  });

  test('ok: what is endless is cut', async () => {
    const { io } = machine(`${'x'.repeat(5000)}\r`);
    expect((await askSecret(io, 'Password: ', 'x')).reveal()).toHaveLength(1024);
  });
});

test('ok: an answer that is no secret is shown as it is typed', async () => {
  const { io, shown } = machine('yet\u007fs \r');
  expect(await askText(io, 'Sure? ', 'x')).toBe('yes');
  expect(shown()).toBe('Sure? yet\b \bs \n');
});

test('refuses: to ask where there is no terminal, and says what to pass', async () => {
  const { io } = machine();
  const piped = { ...io, stdin: { [Symbol.asyncIterator]: io.stdin[Symbol.asyncIterator] } as Io['stdin'] };
  expect(canAsk(piped)).toBe(false);
  await expect(askText(piped, 'x', 'pass --otp')).rejects.toThrow(
    'there is no terminal to ask on; pass --otp',
  );
});
