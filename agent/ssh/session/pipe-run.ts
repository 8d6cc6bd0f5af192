// A program without a terminal: three pipes between it and the client.
//
//   running ──exit──> exited ──both outputs at their end──> over
//      └──────────────── hangUp ───────────────────────────> over
//
// As with sshd, the channel stays open while anybody holds the program's output, and the exit status is told at once.
import type { ChildProcess } from 'node:child_process';
import { Socket } from 'node:net';
import { letGo } from '#wire/let-go.ts';
import { exitSignal, exitStatus } from '#wire/ssh/payloads.ts';
import type { Channel } from '#wire/ssh/ssh.ts';
import { Outlet } from './outlet.ts';
import type { Run, RunParts } from './run.ts';
import type { ExitOutcome } from '#client/audit/session-events.ts';

export interface PipeEnds {
  /** The agent's ends of the program's input, output and errors; owned from now on. */
  readonly input: number;
  readonly output: number;
  readonly errors: number;
}

export interface PipeRunParts extends RunParts {
  readonly process: ChildProcess;
  readonly ends: PipeEnds;
  /** See SessionRuntime. */
  readonly readBuffer: Buffer;
  /** The person whose session it is. */
  readonly user: string;
  /** The client stops sending when told that nobody reads (a message of OpenSSH). */
  readonly knowsEow: boolean;
}

const NOTHING = new Uint8Array();

export class PipeRun implements Run {
  readonly participants: readonly string[];
  readonly #parts: PipeRunParts;
  readonly #outlet: Outlet;
  readonly #input: Socket;
  readonly #outputs: readonly Socket[];
  #openOutputs = 2;
  #exit: ExitOutcome | undefined;
  #isInputOpen = true;
  #isOver = false;

  constructor(parts: PipeRunParts) {
    const { channel, process, ends, recorder, watch } = parts;
    this.#parts = parts;
    this.participants = [parts.user];
    this.#outlet = new Outlet(channel, recorder, () => this.#outputs.forEach((socket) => socket.resume()));
    this.#input = new Socket({ fd: ends.input, readable: false, writable: true });
    this.#input.on('error', () => this.#inputFailed());
    this.#outputs = [
      this.#reader(ends.output, (data) => {
        watch?.output(data);
        return this.#outlet.output(data);
      }),
      this.#reader(ends.errors, (data) => this.#outlet.errors(data)),
    ];
    process.once('exit', (code, signal) => this.#exited(code, signal));
  }

  get sent(): number {
    return this.#outlet.sent;
  }

  input(data: Buffer): void {
    const { channel, watch } = this.#parts;
    if (!this.#isInputOpen) {
      channel.consumed(data.length);
      return;
    }
    watch?.input(data);
    const { length } = data;
    this.#input.write(data, (error) => {
      channel.consumed(length);
      // A watch may still look at what it has not understood.
      if (!error && watch === undefined) letGo(data);
    });
  }

  inputEnd(): void {
    this.#isInputOpen = false;
    this.#input.end();
  }

  drained(): void {
    this.#outlet.drained();
  }

  resize(): void {}

  signal(signal: NodeJS.Signals): void {
    // Later its number may be somebody else's.
    if (this.#exit === undefined) signalGroup(this.#parts.process, signal);
  }

  hangUp(): void {
    if (this.#isOver) return;
    this.signal('SIGHUP');
    this.#over();
  }

  #reader(fd: number, write: (data: Buffer) => boolean): Socket {
    const { readBuffer } = this.#parts;
    const socket = new Socket({
      fd,
      readable: true,
      writable: false,
      onread: {
        buffer: readBuffer,
        callback: (bytes) => write(readBuffer.subarray(0, bytes)),
      },
    });
    socket.on('error', () => socket.destroy());
    socket.once('close', () => {
      this.#openOutputs--;
      this.#endIfDone();
    });
    socket.resume();
    return socket;
  }

  /** The program reads no more; it may well go on. */
  #inputFailed(): void {
    this.#isInputOpen = false;
    this.#input.destroy();
    const { channel, knowsEow } = this.#parts;
    if (knowsEow && channel.isOpen) channel.notify('eow@openssh.com', NOTHING);
  }

  #exited(code: number | null, signal: NodeJS.Signals | null): void {
    this.#exit = tellExit(this.#parts.channel, code, signal);
    this.#endIfDone();
  }

  #endIfDone(): void {
    if (this.#exit !== undefined && this.#openOutputs === 0) this.#over();
  }

  #over(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    const { channel, watch, onEnd } = this.#parts;
    this.#isInputOpen = false;
    this.#input.destroy();
    for (const socket of this.#outputs) socket.destroy();
    watch?.end();
    channel.end();
    channel.close();
    onEnd(this.#exit ?? {});
  }
}

/** Tells the client how the program ended. */
export function tellExit(channel: Channel, code: number | null, signal: NodeJS.Signals | null): ExitOutcome {
  if (signal !== null) {
    const name = signal.replace(/^SIG/, '');
    channel.notify(
      'exit-signal',
      exitSignal.encode({ signal: name, coreDumped: false, message: '', language: '' }),
    );
    return { signal: name };
  }
  channel.notify('exit-status', exitStatus.encode({ code: code ?? 0 }));
  return { code: code ?? 0 };
}

/** The group that the program leads; nothing when it is gone. */
export function signalGroup({ pid }: ChildProcess, signal: NodeJS.Signals): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, signal);
  } catch {
    // It has ended.
  }
}
