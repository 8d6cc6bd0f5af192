// The stories that pods of one name are put through, for a number of seeds: a few in the fast tests, all in the slow ones.
import { expect, it } from 'vitest';
import { livesOfPods, type Story } from './pods.ts';

const STORIES: readonly (readonly [string, Story])[] = [
  ['pods are killed and doubled', { isReplaced: false, isRemoved: false }],
  ['the cluster is replaced as well', { isReplaced: true, isRemoved: false }],
  ['the Secret is removed as well', { isReplaced: false, isRemoved: true }],
];

/** Seeds that fail are printed; `livesOfPods(seed, story)` plays one again. */
export function neverSplit(seeds: number): void {
  it.each(STORIES)(
    `R1 R11 ok: ${seeds} seeds, no split identity: %s`,
    { timeout: 600_000 },
    async (_, story) => {
      const failed: string[] = [];
      for (let seed = 1; seed <= seeds; seed++) {
        await livesOfPods(seed, story).catch((error: unknown) =>
          failed.push(`seed ${seed}: ${String(error)}`),
        );
      }
      expect(failed).toEqual([]);
    },
  );
}
