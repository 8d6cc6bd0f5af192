// When auth was away for long, everybody's presence has run out by the time it is back, although they are all there: they
// need a moment to say so. Until then what has expired is kept; what was removed is not.
import type { Clock, Timer } from '#core/clock.ts';
import type { Resource } from '#core/resource.ts';

/** A shorter silence costs nobody its presence. */
const LONG_MS = 60_000;
/** Hosts try again after a minute at the latest, and an attempt takes its time. */
const KEEP_MS = 120_000;

export class Return {
  readonly #clock: Clock;
  readonly #kept = new Map<string, () => void>();
  #until = 0;
  #timer: Timer | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** To be called when the feed is asked again; `heardAt` is when it was last heard. */
  asked(heardAt: number | undefined): void {
    const now = this.#clock.now();
    if (heardAt === undefined || now - heardAt < LONG_MS) return;
    this.#until = now + KEEP_MS;
    this.#timer?.cancel();
    this.#timer = this.#clock.after(KEEP_MS, () => this.#end());
  }

  /** Something is gone: calls `forget` now, or when its time is over and it has not come again. */
  gone(key: string, before: Resource | undefined, forget: () => void): void {
    const expires = Date.parse(before?.metadata.expires ?? '');
    const now = this.#clock.now();
    if (now < this.#until && expires <= now) this.#kept.set(key, forget);
    else forget();
  }

  /** It is there again. */
  came(key: string): void {
    this.#kept.delete(key);
  }

  close(): void {
    this.#timer?.cancel();
    this.#kept.clear();
  }

  #end(): void {
    for (const forget of this.#kept.values()) forget();
    this.#kept.clear();
  }
}
