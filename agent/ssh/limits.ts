// How many may be connected at a time: handshakes per address, connections in all, people in all, and connections of one
// person. Apart from the service because each is counted from the first byte to the last, on every way out.
import { GatehouseError } from '#core/errors/error.ts';
import { NetworkPool } from '#core/network-pool.ts';

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
  readonly #users = new Map<string, number>();
  #connections = 0;

  constructor(options: LimitOptions) {
    this.#options = options;
  }

  get connections(): number {
    return this.#connections;
  }

  get users(): number {
    return this.#users.size;
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
    const count = this.#users.get(name) ?? 0;
    if (most !== undefined && count >= most) {
      throw full(`you have ${count} connections to this server, and ${most} are allowed (max_connections)`);
    }
    if (count === 0 && this.#users.size >= this.#options.maxUsers) {
      throw full('as many people are connected to this server as it takes (max_users)');
    }
    this.#users.set(name, count + 1);
    return once(() => {
      const left = (this.#users.get(name) ?? 1) - 1;
      if (left === 0) this.#users.delete(name);
      else this.#users.set(name, left);
    });
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

const full = (message: string): GatehouseError => new GatehouseError('LIMIT_EXCEEDED', message);
