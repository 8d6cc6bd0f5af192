// How many may be connected at a time: handshakes per address, connections in all, people in all, and connections of one
// person. Apart from the service because each is counted from the first byte to the last, on every way out.
import { NetworkPool } from '#core/network-pool.ts';
import { PeopleLimit } from '#core/people-limit.ts';

/** Handshakes of one address at a time. A proxy counts as one address until its relay header is read. */
const HANDSHAKES_PER_ADDRESS = 256;
const HANDSHAKES = 2048;

export interface LimitOptions {
  readonly maxConnections: number;
  /** Different people. */
  readonly maxUsers: number;
}

export class ConnectionLimits {
  readonly handshakes = new NetworkPool(HANDSHAKES_PER_ADDRESS, HANDSHAKES);
  readonly #options: LimitOptions;
  readonly #people: PeopleLimit;
  #connections = 0;

  constructor(options: LimitOptions) {
    this.#options = options;
    this.#people = new PeopleLimit(options.maxUsers);
  }

  get connections(): number {
    return this.#connections;
  }

  get users(): number {
    return this.#people.users;
  }

  /** A seat for a connection, whoever it is of; how to give it back (safe to call twice), or undefined. */
  takeConnection(): (() => void) | undefined {
    if (this.#connections >= this.#options.maxConnections) return undefined;
    this.#connections++;
    return once(() => this.#connections--);
  }

  /**
   * A seat for a person; `most` is how many that person may have. How to give it back; LIMIT_EXCEEDED with the text for
   * the person.
   */
  takeUser(name: string, most: number | undefined): () => void {
    return this.#people.take(name, most);
  }
}

function once(run: () => void): () => void {
  let isDone = false;
  return () => {
    if (isDone) return;
    isDone = true;
    run();
  };
}
