// The first of several ways that opens. Apart from the router, which knows the ways: how long one is waited for before the
// next is tried beside it is the same for all.
import type { Clock, Timer } from '#core/clock.ts';

export interface FirstOpenOptions<T> {
  readonly clock: Clock;
  /** One that has said nothing for so long is not waited for alone. */
  readonly nextMs: number;
  /** Gets what opened too late. */
  discard(late: T): void;
}

/**
 * Tries them in order: the next begins when one fails, or says nothing for a while. Rejects with an AggregateError of all
 * failures, in the order of the ways.
 */
export function firstOpen<T>(
  ways: readonly (() => Promise<T>)[],
  { clock, nextMs, discard }: FirstOpenOptions<T>,
): Promise<T> {
  return new Promise((resolve, reject) => {
    const failures: unknown[] = [];
    let begun = 0;
    let failed = 0;
    let isOpen = false;
    let timer: Timer | undefined;
    const next = (): void => {
      timer?.cancel();
      const way = ways[begun];
      if (way === undefined) return;
      if (++begun < ways.length) timer = clock.after(nextMs, next);
      void go(begun - 1, way);
    };
    const go = async (at: number, way: () => Promise<T>): Promise<void> => {
      try {
        const opened = await way();
        if (isOpen) return discard(opened);
        isOpen = true;
        timer?.cancel();
        resolve(opened);
      } catch (error) {
        failures[at] = error;
        failed++;
        if (isOpen) return;
        if (failed === ways.length) reject(new AggregateError(failures));
        // Only the newest one has nobody beside it yet.
        else if (begun === at + 1) next();
      }
    };
    if (ways.length === 0) reject(new AggregateError([]));
    else next();
  });
}
