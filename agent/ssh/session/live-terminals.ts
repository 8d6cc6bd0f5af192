// The sessions with a terminal that are going on in this process, by their ids, so that others can join them.
import type { ParticipantMode } from '#kinds/session/kind.ts';
import type { SshAccess } from '../context.ts';
import type { TerminalSize } from './parts.ts';

export interface Participant {
  readonly user: string;
  readonly mode: ParticipantMode;
}

/** What somebody who joined sees. */
export interface Screen {
  /** `data` is overwritten after the call. A screen that is too slow must drop out by itself: nobody waits for it. */
  output(data: Uint8Array): void;
  resized(size: TerminalSize): void;
  /** The session is over. Once, unless it was left before. */
  ended(): void;
}

export interface Seat {
  /** Types into the session; nothing happens for observers and after the end. */
  write(data: Uint8Array): void;
  /** Safe to call twice. */
  leave(): void;
}

export interface LiveTerminal {
  readonly id: string;
  readonly access: SshAccess;
  /** Milliseconds since the epoch. */
  readonly startedAt: number;
  readonly command: string | undefined;
  readonly size: TerminalSize;
  /** Those who are in it now; whose session it is first. */
  readonly present: readonly Participant[];
  join(participant: Participant, screen: Screen): Seat;
  /** For all who see it. */
  resize(size: TerminalSize): void;
  /** Hangs up, as if the client had gone. */
  end(): void;
}

export class LiveTerminals {
  readonly #byId = new Map<string, LiveTerminal>();

  get(id: string): LiveTerminal | undefined {
    return this.#byId.get(id);
  }

  all(): readonly LiveTerminal[] {
    return [...this.#byId.values()];
  }

  add(terminal: LiveTerminal): void {
    this.#byId.set(terminal.id, terminal);
  }

  remove(id: string): void {
    this.#byId.delete(id);
  }
}
