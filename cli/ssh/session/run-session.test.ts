// One session against a server of wire/ssh: real programs, and servers that do what they should not.
import { describe, expect, test } from 'vitest';
import { systemClock } from '#core/clock.ts';
import { until } from '#test/kit/until.ts';
import { serveEverything } from '#test/kit/toy-ssh-server.ts';
import { connectedPair } from '#wire/ssh/pair.ts';
import { envRequest, exitSignal, exitStatus, ptyRequest, windowChange } from '#wire/ssh/payloads.ts';
import type { ChannelReceiver, ConnectionHandlers } from '#wire/ssh/ssh.ts';
import { noInput, type Inlet, type Outlet } from './local-streams.ts';
import { runSession, type SessionOptions } from './run-session.ts';

interface TestOutlet extends Outlet {
  text: string;
  bytes: number;
}

/** `isSlow`: says that it has no room, and gets some later. */
function outlet(isSlow = false): TestOutlet {
  const out: TestOutlet = {
    text: '',
    bytes: 0,
    onRoom: () => {},
    onGone: () => {},
    write(bytes) {
      out.bytes += bytes.length;
      if (out.text.length < 10_000) out.text += Buffer.from(bytes).toString();
      if (isSlow) setImmediate(() => out.onRoom());
      return !isSlow;
    },
    finish: () => Promise.resolve(),
  };
  return out;
}

/** Gives one piece after the other, and stops where it is told to. */
function inputOf(...parts: string[]): Inlet {
  const state = { isPaused: false, flow: (): void => {} };
  return {
    start(onBytes, onEnd) {
      state.flow = () => {
        while (!state.isPaused && parts.length > 0) onBytes(Buffer.from(parts.shift() ?? ''));
        if (!state.isPaused && parts.length === 0) onEnd();
      };
      state.flow();
    },
    pause: () => void (state.isPaused = true),
    resume() {
      state.isPaused = false;
      state.flow();
    },
    close: () => void (state.isPaused = true),
  };
}

interface Ran {
  readonly code: number;
  readonly output: TestOutlet;
  readonly errors: TestOutlet;
  readonly notes: string[];
}

async function run(
  about: Partial<SessionOptions> & {
    readonly command?: string;
    readonly input?: Inlet;
    readonly isSlow?: boolean;
  },
  server: ConnectionHandlers | undefined = undefined,
): Promise<Ran> {
  const { command = 'true', input = noInput, isSlow = false, ...options } = about;
  const pair = await connectedPair({
    clock: systemClock,
    server: (connection) => server ?? serveEverything(connection),
  });
  const [output, errors] = [outlet(isSlow), outlet()];
  const notes: string[] = [];
  try {
    const code = await runSession(pair.client, {
      program: { is: 'exec', command },
      env: [],
      wantsAgent: false,
      streams: { input, output, errors },
      onNote: (text) => void notes.push(text),
      ...options,
    });
    return { code, output, errors, notes };
  } finally {
    await pair.close();
  }
}

/** Accepts a session, and does with each request what `answer` says. */
const scripted = (
  answer: (name: string, payload: Uint8Array, channel: ReturnType<Accept>) => boolean,
): ConnectionHandlers => ({
  onChannel(opening) {
    const channel = opening.accept({
      onRequest: (name, payload) => answer(name, payload, channel),
    });
  },
});
type Accept = (
  receiver: ChannelReceiver,
) => ReturnType<Parameters<NonNullable<ConnectionHandlers['onChannel']>>[0]['accept']>;

describe('programs', () => {
  test('ok: output, errors and exit code are those of the program', async () => {
    const { code, output, errors } = await run({ command: 'echo out; echo err >&2; exit 7' });
    expect([code, output.text, errors.text]).toEqual([7, 'out\n', 'err\n']);
  });

  test('ok: input to its end', async () => {
    expect((await run({ command: 'cat', input: inputOf('one ', 'two') })).output.text).toBe('one two');
  });

  test('ok: 128 and the signal', async () => {
    expect((await run({ command: 'kill -TERM $$' })).code).toBe(143);
  });

  test('ok: much output into a slow outlet, all of it', async () => {
    const { output, code } = await run({ command: 'head -c 20000000 /dev/zero', isSlow: true });
    expect([code, output.bytes]).toEqual([0, 20_000_000]);
  });

  test('ok: much input that the program reads slowly', async () => {
    const parts = Array.from({ length: 160 }, () => 'x'.repeat(100_000));
    const { output } = await run({ command: 'sleep 0.05; wc -c', input: inputOf(...parts) });
    expect(output.text.trim()).toBe('16000000');
  });
});

describe('ends', () => {
  test('ok: a reader that goes away ends the program, as a broken pipe does', async () => {
    const output = outlet();
    const write = output.write;
    output.write = (bytes) => {
      if (output.bytes > 0) output.onGone();
      return write(bytes);
    };
    const streams = { input: noInput, output, errors: outlet() };
    expect((await run({ command: 'yes', streams })).code).toBe(141);
  });

  test('ok: 255 when the server does not say how it ended', async () => {
    const silent = scripted((name, _, channel) => {
      if (name === 'exec') setImmediate(() => channel.close());
      return true;
    });
    expect((await run({}, silent)).code).toBe(255);
  });

  test('refuses: a program that the server does not start', async () => {
    const refusing = scripted((name) => name !== 'exec');
    await expect(run({}, refusing)).rejects.toMatchObject({ code: 'ACCESS_DENIED' });
    const never: ConnectionHandlers = { onChannel: (opening) => opening.reject(1, 'no sessions') };
    await expect(run({}, never)).rejects.toMatchObject({ code: 'ACCESS_DENIED' });
  });

  test.each<[string, Uint8Array, number]>([
    ['more than a byte', exitStatus.encode({ code: 0x1_07 }), 7],
    [
      'a signal without a number',
      exitSignal.encode({ signal: 'EVIL', coreDumped: false, message: '', language: '' }),
      128,
    ],
    [
      'a signal that every object has',
      exitSignal.encode({ signal: 'constructor', coreDumped: false, message: '', language: '' }),
      128,
    ],
    [
      'a signal with a number',
      exitSignal.encode({ signal: 'KILL', coreDumped: false, message: '', language: '' }),
      137,
    ],
  ])('S33 ok: an exit of %s', async (what, payload, expected) => {
    const odd = scripted((name, _, channel) => {
      if (name === 'exec') {
        channel.notify(what.startsWith('a signal') ? 'exit-signal' : 'exit-status', payload);
        channel.close();
      }
      return true;
    });
    expect((await run({}, odd)).code).toBe(expected);
  });
});

describe('terminals', () => {
  test('ok: size, modes and variables go first, changes of the size follow', async () => {
    const seen: [string, unknown][] = [];
    let resized = (): void => {};
    let size = { columns: 80, rows: 24 };
    const server = scripted((name, payload, channel) => {
      if (name === 'pty-req') seen.push([name, ptyRequest.decode(payload)]);
      else if (name === 'env') seen.push([name, envRequest.decode(payload)]);
      else if (name === 'window-change') {
        seen.push([name, windowChange.decode(payload)]);
        channel.notify('exit-status', exitStatus.encode({ code: 0 }));
        channel.close();
      } else {
        seen.push([name, undefined]);
        setImmediate(() => {
          size = { columns: 120, rows: 40 };
          resized();
        });
      }
      return true;
    });
    const terminal = {
      term: 'xterm',
      modes: Uint8Array.of(0),
      size: () => size,
      onResize: (listener: () => void) => void (resized = listener),
    };
    await run({ program: { is: 'shell' }, env: [['LANG', 'C']], terminal }, server);
    expect(seen).toEqual([
      [
        'pty-req',
        { term: 'xterm', columns: 80, rows: 24, widthPixels: 0, heightPixels: 0, modes: Uint8Array.of(0) },
      ],
      ['env', { name: 'LANG', value: 'C' }],
      ['shell', undefined],
      ['window-change', { columns: 120, rows: 40, widthPixels: 0, heightPixels: 0 }],
    ]);
  });

  test('ok: a server without terminals or agents is told of, and used', async () => {
    const server = scripted((name, _, channel) => {
      if (name === 'shell') {
        setImmediate(() => {
          channel.notify('exit-status', exitStatus.encode({ code: 0 }));
          channel.close();
        });
      }
      return name === 'shell';
    });
    const terminal = {
      term: 'x',
      modes: Uint8Array.of(0),
      size: () => ({ columns: 1, rows: 1 }),
      onResize: () => {},
    };
    const { notes, code } = await run({ program: { is: 'shell' }, terminal, wantsAgent: true }, server);
    await until('notes', () => notes.length === 2);
    expect([code, notes]).toEqual([
      0,
      ['the server does not take a forwarded agent', 'the server gives no terminal'],
    ]);
  });
});
