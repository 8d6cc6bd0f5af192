// Runs one target in a thread of its own, so that a target that hangs or eats memory ends only the thread. The input
// under test is always in shared memory, where the watchdog of run-target.ts finds it after such an end.
import { readFileSync } from 'node:fs';
import { getHeapStatistics } from 'node:v8';
import { parentPort, workerData } from 'node:worker_threads';
import { GatehouseError } from '#core/errors/error.ts';
import { createMutator } from './mutate.ts';
import { seededRandom } from './random.ts';
import { type FuzzTarget, loadTarget } from './target.ts';

export interface WorkerInput {
  readonly file: string;
  readonly seed: number;
  readonly milliseconds: number;
  readonly maxRuns: number;
  /** Files of inputs that failed before; tried first. */
  readonly saved: readonly string[];
  readonly limits: Limits;
  /** `control` holds the number of runs and the length of the input in `bytes`. */
  readonly control: Int32Array;
  readonly bytes: Uint8Array;
}

export interface Limits {
  readonly cpuMsPerRun: number;
  readonly bytesPerRun: number;
}

export type WorkerOutput =
  | {
      readonly is: 'done';
      readonly runs: number;
      readonly accepted: number;
      readonly outcomes: number;
      readonly seedsAccepted: number;
    }
  | { readonly is: 'failed'; readonly runs: number; readonly problem: string; readonly input: Uint8Array };

interface Outcome {
  /** Set when the run broke the rules. */
  readonly problem?: string;
  /** What happened, without the values in it: inputs that give a new one are built upon. */
  readonly signature: string;
}

const SHRINK_ATTEMPTS = 400;

function runOnce(target: FuzzTarget, input: Uint8Array, limits: Limits): Outcome {
  const externalBefore = getHeapStatistics().external_memory;
  const before = process.threadCpuUsage();
  let outcome: Outcome;
  try {
    target.run(Uint8Array.from(input));
    outcome = { signature: 'accepted' };
  } catch (error) {
    outcome = outcomeOf(error);
  }
  if (outcome.problem !== undefined) return outcome;
  const { user, system } = process.threadCpuUsage(before);
  const cpuMs = (user + system) / 1000;
  if (cpuMs > limits.cpuMsPerRun) {
    return { problem: `took ${Math.round(cpuMs)} ms of CPU for ${input.length} bytes`, signature: 'slow' };
  }
  const grown = getHeapStatistics().external_memory - externalBefore;
  if (grown > limits.bytesPerRun)
    return { problem: `took ${grown} bytes of memory for ${input.length} bytes`, signature: 'big' };
  return outcome;
}

function outcomeOf(error: unknown): Outcome {
  if (error instanceof GatehouseError) {
    const words = error.message.replaceAll(/"[^"]*"|'[^']*'|`[^`]*`|[\d.]+/g, '').slice(0, 120);
    return { signature: `${error.code} ${String(error.details['reason'] ?? '')} ${words}` };
  }
  const thrown = error instanceof Error ? error : new Error(`threw ${typeof error}, not an Error`);
  return {
    problem: `threw ${thrown.stack ?? thrown.message}`,
    signature: `${thrown.name} ${thrown.message.slice(0, 40)}`,
  };
}

/** A smaller input with the same problem, found by cutting pieces out; good enough to read. */
function shrink(target: FuzzTarget, input: Uint8Array, signature: string, limits: Limits): Uint8Array {
  let best = input;
  let attempts = 0;
  for (let size = best.length >> 1; size >= 1 && attempts < SHRINK_ATTEMPTS; size >>= 1) {
    for (let at = 0; at < best.length && attempts < SHRINK_ATTEMPTS; attempts += 1) {
      const smaller = Uint8Array.from([...best.subarray(0, at), ...best.subarray(at + size)]);
      if (runOnce(target, smaller, limits).signature === signature) best = smaller;
      else at += size;
    }
  }
  return best;
}

async function fuzz(data: WorkerInput): Promise<WorkerOutput> {
  const target = await loadTarget(data.file);
  const mutator = createMutator(target.seeds, seededRandom(data.seed));
  const signatures = new Set<string>();
  let runs = 0;
  let accepted = 0;
  const attempt = (input: Uint8Array, keep: boolean): Extract<WorkerOutput, { is: 'failed' }> | undefined => {
    data.bytes.set(input.subarray(0, data.bytes.length));
    Atomics.store(data.control, 1, Math.min(input.length, data.bytes.length));
    Atomics.store(data.control, 0, (runs += 1));
    const { problem, signature } = runOnce(target, input, data.limits);
    if (problem !== undefined) {
      const canShrink = signature !== 'slow' && signature !== 'big';
      return {
        is: 'failed',
        runs,
        problem,
        input: canShrink ? shrink(target, input, signature, data.limits) : input,
      };
    }
    if (signature === 'accepted') accepted += 1;
    if (keep && !signatures.has(signature)) {
      signatures.add(signature);
      mutator.keep(input);
    }
    return undefined;
  };
  for (const path of data.saved) {
    const failed = attempt(Uint8Array.from(readFileSync(path)), false);
    if (failed !== undefined) return failed;
  }
  accepted = 0;
  for (const seed of target.seeds) {
    const failed = attempt(seed, true);
    if (failed !== undefined) return failed;
  }
  const seedsAccepted = accepted;
  const end = performance.now() + data.milliseconds;
  while (runs < data.maxRuns && performance.now() < end) {
    const failed = attempt(mutator.next(), true);
    if (failed !== undefined) return failed;
  }
  return { is: 'done', runs, accepted, outcomes: signatures.size, seedsAccepted };
}

if (parentPort === null) throw new Error('started by run-target.ts only');
const port = parentPort;
port.postMessage(await fuzz(workerData as WorkerInput));
