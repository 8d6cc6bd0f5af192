// Playing with keys and a clock that the test moves: what is shown, when, and how the terminal is left.
import { EventEmitter } from 'node:events';
import { describe, expect, test } from 'vitest';
import type { Frame } from '#recordings/format/frames.ts';
import { FakeClock } from '#test/kit/clock.ts';
import type { Io } from '../io.ts';
import { playOnTerminal, type PlayOptions } from './play-terminal.ts';

class Keyboard extends EventEmitter {
  readonly isTTY = true;
  isRaw = false;
  setRawMode(isOn: boolean): void {
    this.isRaw = isOn;
  }
  pause(): void {}
  resume(): void {}
  press(keys: string): void {
    this.emit('data', Buffer.from(keys));
  }
}

function setUp(frames: readonly Frame[], about: Partial<PlayOptions> = {}) {
  const clock = new FakeClock(0);
  const keyboard = new Keyboard();
  const seen = { screen: '' };
  const notes: string[] = [];
  const io = {
    stdin: keyboard as unknown as Io['stdin'],
    stdout: { isTTY: true, write: (text: string | Uint8Array) => (seen.screen += String(text)) },
    stderr: { write: () => true },
    env: {},
    home: undefined,
    hostname: 'h',
    uid: 0,
    clock,
  };
  const source = {
    async *frames(): AsyncGenerator<Frame> {
      yield* frames;
    },
  };
  const ended = playOnTerminal({
    io,
    source,
    speed: 1,
    maxIdleMs: undefined,
    fromMs: 0,
    onFinding: (text) => void notes.push(text),
    ...about,
  });
  const wait = async (seconds: number): Promise<void> => {
    for (let at = 0; at < seconds * 4; at++) {
      await clock.advance(250);
      await clock.advance(0);
    }
  };
  const shown = (): string => seen.screen.replace(/[^<>\d]*(<\d+>)[^<]*/g, '$1');
  return { clock, keyboard, seen, ended, wait, shown };
}

const output = (second: number): Frame => ({
  at: second * 1000,
  type: 'output',
  bytes: Buffer.from(`<${second}>`),
});

describe('playing', () => {
  test('ok: in its time, from a terminal that is raw meanwhile, to one that is as before', async () => {
    const { keyboard, seen, ended, wait } = setUp([output(0), output(1), output(3)]);
    await wait(0.5);
    expect(keyboard.isRaw).toBe(true);
    expect(seen.screen).toBe('<0>');
    await wait(3);
    await ended;
    expect(seen.screen.startsWith('<0><1><3>\u0018\u001b\\')).toBe(true);
    expect(seen.screen.endsWith('\u001b[0m\r\n')).toBe(true);
    expect(keyboard.isRaw).toBe(false);
  });

  test('ok: space pauses and goes on; up is faster', async () => {
    const { keyboard, seen, ended, wait } = setUp([output(0), output(2), output(4), output(8)]);
    await wait(1);
    keyboard.press(' ');
    await wait(10);
    expect(seen.screen).toBe('<0>');
    keyboard.press(' ');
    await wait(1.5);
    expect(seen.screen).toBe('<0><2>');
    keyboard.press('\u001b[A\u001b[A');
    await wait(2);
    await ended;
    expect(seen.screen).toContain('<0><2><4><8>');
  });

  test('ok: forth by ten seconds, and back with a cleared screen', async () => {
    const { keyboard, seen, wait, ended } = setUp([output(0), output(5), output(12), output(60)]);
    await wait(0.5);
    keyboard.press('\u001b[C');
    await wait(2);
    expect(seen.screen).toContain('<0><5><12>');
    keyboard.press('\u001b[D');
    await wait(0.5);
    expect(seen.screen).toMatch(/<12>.*\[2J.*<0>/s);
    keyboard.press('q');
    await wait(0.5);
    await ended;
  });

  test('S27 ok: Ctrl-C ends it at once, also while it is paused', async () => {
    const { keyboard, ended, wait, seen } = setUp([output(0), output(600)]);
    await wait(0.5);
    keyboard.press(' ');
    keyboard.press('\u0003');
    await wait(0.5);
    await ended;
    expect([keyboard.isRaw, seen.screen.includes('<600>')]).toEqual([false, false]);
  });

  test('ok: pauses are cut, and it begins where it is told', async () => {
    const { ended, wait, seen } = setUp([output(0), output(100), output(200)], {
      maxIdleMs: 1000,
      fromMs: 150_000,
    });
    await wait(2);
    await ended;
    expect(seen.screen).toContain('<0><100><200>');
  });

  test('S27 ok: what is damaged on the way ends it with the terminal as before', async () => {
    const { keyboard, ended, seen, wait } = setUp([
      output(0),
      { at: 1, type: 'gap', omittedBytes: 7 },
      { at: 2, type: 'output', bytes: Buffer.from('\u001b]0;x\u0007\u001b[6n\u001b[?1049h') },
    ]);
    await wait(1);
    await ended;
    expect(seen.screen).toContain('[7 bytes were not recorded]');
    expect(seen.screen).not.toContain('\u001b]0');
    expect(seen.screen).not.toContain('6n');
    expect(seen.screen).toContain('\u001b[?1049l');
    expect(keyboard.isRaw).toBe(false);
  });
});
