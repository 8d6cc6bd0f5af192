// Waiting for something, but not for ever.
import type { Clock } from '#core/clock.ts';

/** The result of `work`, or undefined after `timeoutMs`; rejects only when `work` rejects in time. */
export function within<T>(clock: Clock, timeoutMs: number, work: Promise<T>): Promise<T | undefined> {
  const late = Promise.withResolvers<undefined>();
  const timer = clock.after(timeoutMs, () => late.resolve(undefined));
  return Promise.race([work, late.promise]).finally(() => timer.cancel());
}
