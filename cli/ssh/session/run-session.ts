// One session channel from its opening to its exit code: asks for terminal, variables and program in one go, then moves
// bytes between the server and this process, each side held back by the other.
import { GatehouseError } from '#core/errors/error.ts';
import {
  emptyPayload,
  envRequest,
  execRequest,
  exitSignal,
  exitStatus,
  ptyRequest,
  subsystemRequest,
  windowChange,
} from '#wire/ssh/payloads.ts';
import type { Channel, ChannelReceiver, SshConnection } from '#wire/ssh/ssh.ts';
import type { Inlet, LocalStreams, Outlet } from './local-streams.ts';
import type { TerminalSize } from './terminal.ts';

export type Program =
  | { readonly is: 'shell' }
  | { readonly is: 'exec'; readonly command: string }
  | { readonly is: 'subsystem'; readonly name: string };

export interface SessionTerminal {
  readonly term: string;
  readonly modes: Uint8Array;
  size(): TerminalSize;
  onResize(listener: () => void): void;
}

export interface SessionOptions {
  readonly program: Program;
  readonly env: readonly (readonly [name: string, value: string])[];
  /** Left out: no terminal is asked for. */
  readonly terminal?: SessionTerminal | undefined;
  readonly wantsAgent: boolean;
  readonly streams: LocalStreams;
  /** What is typed passes through it. */
  readonly filter?: ((bytes: Uint8Array) => Uint8Array) | undefined;
  /** Remarks for the person. */
  readonly onNote: (text: string) => void;
  /** Told once the program runs; before, nothing is read from the input. */
  readonly onStarted?: (channel: Channel) => void;
}

/** What ssh says when a connection, rather than a program, fails. */
export const CONNECTION_FAILED = 255;
const SIGNALLED = 128;
const BROKEN_PIPE = 141;
/** In the order of their numbers, from 1. */
const SIGNALS = 'HUP INT QUIT ILL TRAP ABRT BUS FPE KILL USR1 SEGV USR2 PIPE ALRM TERM'.split(' ');

/**
 * The exit code: the program's, 128 and the number of the signal that ended it, or 255 when the server did not say.
 * ACCESS_DENIED when the server refuses the session or the program.
 */
export async function runSession(connection: SshConnection, options: SessionOptions): Promise<number> {
  const session = new RunningSession(options);
  const channel = await connection.open('session', emptyPayload.encode({}), session);
  return session.run(channel);
}

class RunningSession implements ChannelReceiver {
  readonly #options: SessionOptions;
  readonly #input: Inlet;
  readonly #closed = Promise.withResolvers<void>();
  /** Bytes that were taken by an outlet without room: the credit for them is owed. */
  readonly #owed = new Map<Outlet, number>();
  #channel: Channel | undefined;
  #exitCode: number | undefined;
  #isGone = false;

  constructor(options: SessionOptions) {
    this.#options = options;
    this.#input = options.streams.input;
    for (const outlet of [options.streams.output, options.streams.errors]) {
      outlet.onRoom = () => this.#giveCredit(outlet);
      outlet.onGone = () => this.#outputGone();
    }
  }

  async run(channel: Channel): Promise<number> {
    this.#channel = channel;
    const { streams, onStarted } = this.#options;
    try {
      await this.#start(channel);
      onStarted?.(channel);
      this.#readInput(channel);
      await this.#closed.promise;
    } finally {
      this.#input.close();
      channel.close();
    }
    if (!this.#isGone) await Promise.all([streams.output.finish(), streams.errors.finish()]);
    return this.#exitCode ?? (this.#isGone ? BROKEN_PIPE : CONNECTION_FAILED);
  }

  onData(data: Buffer): void {
    this.#pass(this.#options.streams.output, data);
  }

  onStderr(data: Buffer): void {
    this.#pass(this.#options.streams.errors, data);
  }

  onDrain(): void {
    this.#input.resume();
  }

  onRequest(name: string, payload: Uint8Array): boolean {
    if (name === 'exit-status') this.#exitCode = exitStatus.decode(payload).code & 0xff;
    else if (name === 'exit-signal') {
      const { signal } = exitSignal.decode(payload);
      this.#exitCode = SIGNALLED + SIGNALS.indexOf(signal) + 1;
    } else return false;
    return true;
  }

  onClose(): void {
    this.#closed.resolve();
  }

  /** All requests go out before the first answer is there. */
  async #start(channel: Channel): Promise<void> {
    const { program, env, terminal, wantsAgent, onNote } = this.#options;
    const asked: Promise<void>[] = [];
    const orNote = async (answer: Promise<boolean>, note: string): Promise<void> => {
      if (!(await answer) && channel.isOpen) onNote(note);
    };
    if (wantsAgent) {
      const answer = channel.request('auth-agent-req@openssh.com', emptyPayload.encode({}));
      asked.push(orNote(answer, 'the server does not take a forwarded agent'));
    }
    if (terminal !== undefined) {
      const size = { ...terminal.size(), widthPixels: 0, heightPixels: 0 };
      const { term, modes } = terminal;
      const answer = channel.request('pty-req', ptyRequest.encode({ term, modes, ...size }));
      asked.push(orNote(answer, 'the server gives no terminal'));
      terminal.onResize(() => {
        channel.notify(
          'window-change',
          windowChange.encode({ ...terminal.size(), widthPixels: 0, heightPixels: 0 }),
        );
      });
    }
    for (const [name, value] of env) channel.notify('env', envRequest.encode({ name, value }));
    const [request, payload] = requestOf(program);
    const isStarted = await channel.request(request, payload);
    await Promise.all(asked);
    if (isStarted) return;
    const isRefused = channel.isOpen;
    // Some servers say how it ended, and never that it began.
    if (!isRefused) await this.#closed.promise;
    if (this.#exitCode !== undefined) return;
    throw new GatehouseError(
      isRefused ? 'ACCESS_DENIED' : 'UNAVAILABLE',
      isRefused
        ? `the server refused to start ${program.is === 'subsystem' ? program.name : `the ${program.is === 'shell' ? 'shell' : 'command'}`}`
        : 'the connection was lost before the session began',
    );
  }

  #readInput(channel: Channel): void {
    const { filter } = this.#options;
    this.#input.start(
      (bytes) => {
        const sent = filter === undefined ? bytes : filter(bytes);
        if (sent.length > 0 && !channel.write(sent)) this.#input.pause();
      },
      () => channel.end(),
    );
  }

  #pass(outlet: Outlet, data: Buffer): void {
    const owed = this.#owed.get(outlet) ?? 0;
    if (outlet.write(data) && owed === 0) this.#channel?.consumed(data.length);
    else this.#owed.set(outlet, owed + data.length);
  }

  #giveCredit(outlet: Outlet): void {
    const owed = this.#owed.get(outlet) ?? 0;
    this.#owed.delete(outlet);
    if (owed > 0) this.#channel?.consumed(owed);
  }

  /** As when `head` has had enough: the program is to end too. */
  #outputGone(): void {
    this.#isGone = true;
    this.#channel?.close();
  }
}

function requestOf(program: Program): readonly [string, Uint8Array] {
  switch (program.is) {
    case 'shell':
      return ['shell', emptyPayload.encode({})];
    case 'exec':
      return ['exec', execRequest.encode({ command: program.command })];
    case 'subsystem':
      return ['subsystem', subsystemRequest.encode({ name: program.name })];
  }
}
