// What a session and those who join it are to each other. Contracts only: party.ts stands between the terminal of the
// session (terminal-run.ts) and the channels of those who joined (guest-channel.ts).
import type { JoinMode } from '#core/access/join-sessions.ts';
import type { SshAccess } from '../context.ts';
import type { TerminalSize } from '../session/parts.ts';

/** Somebody who joined, over a connection of their own. */
export interface Guest {
  readonly access: SshAccess;
  readonly mode: JoinMode;
  /** Milliseconds since the epoch. */
  readonly joinedAt: number;
  /** Of their own terminal, as it is now; undefined when they have none. */
  readonly size: TerminalSize | undefined;
  /** Has not taken all output yet. */
  readonly isBehind: boolean;
  /** `data` is overwritten after the call. `mustSee`: the session waits for this person, so nothing is left out. */
  output(data: Uint8Array, mustSee: boolean): void;
  /** A line of the service itself, for people. */
  tell(text: string): void;
  resized(size: TerminalSize): void;
  /** The session is over, or this person has to leave it. Once; not called after leaving. */
  ended(why: string): void;
}

/** The terminal of the session, once its program runs. */
export interface Stage {
  /** What the program does not take at once is dropped. */
  type(data: Uint8Array): void;
  fit(size: TerminalSize): void;
  /** Nothing is shown and nothing is typed until `release`. */
  hold(): void;
  release(): void;
  /** Those who must see everything have taken it. */
  caughtUp(): void;
  /** A line of the service itself, for the person whose session it is, and for the recording; also while held. */
  tell(text: string): void;
  /** As if the client had gone. */
  hangUp(): void;
}
