// How long to wait before trying again: random up to a bound that doubles, so that those who failed together do not
// come back together.
import { randomInt } from 'node:crypto';

export interface Backoff {
  readonly firstMs: number;
  readonly maxMs: number;
}

/** Milliseconds before attempt number `failures` + 1; `failures` counts from 1. */
export function backoffMs({ firstMs, maxMs }: Backoff, failures: number): number {
  const bound = Math.min(maxMs, firstMs * 2 ** Math.min(failures - 1, 30));
  // Never at once: half of the bound is sure.
  return Math.ceil(bound / 2) + randomInt(Math.floor(bound / 2) + 1);
}

/** Around `ms`, by at most a tenth. */
export function jittered(ms: number): number {
  return ms - Math.floor(ms / 10) + randomInt(Math.floor(ms / 5) + 1);
}
