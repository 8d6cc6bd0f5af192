// What a session channel needs of the program that runs in it, with a terminal or without. Contract only.
import type { Channel } from '#wire/ssh/ssh.ts';
import type { SessionRecorder } from '#recordings/recorder.ts';
import type { FlowWatch } from '#wire/sftp/flow-watch.ts';
import type { ExitOutcome } from '#client/audit/session-events.ts';
import type { TerminalSize } from './parts.ts';

export interface RunParts {
  readonly channel: Channel;
  readonly recorder: SessionRecorder | undefined;
  /** Sees the bytes of the client and of the program, in order; must be quick, and keep nothing. */
  readonly watch?: FlowWatch;
  /** Once: the program has ended and all of its output is on its way, or the session was hung up. */
  readonly onEnd: (exit: ExitOutcome) => void;
}

export interface Run {
  /** Bytes of the client; says `consumed` for them when they are dealt with. */
  input(data: Buffer): void;
  inputEnd(): void;
  /** The client takes more output. */
  drained(): void;
  resize(size: TerminalSize): void;
  /** To the process group, as the client asks. */
  signal(signal: NodeJS.Signals): void;
  /** The client is gone, or must go: closes what the program writes to, and sends SIGHUP. Safe to call twice. */
  hangUp(): void;
  /** Bytes to the client so far. */
  readonly sent: number;
  /** What audit calls the participants. */
  readonly participants: readonly string[];
}
