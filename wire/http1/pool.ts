// Connections to one server that wait for their next request. One more is opened whenever none waits; those that wait
// too long are ended before the server does it in the middle of a request.
import type { Duplex } from 'node:stream';
import type { Clock, Timer } from '#core/clock.ts';
import { Upstream } from './upstream.ts';

export interface PoolOptions {
  readonly clock: Clock;
  /** Resolves when the stream is connected. */
  readonly connect: () => Promise<Duplex>;
  /** How many may wait. */
  readonly mostIdle: number;
  readonly idleMs: number;
}

export class UpstreamPool {
  readonly #options: PoolOptions;
  readonly #idle: Upstream[] = [];
  readonly #all = new Set<Upstream>();
  #sweep: Timer | undefined;
  #isRetired = false;
  #isClosed = false;

  constructor(options: PoolOptions) {
    this.#options = options;
  }

  /** One that waits; the one used last, because it is the least likely to have been ended meanwhile. */
  take(): Upstream | undefined {
    for (let upstream = this.#idle.pop(); upstream !== undefined; upstream = this.#idle.pop()) {
      if (upstream.isReusable) return upstream;
      this.#drop(upstream);
    }
    return undefined;
  }

  /** A new one. Rejects as `connect` does. */
  async open(): Promise<Upstream> {
    const stream = await this.#options.connect();
    const upstream = new Upstream(stream, (ended) => this.#drop(ended));
    if (this.#isClosed) upstream.destroy();
    else this.#all.add(upstream);
    return upstream;
  }

  /** After its reply is whole, or when it is not needed any more. */
  release(upstream: Upstream): void {
    const { clock, mostIdle, idleMs } = this.#options;
    if (this.#isRetired || this.#isClosed || !upstream.isReusable || this.#idle.length >= mostIdle) {
      this.#drop(upstream);
      return;
    }
    upstream.idleSince = clock.now();
    this.#idle.push(upstream);
    this.#sweep ??= clock.after(idleMs, () => this.#endOld());
  }

  /** Ends those that wait, and each of the others after its reply. */
  retire(): void {
    this.#isRetired = true;
    this.#sweep?.cancel();
    for (const upstream of this.#idle.splice(0)) this.#drop(upstream);
  }

  /** Ends all of them, also those in use. Safe to call twice. */
  close(): void {
    this.#isClosed = true;
    this.#sweep?.cancel();
    for (const upstream of this.#all) upstream.destroy();
    this.#all.clear();
    this.#idle.length = 0;
  }

  #drop(upstream: Upstream): void {
    this.#all.delete(upstream);
    const at = this.#idle.indexOf(upstream);
    if (at !== -1) this.#idle.splice(at, 1);
    upstream.destroy();
  }

  #endOld(): void {
    const { clock, idleMs } = this.#options;
    this.#sweep = undefined;
    const oldest = clock.now() - idleMs;
    for (const upstream of this.#idle.filter(({ idleSince }) => idleSince <= oldest)) this.#drop(upstream);
    const [next] = this.#idle;
    if (next === undefined || this.#isClosed) return;
    this.#sweep = clock.after(Math.max(1, next.idleSince - oldest), () => this.#endOld());
  }
}
