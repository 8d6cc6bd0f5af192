// A program in a terminal: what it draws goes to the client, into the recording and to everybody who joined; what the
// client types goes in. While its party (../join/party.ts) is held, nothing is shown, and what is typed is dropped.
//
//   running ──exit──> exited ──terminal at its end, or silent for a moment──> over
//      └───────────────────────── hangUp ────────────────────────────────────> over
//
// As with sshd, the session ends with its program: what still holds the terminal in the background gets SIGHUP.
import type { ChildProcess } from 'node:child_process';
import type { Clock, Timer } from '#core/clock.ts';
import type { Party } from '../join/party.ts';
import type { Stage } from '../join/people.ts';
import type { Terminal } from '../process/terminals.ts';
import { BatchedOutput, type OutputBatch } from './output-batch.ts';
import { Outlet } from './outlet.ts';
import type { TerminalSize } from './parts.ts';
import { signalGroup, tellExit } from './pipe-run.ts';
import type { Run, RunParts } from './run.ts';
import type { ExitOutcome } from '#client/audit/session-events.ts';

export interface TerminalRunParts extends RunParts {
  readonly party: Party;
  readonly clock: Clock;
  readonly process: ChildProcess;
  /** Owned from now on. */
  readonly terminal: Terminal;
  readonly batch: OutputBatch;
  readonly onResize: (size: TerminalSize) => void;
}

/** Output of a program that has ended may still be on its way through the kernel. */
const LINGER_MS = 100;
/** A program that does not read its terminal is offered the rest again. */
const RETRY_MS = 5;

export class TerminalRun implements Run, Stage {
  readonly startedAt: number;
  readonly #parts: TerminalRunParts;
  readonly #outlet: Outlet;
  readonly #output: BatchedOutput;
  /** Came while nothing may be shown; a read or two, as no more are made then. */
  #withheld: Buffer[] = [];
  #typed: Buffer[] = [];
  #retry: Timer | undefined;
  #exit: ExitOutcome | undefined;
  #sentAtLook = -1;
  #isEnded = false;
  #isOver = false;

  constructor(parts: TerminalRunParts) {
    const { channel, process, recorder, terminal, clock } = parts;
    this.#parts = parts;
    this.startedAt = clock.now();
    this.#outlet = new Outlet(channel, recorder, () => this.caughtUp());
    this.#output = new BatchedOutput(parts.batch, clock, (data) => this.#show(data));
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

  get participants(): readonly string[] {
    return this.#parts.party.everyone;
  }

  /** Text of the service itself, before the program. */
  greet(text: string): void {
    if (text !== '') this.#show(Buffer.from(text));
  }

  input(data: Buffer): void {
    if (this.#parts.party.isHeld) {
      this.#parts.channel.consumed(data.length);
      return;
    }
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
    this.#parts.party.resizeOwner(size);
  }

  fit(size: TerminalSize): void {
    if (this.#isOver) return;
    const { terminal, recorder, onResize } = this.#parts;
    terminal.resize(size.columns, size.rows);
    recorder?.resize(size.columns, size.rows);
    onResize(size);
  }

  /** A signal is input, too. */
  signal(signal: NodeJS.Signals): void {
    if (this.#exit === undefined && !this.#parts.party.isHeld) signalGroup(this.#parts.process, signal);
  }

  hangUp(): void {
    this.#over();
  }

  end(): void {
    this.#over();
  }

  /** What a guest types is dropped while the program does not read: nobody's window holds it back. */
  type(data: Uint8Array): void {
    if (this.#typed.length === 0) this.#parts.terminal.write(data);
  }

  tell(text: string): void {
    if (this.#isOver) return;
    this.#output.end();
    this.#outlet.output(Buffer.from(text));
  }

  hold(): void {
    const { channel } = this.#parts;
    for (const data of this.#typed.splice(0)) channel.consumed(data.length);
  }

  release(): void {
    for (const data of this.#withheld.splice(0)) this.#show(data);
    this.caughtUp();
  }

  caughtUp(): void {
    if (this.#isOpen && !this.#isOver) this.#parts.terminal.resume();
  }

  /** More may be read. */
  get #isOpen(): boolean {
    const { party } = this.#parts;
    return this.#outlet.isOpen && !party.isHeld && !party.isBehind;
  }

  /** False: read no more for now. */
  #show(data: Buffer): boolean {
    if (this.#parts.party.isHeld) {
      this.#withheld.push(Buffer.from(data));
      return false;
    }
    const isOpen = this.#outlet.output(data);
    return this.#parts.party.show(data) && isOpen;
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
    if ((this.#isOpen || this.#parts.party.isHeld) && this.sent === this.#sentAtLook) {
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
    const { channel, terminal, watch, recorder, party, onEnd } = this.#parts;
    terminal.close();
    if (this.#exit !== undefined) {
      const { code, signal } = this.#exit;
      tellExit(channel, code ?? null, signal === undefined ? null : (`SIG${signal}` as NodeJS.Signals));
    }
    watch?.end();
    // Nobody was to see it; that it was there is on record.
    for (const data of this.#withheld.splice(0)) recorder?.output(data);
    party.over();
    channel.end();
    channel.close();
    onEnd(this.#exit ?? {});
  }
}
