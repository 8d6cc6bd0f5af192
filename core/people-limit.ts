// How many people may be connected at a time, and how often one of them. Agents and proxies count by it, each for itself.
import { GatehouseError } from './errors/error.ts';

export class PeopleLimit {
  readonly #maxUsers: number;
  /** Connections by name. */
  readonly #users = new Map<string, number>();

  constructor(maxUsers: number) {
    this.#maxUsers = maxUsers;
  }

  /** Different people. */
  get users(): number {
    return this.#users.size;
  }

  /** LIMIT_EXCEEDED, with the text for the person, when `take` would be; `most` is how many connections that person may have. */
  requireSeat(name: string, most?: number): void {
    const count = this.#users.get(name) ?? 0;
    if (most !== undefined && count >= most) {
      throw full(`you have ${count} connections to this server, and ${most} are allowed (max_connections)`);
    }
    if (count === 0 && this.#users.size >= this.#maxUsers) {
      throw full('as many people are connected to this server as it takes (max_users)');
    }
  }

  /** A seat; how to give it back, safe to call twice. Errors as `requireSeat`. */
  take(name: string, most?: number): () => void {
    this.requireSeat(name, most);
    return this.add(name);
  }

  /** The same for somebody who was let in already, whatever the limit is by now. */
  add(name: string): () => void {
    this.#users.set(name, (this.#users.get(name) ?? 0) + 1);
    let isTaken = true;
    return () => {
      if (!isTaken) return;
      isTaken = false;
      const left = (this.#users.get(name) ?? 1) - 1;
      if (left === 0) this.#users.delete(name);
      else this.#users.set(name, left);
    };
  }
}

const full = (message: string): GatehouseError => new GatehouseError('LIMIT_EXCEEDED', message);
