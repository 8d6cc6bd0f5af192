// Fuzzes one target for a while: starts the thread, watches that it gets on and stays small, saves what it broke on.
import { createHash } from 'node:crypto';
import { mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import type { Limits, WorkerInput, WorkerOutput } from './worker.ts';

export interface FuzzOptions {
  readonly name: string;
  readonly file: string;
  readonly seed: number;
  readonly milliseconds: number;
  /** Ends earlier after this many runs. */
  readonly maxRuns?: number;
  /** Folder of saved inputs; each target has its own below it. */
  readonly saveIn: string;
  readonly limits?: Partial<FuzzLimits>;
}

export interface FuzzLimits extends Limits {
  /** A run that has not ended after this long hangs. */
  readonly hangMs: number;
  /** How much the process may grow while the target runs, and the heap of its thread. */
  readonly growthBytes: number;
}

export type FuzzReport =
  | Extract<WorkerOutput, { is: 'done' }>
  | {
      readonly is: 'failed';
      readonly runs: number;
      readonly problem: string;
      readonly input: Uint8Array;
      readonly savedAs: string;
    };

const MIB = 1024 * 1024;
const MAX_INPUT_BYTES = MIB;
const LOOK_EVERY_MS = 100;

const LIMITS: FuzzLimits = {
  cpuMsPerRun: 1000,
  bytesPerRun: 64 * MIB,
  hangMs: 20_000,
  growthBytes: 384 * MIB,
};

/** Never throws for what the target does; the report says it. */
export async function fuzzTarget(options: FuzzOptions): Promise<FuzzReport> {
  const limits = { ...LIMITS, ...options.limits };
  const control = new Int32Array(new SharedArrayBuffer(8));
  const bytes = new Uint8Array(new SharedArrayBuffer(MAX_INPUT_BYTES));
  const folder = join(options.saveIn, options.name.toLowerCase().replaceAll(/[^a-z0-9]+/g, '-'));
  const workerData: WorkerInput = {
    file: options.file,
    seed: options.seed,
    milliseconds: options.milliseconds,
    maxRuns: options.maxRuns ?? Number.MAX_SAFE_INTEGER,
    saved: savedInputs(folder),
    limits,
    control,
    bytes,
  };
  const output = await watched(workerData, limits);
  if (output.is === 'done') return output;
  mkdirSync(folder, { recursive: true });
  const savedAs = join(folder, `${createHash('sha256').update(output.input).digest('hex').slice(0, 16)}.bin`);
  writeFileSync(savedAs, output.input);
  return { ...output, savedAs };
}

function savedInputs(folder: string): string[] {
  try {
    return readdirSync(folder)
      .filter((name) => name.endsWith('.bin'))
      .sort()
      .map((name) => join(folder, name));
  } catch {
    return [];
  }
}

function watched(workerData: WorkerInput, limits: FuzzLimits): Promise<WorkerOutput> {
  const { control, bytes } = workerData;
  return new Promise((resolve) => {
    const worker = new Worker(new URL('./worker.ts', import.meta.url), {
      workerData,
      execArgv: ['--disable-warning=ExperimentalWarning'],
      resourceLimits: { maxOldGenerationSizeMb: Math.ceil(limits.growthBytes / MIB / 2) },
    });
    const rssBefore = process.memoryUsage.rss();
    let seen = -1;
    let seenAt = performance.now();
    const end = (output: WorkerOutput): void => {
      clearInterval(timer);
      resolve(output);
      void worker.terminate();
    };
    const fail = (problem: string): void => {
      const input = Uint8Array.from(bytes.subarray(0, Atomics.load(control, 1)));
      end({ is: 'failed', runs: Atomics.load(control, 0), problem, input });
    };
    const timer = setInterval(() => {
      const runs = Atomics.load(control, 0);
      const now = performance.now();
      if (runs !== seen) {
        seen = runs;
        seenAt = now;
      } else if (now - seenAt > limits.hangMs) fail(`hangs: no end after ${limits.hangMs} ms`);
      const grown = process.memoryUsage.rss() - rssBefore;
      if (grown > limits.growthBytes) fail(`the process grew by ${Math.round(grown / MIB)} MiB`);
    }, LOOK_EVERY_MS);
    worker.once('message', (output: WorkerOutput) => end(output));
    worker.once('error', (error) => fail(`ended its thread: ${(error as Error).stack ?? String(error)}`));
    worker.once('exit', () => fail('ended its thread'));
  });
}
