// The fuzzer itself: it finds planted bugs of each kind, saves and replays them, and is the same for the same seed.
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { ROOT } from '../rooms/tree.ts';
import { createMutator } from './mutate.ts';
import { seededRandom } from './random.ts';
import { fuzzTarget, type FuzzOptions, type FuzzReport } from './run-target.ts';

const folder = mkdtempSync(join(tmpdir(), 'gatehouse-fuzz-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function plant(name: string, body: string, seeds = `[new TextEncoder().encode('{"name":"x"}')]`): string {
  const file = join(folder, `${name}.ts`);
  const error = JSON.stringify(`file://${join(ROOT, 'core/errors/error.ts')}`);
  writeFileSync(
    file,
    `import { GatehouseError } from ${error};
const kept: unknown[] = [];
export const fuzz = { name: '${name}', seeds: ${seeds}, run(input: Uint8Array): void { void kept; void GatehouseError; ${body} } };`,
  );
  return file;
}

function fuzzPlanted(name: string, body: string, more: Partial<FuzzOptions> = {}): Promise<FuzzReport> {
  const file = plant(name, body);
  return fuzzTarget({ name, file, seed: 7, milliseconds: 20_000, saveIn: join(folder, 'saved'), ...more });
}

const PARSE = `try { JSON.parse(Buffer.from(input).toString()); } catch { throw new GatehouseError('BAD_REQUEST', 'not JSON'); }`;

test('ok: a sound target passes, and most of what it is thrown is refused', async () => {
  const report = await fuzzPlanted('sound', PARSE, { maxRuns: 3000 });
  expect(report).toMatchObject({ is: 'done', runs: 3000, seedsAccepted: 1 });
});

test('refuses: an exception that is not a GatehouseError, with a short input, saved and replayed first', async () => {
  const body = `if (input.length > 3 && input.includes(0)) throw new TypeError('planted');`;
  const found = await fuzzPlanted('throws', body);
  expect(found).toMatchObject({
    is: 'failed',
    problem: expect.stringContaining('TypeError: planted') as string,
  });
  if (found.is !== 'failed') return;
  expect(found.input.length, 'the input is shrunk to what matters').toBe(4);
  expect(readdirSync(join(folder, 'saved', 'throws'))).toHaveLength(1);
  expect(Uint8Array.from(readFileSync(found.savedAs))).toEqual(found.input);
  expect(await fuzzPlanted('throws', body, { seed: 8 })).toMatchObject({ is: 'failed', runs: 1 });
});

test('refuses: a run that never ends', async () => {
  const report = await fuzzPlanted('hangs', `if (input[0] === 0x5b) for (;;);`, { limits: { hangMs: 1000 } });
  expect(report).toMatchObject({ is: 'failed', problem: expect.stringContaining('hangs') as string });
  if (report.is === 'failed') expect(report.input[0]).toBe(0x5b);
});

test('refuses: time that grows with the square of the input', async () => {
  const body = `let n = 0; for (const a of input) for (const b of input) n += a ^ b; kept[0] = n;`;
  const report = await fuzzPlanted('slow', body, { limits: { cpuMsPerRun: 300, hangMs: 2000 } });
  expect(report).toMatchObject({ is: 'failed', problem: expect.stringMatching(/ms of CPU|hangs/) as string });
});

test('refuses: an allocation that believes a length field', async () => {
  const body = `if (input.length >= 4) new Uint8Array(Buffer.from(input).readUInt32BE(0) % 0x30000000);`;
  const report = await fuzzPlanted('allocates', body);
  expect(report).toMatchObject({
    is: 'failed',
    problem: expect.stringContaining('bytes of memory') as string,
  });
});

test('refuses: memory that is kept from run to run', async () => {
  const report = await fuzzPlanted('leaks', `kept.push(Array.from({ length: 5000 }, (_, i) => ({ i })));`, {
    limits: { growthBytes: 128 * 1024 * 1024 },
  });
  expect(report).toMatchObject({
    is: 'failed',
    problem: expect.stringMatching(/grew|memory limit/) as string,
  });
});

test('ok: the same seed gives the same inputs, another seed others', () => {
  const inputs = (seed: number): string[] => {
    const mutator = createMutator([Buffer.from('key: value, list: [1, 2]')], seededRandom(seed));
    return Array.from({ length: 200 }, () => Buffer.from(mutator.next()).toString('hex'));
  };
  expect(inputs(1)).toEqual(inputs(1));
  expect(inputs(1)).not.toEqual(inputs(2));
  expect(new Set(inputs(1)).size).toBeGreaterThan(150);
});
