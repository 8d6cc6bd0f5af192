// Sealed events for tests: a chain that goes on by itself, with a time for each event.
import type { EventInput } from '../catalogue.ts';
import { GENESIS, sealEvent, type ChainHead, type EventRecord } from '../record.ts';

export const START = Date.parse('2026-03-01T10:00:00.000Z');

/** A login of user `user-<n>`; the simplest event there is. */
export function login(n: number, more: { readonly user?: string; readonly error?: string } = {}): EventInput {
  return {
    event: 'user.login',
    user: `user-${n}`,
    method: 'local',
    success: more.error === undefined,
    ...more,
  };
}

/** A chain of one writer. Each event is `stepMs` after the one before. */
export class Chain {
  readonly #writer: string;
  readonly #stepMs: number;
  #head: ChainHead = { seq: 0, hash: GENESIS };
  #time: number;

  constructor({ writer = 'auth-1', start = START, stepMs = 1000 } = {}) {
    this.#writer = writer;
    this.#stepMs = stepMs;
    this.#time = start;
  }

  get head(): ChainHead {
    return { seq: this.#head.seq, hash: this.#head.hash };
  }

  add(event: EventInput): EventRecord {
    const record = sealEvent(event, {
      clusterName: 'example',
      writer: this.#writer,
      head: this.#head,
      timeMs: this.#time,
    });
    this.#head = record;
    this.#time += this.#stepMs;
    return record;
  }

  logins(count: number): EventRecord[] {
    return Array.from({ length: count }, () => this.add(login(this.#head.seq + 1)));
  }
}
