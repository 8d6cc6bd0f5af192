// Waiting before another attempt: doubling, with a ceiling, and jittered so that a fleet does not come back at once.
import { randomInt } from 'node:crypto';

const FIRST_MS = 500;
const MAX_MS = 60_000;

/** Delay before attempt `attempt` + 1 (from 0), between half and all of the doubled delay. */
export function backoffMs(attempt: number): number {
  const ceiling = Math.min(MAX_MS, FIRST_MS * 2 ** Math.min(attempt, 16));
  return ceiling / 2 + randomInt(Math.ceil(ceiling / 2) + 1);
}
