import { afterEach, expect, it } from 'vitest';
import { GatehouseError } from '#core/errors/error.ts';
import { silentLog } from '#core/log.ts';
import { Registry } from '#core/metrics/registry.ts';
import { FakeClock } from '#test/kit/clock.ts';
import { until } from '#test/kit/until.ts';
import { thing, THINGS } from '../kube/conformance/thing.ts';
import { openFakeKube, type FakeKube } from '../kube/fake.ts';
import { CONFIG_MAPS, EVENTS } from '../kube/object-types.ts';
import type { KubeObject } from '../kube/kube.ts';
import type { Cache, Controller } from './controller.ts';
import { openRuntime, type Runtime } from './run.ts';

const open: Runtime[] = [];
afterEach(async () => {
  for (const runtime of open.splice(0)) await runtime.close();
});

interface Bench {
  readonly clock: FakeClock;
  readonly kube: FakeKube;
  readonly runtime: Runtime;
  readonly metrics: Registry;
  readonly seen: string[];
  readonly controller: Controller;
}

function bench(watchNamespace?: string): Bench {
  const clock = new FakeClock();
  const kube = openFakeKube({ clock, types: [THINGS] });
  const metrics = new Registry();
  const operator = { id: 'o', namespace: 'op', serviceAccount: 'op', version: '1', watchNamespace };
  const runtime = openRuntime({ kube, clock, metrics, log: silentLog, operator });
  open.push(runtime);
  const seen: string[] = [];
  const controller: Controller = {
    name: 'things',
    type: THINGS,
    related: [{ type: CONFIG_MAPS, keysOf: ({ metadata: { name, namespace } }) => [{ namespace, name }] }],
    async reconcile(key, object) {
      const data = runtime.context.cache.get(CONFIG_MAPS, key)?.['data'];
      seen.push(`${key.namespace}/${key.name} ${JSON.stringify(object?.['spec'])} ${JSON.stringify(data)}`);
      return {};
    },
  };
  return { clock, kube, runtime, metrics, seen, controller };
}

const map = (name: string, v: string, namespace = 'n') => ({
  apiVersion: 'v1',
  kind: 'ConfigMap',
  metadata: { name, namespace },
  data: { v },
});
const idle = (runtime: Runtime): Promise<unknown> => until('idle', () => runtime.isIdle());

it('ok: what is there, what comes, changes and goes is reconciled; related objects count', async () => {
  const { kube, runtime, seen, controller } = bench();
  kube.seed(thing('n', 'a', { n: 1 }));
  kube.seed(map('a', '1'));
  await runtime.start([controller]);
  await idle(runtime);
  expect(seen).toEqual(['n/a {"n":1} {"v":"1"}']);
  expect(runtime.reasons()).toEqual([]);
  kube.seed(thing('n', 'a', { n: 2 }));
  await until('change', () => seen.length === 2);
  kube.seed(map('a', '2'));
  await until('related', () => seen.length === 3);
  await kube.delete(THINGS, { namespace: 'n', name: 'a' });
  await until('gone', () => seen.length === 4);
  runtime.context.enqueue('things', { namespace: 'n', name: 'z' });
  await until('asked', () => seen.length === 5);
  expect(seen.slice(1)).toEqual([
    'n/a {"n":2} {"v":"1"}',
    'n/a {"n":2} {"v":"2"}',
    'n/a undefined {"v":"2"}',
    'n/z undefined undefined',
  ]);
});

it('ok: with a namespace of its own, objects of others are neither listed nor seen', async () => {
  const { kube, runtime, seen, controller } = bench('n');
  kube.seed(thing('n', 'a', {}));
  kube.seed(thing('m', 'b', {}));
  await runtime.start([controller]);
  kube.seed(thing('m', 'c', {}));
  kube.seed(thing('n', 'd', {}));
  await until('both', () => seen.length === 2);
  await idle(runtime);
  expect(seen.map((line) => line.split(' ')[0])).toEqual(['n/a', 'n/d']);
});

it('ok: a type that the cluster lacks is told, waited for, and found when it comes', async () => {
  const { clock, kube, runtime, seen, controller } = bench();
  kube.seed(thing('n', 'a', {}));
  const missing = new GatehouseError('NOT_FOUND', 'the server could not find the requested resource');
  const appear = kube.inject(({ type }) => (type === THINGS ? { before: missing } : undefined));
  const started = runtime.start([controller]);
  await until('told', () => runtime.reasons()[0]?.includes('things.conformance.gatehouse.dev'));
  await clock.advance(60_000);
  expect(seen).toEqual([]);
  appear();
  await clock.advance(10_000);
  await started;
  await idle(runtime);
  expect([seen.length, runtime.reasons()]).toEqual([1, []]);
});

it('ok: a cut watch goes on without a list; an expired one lists and tells only what changed', async () => {
  const { clock, kube, runtime, seen, controller } = bench();
  kube.seed(thing('n', 'a', {}));
  kube.seed(thing('n', 'b', {}));
  await runtime.start([controller]);
  await idle(runtime);
  const lists = (): number => kube.calls.filter(({ verb }) => verb === 'list').length;
  const before = lists();
  await until('watches', () => kube.watching() === 2);
  kube.cutWatches();
  kube.seed(thing('n', 'c', {}));
  await until('again', async () => (await clock.advance(1000), seen.length === 3));
  expect(lists()).toBe(before);
  await until('watches', () => kube.watching() === 2);
  kube.cutWatches({ hasExpired: true });
  await kube.delete(THINGS, { namespace: 'n', name: 'a' });
  kube.seed(thing('n', 'b', { changed: true }));
  await until('listed', async () => (await clock.advance(1000), seen.length === 5));
  await idle(runtime);
  expect(seen.slice(3).sort()).toEqual(['n/a undefined undefined', 'n/b {"changed":true} undefined']);
  expect(lists()).toBeGreaterThan(before);
});

it('ok: a failed reconcile is tried again, counted, and its end by close is awaited', async () => {
  const { clock, kube, runtime, metrics, controller } = bench();
  let tries = 0;
  const failing: Controller = {
    ...controller,
    reconcile: async () => {
      tries += 1;
      if (tries < 3) throw new GatehouseError('UNAVAILABLE', 'no');
      return {};
    },
  };
  kube.seed(thing('n', 'a', {}));
  await runtime.start([failing]);
  await until('third try', async () => (await clock.advance(1000), tries === 3));
  await idle(runtime);
  const text = metrics.render();
  expect(text).toContain('gatehouse_operator_reconciles_total{controller="things",result="failed"} 2');
  expect(text).toContain('gatehouse_operator_reconciles_total{controller="things",result="done"} 1');
  expect(text).toContain('gatehouse_operator_objects{kind="Thing"} 1');
});

it('S37 ok: an object that breaks the map of who is concerned holds up no other', async () => {
  const { kube, runtime, seen, controller } = bench();
  const related = controller.related!.map((one) => ({
    ...one,
    keysOf: (object: KubeObject, cache: Cache) => {
      if (object.metadata.name === 'hostile') throw new TypeError('spec is not iterable');
      return one.keysOf(object, cache);
    },
  }));
  kube.seed(map('hostile', '1'));
  await runtime.start([{ ...controller, related }]);
  kube.seed(map('a', '1'));
  await until('the other', () => seen.length === 1);
  expect([seen, runtime.reasons()]).toEqual([['n/a undefined {"v":"1"}'], []]);
});

it('ok: equal events are one with a count; an object that says too much is cut short', async () => {
  const { clock, kube, runtime } = bench();
  const object = kube.seed(thing('n', 'a', {}));
  const say = (message: string): void =>
    runtime.context.record(object, { type: 'Warning', reason: 'Broken', message });
  for (let i = 0; i < 100; i++) say('the same');
  await until('event', () => kube.all(EVENTS).length === 1);
  await clock.advance(61_000);
  say('the same');
  await until('count', () => kube.all(EVENTS)[0]?.['count'] === 101);
  expect(kube.all(EVENTS)[0]).toMatchObject({
    type: 'Warning',
    reason: 'Broken',
    message: 'the same',
    involvedObject: { kind: 'Thing', name: 'a', namespace: 'n', uid: object.metadata.uid },
  });
  for (let i = 0; i < 100; i++) {
    say(`another ${i}`);
    await clock.advance(1);
  }
  const wrote = kube.calls.filter(({ type }) => type === EVENTS).length;
  expect(wrote).toBeLessThan(30);
});
