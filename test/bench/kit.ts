// What benchmarks share: two ways to do the same thing, run in turn so that both see the same machine, and told as
// absolute numbers and a ratio.

export interface Comparison {
  readonly name: string;
  /** One round of work, which does `operations` operations. */
  readonly ours: () => Promise<void> | void;
  readonly reference: () => Promise<void> | void;
  readonly operations: number;
  /** What an operation is: "puts". */
  readonly unit: string;
  /** Default 9; two more are run first and not counted. */
  readonly rounds?: number;
}

export interface Result {
  readonly name: string;
  /** Operations per second, medians over the rounds. */
  readonly ours: number;
  readonly reference: number;
  /** Above 1: ours does more per second. */
  readonly ratio: number;
}

export async function compare(comparison: Comparison): Promise<Result> {
  const { name, ours, reference, operations, unit, rounds = 9 } = comparison;
  const times = { ours: [] as number[], reference: [] as number[] };
  for (let round = -2; round < rounds; round++) {
    // The order changes each round, so that neither always runs on what the other left behind.
    const order = round % 2 === 0 ? (['ours', 'reference'] as const) : (['reference', 'ours'] as const);
    for (const which of order) {
      const spent = await time(which === 'ours' ? ours : reference);
      if (round >= 0) times[which].push(spent);
    }
  }
  const perSecond = (all: readonly number[]): number => (operations / median(all)) * 1000;
  const result = { name, ours: perSecond(times.ours), reference: perSecond(times.reference) };
  const ratio = result.ours / result.reference;
  console.log(
    `${name.padEnd(44)} ${count(result.ours)} ${unit}/s   reference ${count(result.reference)} ${unit}/s   ratio ${ratio.toFixed(2)}`,
  );
  return { ...result, ratio };
}

/** Milliseconds that one call takes. */
export async function time(work: () => Promise<void> | void): Promise<number> {
  const started = performance.now();
  await work();
  return performance.now() - started;
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1
    ? (sorted[middle] ?? 0)
    : ((sorted[middle - 1] ?? 0) + (sorted[middle] ?? 0)) / 2;
}

/** A heading that says what the numbers were taken on. */
export function printHeading(title: string): void {
  console.log(`${title} (node ${process.versions.node}, ${process.platform} ${process.arch})`);
}

function count(value: number): string {
  return Math.round(value).toLocaleString('en-US').padStart(10);
}
