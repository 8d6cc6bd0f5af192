// How often one address may fail: a bucket of tries per address that fills again with time. In core because the auth
// service and the proxy both count strangers. The table of addresses is bounded, so that a flood cannot fill memory.
import { parseIp } from './certs/ip-address.ts';
import type { Clock } from './clock.ts';

export interface RateLimitOptions {
  readonly clock: Clock;
  /** Tries that may come at once. */
  readonly burst: number;
  /** Time until one try is given back, in milliseconds. */
  readonly refillMs: number;
  /** Addresses that are remembered; the one unused for longest is forgotten first. Default 10,000. */
  readonly maxAddresses?: number;
}

interface Bucket {
  tries: number;
  filledAt: number;
}

export class RateLimit {
  readonly #options: Required<RateLimitOptions>;
  readonly #buckets = new Map<string, Bucket>();

  constructor(options: RateLimitOptions) {
    this.#options = { maxAddresses: 10_000, ...options };
  }

  /** Uses up one try; false when there is none. Take it before the work, so that parallel tries count too. */
  take(address: string): boolean {
    const bucket = this.#bucketOf(networkOf(address));
    if (bucket.tries < 1) return false;
    bucket.tries -= 1;
    return true;
  }

  /** Gives back a try whose outcome was good. */
  giveBack(address: string): void {
    const bucket = this.#buckets.get(networkOf(address));
    if (bucket !== undefined) bucket.tries = Math.min(this.#options.burst, bucket.tries + 1);
  }

  /** How many addresses are remembered now. */
  get size(): number {
    return this.#buckets.size;
  }

  #bucketOf(network: string): Bucket {
    const { clock, burst, refillMs, maxAddresses } = this.#options;
    const now = clock.now();
    const known = this.#buckets.get(network);
    const gained = known === undefined ? 0 : Math.max(0, now - known.filledAt) / refillMs;
    const tries = known === undefined ? burst : Math.min(burst, known.tries + gained);
    const bucket = { tries, filledAt: now };
    // Put last again: the order of the map is the order of last use.
    this.#buckets.delete(network);
    this.#buckets.set(network, bucket);
    if (this.#buckets.size > maxAddresses) {
      const oldest = this.#buckets.keys().next().value;
      if (oldest !== undefined) this.#buckets.delete(oldest);
    }
    return bucket;
  }
}

/** What one party holds: an IPv4 address, or the /64 of an IPv6 address, which is what a subscriber is given. */
export function networkOf(address: string): string {
  const bytes = parseIp(plainAddress(address));
  return bytes === undefined || bytes.length === 4
    ? plainAddress(address)
    : Buffer.from(bytes.subarray(0, 8)).toString('hex');
}

/** An IPv4 address that a dual-stack socket gives as `::ffff:10.0.0.1` in its own spelling; zones are cut off. */
export function plainAddress(address: string): string {
  const unzoned = address.split('%', 1)[0] ?? address;
  return unzoned.startsWith('::ffff:') && unzoned.includes('.') ? unzoned.slice('::ffff:'.length) : unzoned;
}
