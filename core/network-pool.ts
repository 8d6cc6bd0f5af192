// How much of a scarce thing one network holds at a time: handshakes, connections that nobody vouched for. In core
// because every listener needs it. One party holds an IPv4 address, or the /64 of an IPv6 address.
import { networkOf } from './rate-limit.ts';

export class NetworkPool {
  readonly #most: number;
  readonly #mostOfAll: number;
  readonly #counts = new Map<string, number>();
  #total = 0;

  /** `most` for one network, `mostOfAll` for all of them together. */
  constructor(most: number, mostOfAll: number = Number.MAX_SAFE_INTEGER) {
    this.#most = most;
    this.#mostOfAll = mostOfAll;
  }

  /** How many are taken. */
  get size(): number {
    return this.#total;
  }

  /** How to give it back (safe to call twice), or undefined when the network or the pool has none left. */
  take(address: string): (() => void) | undefined {
    const network = networkOf(address);
    const count = this.#counts.get(network) ?? 0;
    if (count >= this.#most || this.#total >= this.#mostOfAll) return undefined;
    this.#counts.set(network, count + 1);
    this.#total++;
    let isTaken = true;
    return () => {
      if (!isTaken) return;
      isTaken = false;
      this.#release(network);
    };
  }

  #release(network: string): void {
    this.#total--;
    const left = (this.#counts.get(network) ?? 1) - 1;
    if (left === 0) this.#counts.delete(network);
    else this.#counts.set(network, left);
  }
}
