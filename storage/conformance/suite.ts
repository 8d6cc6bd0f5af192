// The suite that every backend passes unchanged: `conformance({ name, open })` in the backend's own test file.
// Every case opens its own store. A gap that a product cannot close is declared with its reason, printed, and checked
// to be one still.
import { describe, expect, onTestFinished, test } from 'vitest';
import { FakeClock } from '#test/kit/clock.ts';
import type { Backend } from '../backend.ts';
import { atomic } from './atomic.ts';
import { bounds } from './bounds.ts';
import type { Case } from './case.ts';
import { expiry } from './expiry.ts';
import { checkProperties } from './properties.ts';
import { ranges } from './ranges.ts';
import { reads } from './reads.ts';
import { restarts } from './restarts.ts';
import { watches } from './watches.ts';
import { writes } from './writes.ts';

type Open = (clock: FakeClock) => Promise<Backend> | Backend;

export interface ConformanceOptions {
  readonly name: string;
  /** An empty store; the suite closes it, and `onTestFinished` may be used for the rest. */
  readonly open: Open;
  /** An empty store that keeps at most 1,000 changes, and none older than a minute. */
  readonly openShort?: Open;
  /** Opens the data of a store that was closed. */
  readonly reopen?: (closed: Backend, clock: FakeClock) => Promise<Backend> | Backend;
  /** `case` is the name of a case, or `reopen` or `openShort` for the cases that need it. */
  readonly gaps?: readonly { readonly case: string; readonly reason: string }[];
  /** Random sequences to run; default 60. */
  readonly propertyRuns?: number;
}

const THEMES: Readonly<Record<string, readonly Case[]>> = {
  reads,
  writes,
  atomic,
  ranges,
  expiry,
  watches,
  bounds,
  restarts,
};

export function conformance(options: ConformanceOptions): void {
  const { name, gaps = [] } = options;
  describe(`${name} keeps the storage contract`, () => {
    for (const [theme, cases] of Object.entries(THEMES)) {
      describe(theme, () => {
        for (const one of cases) register(options, one);
      });
    }
    test('ok: random operations match a model', { timeout: 120_000 }, () => {
      return checkProperties(
        async (clock) => options.open(clock),
        () => new FakeClock(),
        options.propertyRuns ?? 60,
      );
    });
    test('ok: every declared gap names a case', () => {
      const names = Object.values(THEMES).flatMap((cases) => cases.flatMap((one) => [one.name, one.needs]));
      for (const gap of gaps) expect(names).toContain(gap.case);
    });
  });
}

function register(options: ConformanceOptions, one: Case): void {
  const gap = options.gaps?.find((declared) => declared.case === one.name || declared.case === one.needs);
  if (gap === undefined) {
    test(one.name, { timeout: 60_000 }, () => runCase(options, one));
    return;
  }
  test(`gap: ${one.name} (${gap.reason})`, async () => {
    process.stdout.write(`${options.name}: gap: ${one.name}: ${gap.reason}\n`);
    // A gap that has closed must be taken off the list.
    await expect(runCase(options, one)).rejects.toThrow();
  });
}

async function runCase(options: ConformanceOptions, one: Case): Promise<void> {
  const clock = new FakeClock();
  const open = one.needs === 'openShort' ? options.openShort : options.open;
  if (open === undefined)
    throw new Error(`${options.name} gives no ${one.needs}; declare a gap if it cannot`);
  const backend = await open(clock);
  onTestFinished(() => backend.close());
  const reopen = async (): Promise<Backend> => {
    if (options.reopen === undefined)
      throw new Error(`${options.name} gives no reopen; declare a gap if it cannot`);
    await backend.close();
    const again = await options.reopen(backend, clock);
    onTestFinished(() => again.close());
    return again;
  };
  await one.run({ backend, clock, reopen });
}
