// Conformance: random sequences of operations against a simple model, with time passing, and the watch folded back
// into the state it describes.
import * as fc from 'fast-check';
import { expect } from 'vitest';
import type { FakeClock } from '#test/kit/clock.ts';
import type { AtomicStep, Backend, Condition, Revision } from '../backend.ts';
import { bytes, changesUntil, item, text } from './case.ts';

const KEYS = ['a', 'a/', 'a/b', 'a/c', 'a0', 'b', 'b/~', '~'] as const;

interface ModelItem {
  readonly value: string;
  readonly expires: number | undefined;
  readonly revision: Revision;
}
type Model = Map<string, ModelItem>;

/** `at`: whether a revision condition names the current revision or an old one. */
type Op =
  | {
      readonly op: 'put' | 'create';
      readonly key: string;
      readonly value: string;
      readonly ttl: number | undefined;
    }
  | { readonly op: 'update'; readonly key: string; readonly value: string; readonly at: boolean }
  | { readonly op: 'delete'; readonly key: string; readonly at: boolean | undefined }
  | { readonly op: 'atomic'; readonly steps: readonly ModelStep[] }
  | { readonly op: 'wait'; readonly ms: number };

interface ModelStep {
  readonly key: string;
  readonly condition: 'any' | 'absent' | 'present' | 'current' | 'stale';
  readonly action: 'put' | 'delete' | 'check';
  readonly value: string;
}

const key = fc.constantFrom(...KEYS);
const value = fc.string({ maxLength: 8 });
const ttl = fc.option(fc.integer({ min: 1, max: 5000 }), { nil: undefined, freq: 2 });
const step: fc.Arbitrary<ModelStep> = fc.record({
  key,
  value,
  condition: fc.constantFrom('any', 'any', 'absent', 'present', 'current', 'stale'),
  action: fc.constantFrom('put', 'put', 'delete', 'check'),
});
const op: fc.Arbitrary<Op> = fc.oneof(
  fc.record({ op: fc.constantFrom('put' as const, 'create' as const), key, value, ttl }),
  fc.record({ op: fc.constant('update' as const), key, value, at: fc.boolean() }),
  fc.record({ op: fc.constant('delete' as const), key, at: fc.option(fc.boolean(), { nil: undefined }) }),
  fc.record({
    op: fc.constant('atomic' as const),
    steps: fc.uniqueArray(step, { minLength: 1, maxLength: 5, selector: (one) => one.key }),
  }),
  fc.record({ op: fc.constant('wait' as const), ms: fc.integer({ min: 1, max: 4000 }) }),
);

export async function checkProperties(
  open: (clock: FakeClock) => Promise<Backend>,
  newClock: () => FakeClock,
  runs: number,
): Promise<void> {
  const property = fc.asyncProperty(fc.array(op, { minLength: 1, maxLength: 40 }), async (ops) => {
    const clock = newClock();
    const backend = await open(clock);
    try {
      await runOps(backend, clock, ops);
    } finally {
      await backend.close();
    }
  });
  await fc.assert(property, { numRuns: runs });
}

async function runOps(backend: Backend, clock: FakeClock, ops: readonly Op[]): Promise<void> {
  const model: Model = new Map();
  const start = await backend.revision();
  for (const one of ops) {
    if (one.op === 'wait') await clock.advance(one.ms);
    dropExpired(model, clock.now());
    const expected = predict(model, one);
    const outcome = await perform(backend, clock, model, one);
    expect(outcome.code ?? 'ok').toBe(expected);
    if (outcome.revision !== undefined) apply(model, one, outcome.revision, clock.now());
    await compare(backend, model);
  }
  await compareWatch(backend, clock, model, start);
}

function predict(model: Model, one: Op): string {
  switch (one.op) {
    case 'wait':
    case 'put':
      return 'ok';
    case 'create':
      return model.has(one.key) ? 'ALREADY_EXISTS' : 'ok';
    case 'update':
      return model.has(one.key) && one.at ? 'ok' : 'CONDITION_FAILED';
    case 'delete':
      if (!model.has(one.key)) return 'NOT_FOUND';
      return one.at === false ? 'CONDITION_FAILED' : 'ok';
    case 'atomic':
      return one.steps.map((each) => predictStep(model, each)).find((code) => code !== 'ok') ?? 'ok';
  }
}

function predictStep(model: Model, { key, condition }: ModelStep): string {
  const present = model.has(key);
  if (condition === 'absent') return present ? 'ALREADY_EXISTS' : 'ok';
  if (condition === 'present') return present ? 'ok' : 'NOT_FOUND';
  if (condition === 'current') return present ? 'ok' : 'CONDITION_FAILED';
  return condition === 'stale' ? 'CONDITION_FAILED' : 'ok';
}

async function perform(
  backend: Backend,
  clock: FakeClock,
  model: Model,
  one: Op,
): Promise<{ readonly code?: string; readonly revision?: Revision }> {
  try {
    return { revision: await call(backend, clock, model, one) };
  } catch (error) {
    return { code: (error as { code: string }).code };
  }
}

async function call(backend: Backend, clock: FakeClock, model: Model, one: Op): Promise<Revision> {
  const revisionOf = (key: string, current: boolean): Revision =>
    current ? (model.get(key)?.revision ?? '1') : '1';
  switch (one.op) {
    case 'put':
    case 'create':
      return backend[one.op](
        item(one.key, one.value, one.ttl === undefined ? undefined : clock.now() + one.ttl),
      );
    case 'update':
      return backend.update(item(one.key, one.value), revisionOf(one.key, one.at));
    case 'delete':
      return backend.delete(one.key, one.at === undefined ? undefined : revisionOf(one.key, one.at));
    case 'atomic':
      return backend.atomicWrite(
        one.steps.map(({ key, condition, action, value }): AtomicStep => {
          const is: Condition =
            condition === 'current' || condition === 'stale'
              ? { is: 'revision', revision: revisionOf(key, condition === 'current') }
              : { is: condition };
          return {
            key,
            condition: is,
            action: action === 'put' ? { do: 'put', value: bytes(value) } : { do: action },
          };
        }),
      );
    case 'wait':
      return backend.revision();
  }
}

function apply(model: Model, one: Op, revision: Revision, now: number): void {
  switch (one.op) {
    case 'put':
    case 'create':
      model.set(one.key, {
        value: one.value,
        expires: one.ttl === undefined ? undefined : now + one.ttl,
        revision,
      });
      break;
    case 'update':
      model.set(one.key, { value: one.value, expires: undefined, revision });
      break;
    case 'delete':
      model.delete(one.key);
      break;
    case 'atomic':
      for (const { key, action, value } of one.steps) {
        if (action === 'put') model.set(key, { value, expires: undefined, revision });
        if (action === 'delete') model.delete(key);
      }
      break;
    case 'wait':
      break;
  }
}

function dropExpired(model: Model, now: number): void {
  for (const [key, { expires }] of model) if (expires !== undefined && expires <= now) model.delete(key);
}

function expected(model: Model, prefix: string): string[] {
  const keys = [...model.keys()].filter((key) => key.startsWith(prefix)).toSorted();
  return keys.map((key) => `${key}=${model.get(key)?.value}@${model.get(key)?.revision}`);
}

async function compare(backend: Backend, model: Model): Promise<void> {
  for (const prefix of ['', 'a/']) {
    const found: string[] = [];
    let after: string | undefined;
    do {
      const page = await backend.range({ prefix, after, limit: 3 });
      for (const one of page.items) found.push(`${one.key}=${text(one.value)}@${one.revision}`);
      after = page.next;
    } while (after !== undefined);
    expect(found).toEqual(expected(model, prefix));
  }
  for (const key of KEYS) expect((await backend.get(key))?.revision).toBe(model.get(key)?.revision);
}

/** What the watch tells from the start on adds up to the state. */
async function compareWatch(
  backend: Backend,
  clock: FakeClock,
  model: Model,
  start: Revision,
): Promise<void> {
  const end = await backend.put(item('end', ''));
  const folded: Model = new Map();
  for (const batch of await changesUntil({ backend, clock }, { from: start }, end)) {
    for (const event of batch.events) {
      if (event.type === 'delete') folded.delete(event.key);
      else {
        const { key, value, expires, revision } = event.item;
        folded.set(key, { value: text(value) ?? '', expires, revision });
      }
    }
  }
  folded.delete('end');
  // Time went on while the watch was read.
  dropExpired(folded, clock.now());
  dropExpired(model, clock.now());
  expect(expected(folded, '')).toEqual(expected(model, ''));
}
