// A program in a terminal: what it draws goes to the client, into the recording and to everybody who joined; what the
// client types goes in.
//
//   running ──exit──> exited ──terminal at its end, or silent for a moment──> over
//      └───────────────────────── hangUp ────────────────────────────────────> over
//
// As with sshd, the session ends with its program: what still holds the terminal in the background gets SIGHUP.
import type { ChildProcess } from 'node:child_process';
import type { Clock, Timer } from '#core/clock.ts';
import type { SshAccess } from '../context.ts';
import type { Terminal } from '../process/terminals.ts';
import type { LiveTerminal, Participant, Screen, Seat } from './live-terminals.ts';
import { BatchedOutput, type OutputBatch } from './output-batch.ts';
import { Outlet } from './outlet.ts';
import type { TerminalSize } from './parts.ts';
import { signalGroup, tellExit } from './pipe-run.ts';
import type { Run, RunParts } from './run.ts';
import type { ExitOutcome } from './session-events.ts';

export interface TerminalRunParts extends RunParts {
  readonly id: string;
  readonly access: SshAccess;
  readonly clock: Clock;
  readonly process: ChildProcess;
  /** Owned from now on. */
  readonly terminal: Terminal;
  readonly batch: OutputBatch;
  readonly command: string | undefined;
  readonly size: TerminalSize;
  readonly onResize: (size: TerminalSize) => void;
  readonly onParticipants: (participants: readonly Participant[]) => void;
}

/** Output of a program that has ended may still be on its way through the kernel. */
const LINGER_MS = 100;
/** A program that does not read its terminal is offered the rest again. */
const RETRY_MS = 5;

export class TerminalRun implements Run, LiveTerminal {
  readonly id: string;
  readonly access: SshAccess;
  readonly startedAt: number;
  readonly command: string | undefined;
  readonly #parts: TerminalRunParts;
  readonly #outlet: Outlet;
  readonly #output: BatchedOutput;
  readonly #everJoined = new Set<string>();
  #viewers: Map<Screen, Participant> | undefined;
  #typed: Buffer[] = [];
  #retry: Timer | undefined;
  #size: TerminalSize;
  #exit: ExitOutcome | undefined;
  #sentAtLook = -1;
  #isEnded = false;
  #isOver = false;

  constructor(parts: TerminalRunParts) {
    const { channel, process, recorder, terminal, access, clock } = parts;
    this.#parts = parts;
    this.id = parts.id;
    this.access = access;
    this.command = parts.command;
    this.startedAt = clock.now();
    this.#size = parts.size;
    this.#outlet = new Outlet(channel, recorder, () => terminal.resume());
    this.#output = new BatchedOutput(parts.batch, (data) => this.#show(data));
    process.once('exit', (code, signal) => this.#exited(code, signal));
    terminal.read({
      onData: (data) => this.#output.add(data),
      onEnd: () => {
        this.#isEnded = true;
        this.#endIfDone();
      },
    });
  }

  get sent(): number {
    return this.#outlet.sent;
  }

  get size(): TerminalSize {
    return this.#size;
  }

  get present(): readonly Participant[] {
    return [{ user: this.access.identity.name, mode: 'peer' }, ...(this.#viewers?.values() ?? [])];
  }

  /** Everybody who was ever in it. */
  get participants(): readonly string[] {
    return [...new Set([this.access.identity.name, ...this.#everJoined])];
  }

  /** Text of the service itself, before the program. */
  greet(text: string): void {
    if (text !== '') this.#show(Buffer.from(text));
  }

  input(data: Buffer): void {
    if (this.#typed.length > 0) {
      this.#typed.push(data);
      return;
    }
    const taken = this.#type(data);
    if (taken === data.length) return;
    this.#typed.push(data.subarray(taken));
    this.#typeLater();
  }

  /** A terminal has no end of input: the program would see its end as ^D, which the client sends itself. */
  inputEnd(): void {}

  drained(): void {
    this.#outlet.drained();
  }

  resize(size: TerminalSize): void {
    if (this.#isOver) return;
    this.#size = size;
    const { terminal, recorder, onResize } = this.#parts;
    terminal.resize(size.columns, size.rows);
    recorder?.resize(size.columns, size.rows);
    for (const screen of this.#viewers?.keys() ?? []) screen.resized(size);
    onResize(size);
  }

  signal(signal: NodeJS.Signals): void {
    if (this.#exit === undefined) signalGroup(this.#parts.process, signal);
  }

  hangUp(): void {
    this.#over();
  }

  end(): void {
    this.#over();
  }

  join(participant: Participant, screen: Screen): Seat {
    this.#viewers ??= new Map();
    this.#viewers.set(screen, participant);
    this.#everJoined.add(participant.user);
    this.#parts.onParticipants(this.present);
    return {
      write: (data) => {
        const isIn = this.#viewers?.has(screen) === true && !this.#isOver;
        if (isIn && participant.mode === 'peer') this.#typeFrom(data);
      },
      leave: () => {
        if (this.#viewers?.delete(screen) === true && !this.#isOver) this.#parts.onParticipants(this.present);
      },
    };
  }

  #show(data: Buffer): boolean {
    const isOpen = this.#outlet.output(data);
    for (const screen of this.#viewers?.keys() ?? []) screen.output(data);
    return isOpen;
  }

  /** What those who joined type is dropped while the program does not read: nobody's window holds it back. */
  #typeFrom(data: Uint8Array): void {
    if (this.#typed.length === 0) this.#parts.terminal.write(data);
  }

  /** Bytes that were taken; the client may send as many again. */
  #type(data: Buffer): number {
    const taken = this.#parts.terminal.write(data);
    if (taken > 0) this.#parts.channel.consumed(taken);
    return taken;
  }

  #typeLater(): void {
    this.#retry = this.#parts.clock.after(RETRY_MS, () => {
      for (let next = this.#typed[0]; next !== undefined; next = this.#typed[0]) {
        const taken = this.#type(next);
        if (taken < next.length) {
          this.#typed[0] = next.subarray(taken);
          this.#typeLater();
          return;
        }
        this.#typed.shift();
      }
    });
  }

  #exited(code: number | null, signal: NodeJS.Signals | null): void {
    this.#exit = code === null ? { signal: (signal ?? 'SIGKILL').replace(/^SIG/, '') } : { code };
    if (this.#isOver) return;
    this.#parts.clock.after(LINGER_MS, this.#look);
    this.#endIfDone();
  }

  /** Others hold the terminal: when no output came for a moment, and the client took all, it is over. */
  readonly #look = (): void => {
    if (this.#isEnded || this.#isOver) return;
    if (this.#outlet.isOpen && this.sent === this.#sentAtLook) {
      this.#over();
      return;
    }
    this.#sentAtLook = this.sent;
    this.#parts.clock.after(LINGER_MS, this.#look);
  };

  #endIfDone(): void {
    if (this.#isEnded && this.#exit !== undefined) this.#over();
  }

  #over(): void {
    if (this.#isOver) return;
    this.#output.end();
    this.#isOver = true;
    this.#retry?.cancel();
    const { channel, terminal, watch, onEnd } = this.#parts;
    terminal.close();
    if (this.#exit !== undefined) {
      const { code, signal } = this.#exit;
      tellExit(channel, code ?? null, signal === undefined ? null : (`SIG${signal}` as NodeJS.Signals));
    }
    watch?.end();
    for (const screen of this.#viewers?.keys() ?? []) screen.ended();
    this.#viewers = undefined;
    channel.end();
    channel.close();
    onEnd(this.#exit ?? {});
  }
}
