// Runs every fuzz target of the house for a while. GATEHOUSE_FUZZ_SECONDS (1) is the time for each,
// GATEHOUSE_FUZZ_SEED replays a run, GATEHOUSE_FUZZ_TARGET takes only targets whose name contains it. Without any of
// them the inputs are the same in each run, so that a change is never blamed for what chance found; `make fuzz` varies.
import { randomInt } from 'node:crypto';
import { join, relative } from 'node:path';
import { expect, test } from 'vitest';
import { ROOT } from '../rooms/tree.ts';
import { fuzzTarget } from './run-target.ts';
import { loadTarget, targetFiles } from './target.ts';

const seconds = Number(process.env['GATEHOUSE_FUZZ_SECONDS'] ?? 1);
const FIXED_SEED = 1;
const freshSeed = process.env['GATEHOUSE_FUZZ_SECONDS'] === undefined ? FIXED_SEED : randomInt(2 ** 32);
const seed = Number(process.env['GATEHOUSE_FUZZ_SEED'] ?? freshSeed);
const only = process.env['GATEHOUSE_FUZZ_TARGET'] ?? '';
const MAX_BYTES_SHOWN = 96;

const targets = await Promise.all(
  targetFiles().map(async (file) => ({ file, path: relative(ROOT, file), target: await loadTarget(file) })),
);
const chosen = targets
  .filter(({ target }) => target.name.includes(only))
  .map((entry) => [entry.target.name, entry] as const);

test('ok: targets have names of their own and seeds to start from', () => {
  expect(chosen.length, `no fuzz target is named like "${only}"`).toBeGreaterThan(0);
  const names = targets.map(({ target }) => target.name);
  expect(names.filter((name, index) => names.indexOf(name) !== index)).toEqual([]);
  expect(targets.filter(({ target }) => target.seeds.length === 0).map(({ path }) => path)).toEqual([]);
});

test.each(chosen)('ok: S33 S34 %s survives what it is thrown', async (name, { file, path }) => {
  const report = await fuzzTarget({
    name,
    file,
    seed,
    milliseconds: seconds * 1000,
    saveIn: join(ROOT, '.cache', 'fuzz'),
  });
  if (report.is === 'failed') {
    throw new Error(
      `${path} ${report.problem}
input (${report.input.length} bytes): ${JSON.stringify(Buffer.from(report.input.subarray(0, MAX_BYTES_SHOWN)).toString('latin1'))}
saved: ${relative(ROOT, report.savedAs)} (tried first by the next run)
replay: GATEHOUSE_FUZZ_SEED=${seed} GATEHOUSE_FUZZ_TARGET=${name} make fuzz (run ${report.runs})`,
    );
  }
  console.log(
    `fuzz ${name}: ${report.runs} runs, ${report.accepted} accepted, ${report.outcomes} outcomes, seed ${seed}`,
  );
  expect(
    report.seedsAccepted,
    `${path}: no seed is accepted, so the runs end at the first check`,
  ).toBeGreaterThan(0);
});
