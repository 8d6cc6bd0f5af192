// The contract of recording one session, as the owner of the session sees it. Apart from recorder/, which does it.
import type { Clock } from '#core/clock.ts';
import type { Log } from '#core/log.ts';
import type { RecordingKind, SessionFacts, SessionOutcome } from './meta.ts';
import type { Spool } from './spool.ts';

export interface RecorderOptions {
  readonly spool: Spool;
  /** A UUID in lower case. */
  readonly sessionId: string;
  readonly facts: SessionFacts;
  /** `strict`: a session that cannot be recorded must end. `best_effort`: what cannot be recorded is left out and told. */
  readonly mode: 'strict' | 'best_effort';
  /** `exec` in best_effort keeps the first 64 KiB of output and counts the rest. */
  readonly kind: RecordingKind;
  /** Segments leave while the session runs (modes node-sync and proxy-sync), seconds after they were seen. */
  readonly sync: boolean;
  readonly clock: Clock;
  readonly log: Log;
  /** Once, when the end is durable on this machine. */
  readonly onFinished?: () => void;
}

export interface SessionRecorder {
  /**
   * Once the start is on disk when the mode is strict (rejects when it cannot be); at once otherwise. Start the shell
   * of a strict session after it.
   */
  readonly started: Promise<void>;
  /** What the terminal shows. `bytes` are copied. False: stop reading from the session until `drained()` resolves. */
  output(bytes: Uint8Array): boolean;
  /** The error output of a command without a terminal; as `output`. */
  stderr(bytes: Uint8Array): boolean;
  resize(columns: number, rows: number): void;
  /**
   * Something worth seeing in a replay, as the audit event of that name says it; at most 32 KiB as JSON. False: no more
   * until `drained()`, for those who tell of all that happens.
   */
  event(name: string, fields: Readonly<Record<string, unknown>>): boolean;
  /** Resolves when output may go on; also when the recording has failed or ended. */
  drained(): Promise<void>;
  /** Resolves once all that was recorded so far is on stable storage. Rejects as `failed` does. */
  flush(): Promise<void>;
  /**
   * Ends the recording; resolves once it is durable on this machine. May be called again. In best_effort it never
   * rejects; in strict it rejects as `failed` does. The exit of a best_effort session need not wait for it.
   */
  end(outcome: SessionOutcome): Promise<void>;
  /** In strict mode: rejects with STORAGE_FULL or STORAGE_FAILED as soon as something cannot be kept. Never resolves. */
  readonly failed: Promise<never>;
}
