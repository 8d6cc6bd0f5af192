// Waiting before another attempt: doubling, with a ceiling, and jittered so that many waiters do not come back at once.
import { randomInt } from 'node:crypto';

const FIRST_MS = 250;

/** Delay before attempt `attempt` + 1 (from 0), between half and all of the doubled delay. */
export function backoffMs(attempt: number, maxMs: number): number {
  const ceiling = Math.min(maxMs, FIRST_MS * 2 ** Math.min(attempt, 20));
  return ceiling / 2 + randomInt(Math.ceil(ceiling / 2) + 1);
}
