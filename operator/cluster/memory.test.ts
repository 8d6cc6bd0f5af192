import { expect, it } from 'vitest';
import { samplePlan, FULL_SPEC } from '#test/kit/cluster-plan.ts';
import { covers } from './apply.ts';
import { conditionsFor, transitions } from './conditions.ts';
import { isHarmless } from './harmless.ts';
import { EMPTY_MEMORY, keepRevisions, memoryObject, readMemory, type Memory } from './memory.ts';
import type { Revision } from './plan.ts';
import { wantedRevisions } from './resources/revision.ts';

const plan = samplePlan(FULL_SPEC, { tlsSecret: 'web' });
const revisions = wantedRevisions(plan);
const memory: Memory = {
  rollout: {
    good: { auth: revisions.auth.name },
    moving: { step: 'proxy', revision: 'y', since: 5, pods: 1 },
    failed: { step: 'auth', wanted: 'w', reason: 'r', message: 'm' },
  },
  revisions: { auth: [revisions.auth], proxy: [revisions.proxy] },
  caPins: ['sha256:0'],
};
const vouched = { auth: new Set([revisions.auth.name]), proxy: new Set([revisions.proxy.name]) };
const read = (value: unknown): Memory =>
  readMemory(
    'main',
    {
      ...memoryObject(plan, EMPTY_MEMORY),
      data: { 'memory.json': typeof value === 'string' ? value : JSON.stringify(value) },
    },
    vouched,
  );

it('ok: what is remembered is read back', () => {
  expect(read(memory)).toEqual(memory);
  expect(readMemory('main', undefined, vouched)).toEqual(EMPTY_MEMORY);
});

it('S37 refuses: a good revision that neither the status nor a StatefulSet names', () => {
  const others = { auth: new Set(['none', undefined]), proxy: new Set<string>() };
  const { rollout, revisions: kept } = readMemory('main', memoryObject(plan, memory), others);
  expect([rollout.good, kept]).toEqual([{}, memory.revisions]);
});

const changed: readonly [string, (revision: { files: object; template: object }) => object][] = [
  ['image', ({ template }) => ({ template: replaced(template, 'gatehouse:', 'evil:') })],
  ['file', ({ files }) => ({ files: { ...files, 'gatehouse.yaml': 'version: v3' } })],
  ['Secret', ({ template }) => ({ template: replaced(template, '"web"', '"admin"') })],
  ['ConfigMap', ({ template }) => ({ template: replaced(template, 'main-proxy-', 'main-auth-') })],
  ['name', ({ template }) => ({ name: 'x', template: replaced(template, revisions.proxy.name, 'x') })],
];
const replaced = (value: object, text: string, by: string): object => {
  const json = JSON.stringify(value);
  expect(json).toContain(text);
  return JSON.parse(json.replaceAll(text, by)) as object;
};
it.each(changed)(
  'S37 refuses: a remembered revision with another %s than its name stands for',
  (_, change) => {
    const evil = { ...revisions.proxy, ...change(revisions.proxy) };
    expect(read({ ...memory, revisions: { auth: [], proxy: [evil] } })).toEqual(EMPTY_MEMORY);
  },
);

it.each([
  '',
  '{',
  'null',
  '[]',
  {},
  { ...memory, caPins: 'x' },
  { ...memory, rollout: { good: null } },
  { ...memory, rollout: { good: {}, moving: { step: 'database', revision: 'x', since: 0, pods: 0 } } },
  { ...memory, rollout: { good: {}, moving: { step: 'auth', revision: 'x', since: 'now', pods: 0 } } },
  { ...memory, revisions: { auth: [] } },
  { ...memory, revisions: { auth: [{ ...revisions.auth, files: { a: 1 } }], proxy: [] } },
])('refuses: what no operator wrote counts as nothing: %j', (value) => {
  expect(read(value)).toEqual(EMPTY_MEMORY);
});

type Pod = { spec: { containers: Record<string, unknown>[]; volumes: object[] } & Record<string, unknown> };
const hostile: readonly [string, (pod: Pod) => void][] = [
  ['a file of the node', ({ spec }) => spec.volumes.push({ name: 'x', hostPath: { path: '/' } })],
  ['the network of the node', ({ spec }) => Object.assign(spec, { hostNetwork: true })],
  ['processes of the node', ({ spec }) => Object.assign(spec, { hostPID: true })],
  ['another account', ({ spec }) => Object.assign(spec, { serviceAccountName: 'admin' })],
  ['root', ({ spec }) => Object.assign(spec, { securityContext: { runAsUser: 0 } })],
  [
    'one right more',
    ({ spec }) =>
      Object.assign(spec, {
        securityContext: { ...(spec['securityContext'] as object), supplementalGroups: [0] },
      }),
  ],
  ['a second container', ({ spec }) => spec.containers.push({ name: 'x', image: 'x' })],
  ['a container before', ({ spec }) => Object.assign(spec, { initContainers: [{ name: 'x', image: 'x' }] })],
  [
    'a privileged one',
    ({ spec }) => Object.assign(spec.containers[0] ?? {}, { securityContext: { privileged: true } }),
  ],
  ['another command', ({ spec }) => Object.assign(spec.containers[0] ?? {}, { command: ['sh'] })],
  [
    'a hook',
    ({ spec }) => Object.assign(spec.containers[0] ?? {}, { lifecycle: { postStart: { exec: {} } } }),
  ],
  ['a node', ({ spec }) => Object.assign(spec, { nodeName: 'control-plane' })],
];
it.each(hostile)('S37 refuses: a remembered template with %s', (_, change) => {
  const template = structuredClone(revisions.proxy.template) as unknown as Pod;
  expect(isHarmless(template, 'main-proxy')).toBe(true);
  change(template);
  expect(isHarmless(template, 'main-proxy')).toBe(false);
  expect(read({ ...memory, revisions: { auth: [], proxy: [{ ...revisions.proxy, template }] } })).toEqual(
    EMPTY_MEMORY,
  );
});

it('ok: revisions are kept as long as one may go back to them', () => {
  const named = (name: string): Revision => ({ ...revisions.auth, name });
  const before = { ...memory, revisions: { auth: [named('a'), named('b')], proxy: [] } };
  const names = { auth: new Set(['b', 'c']), proxy: new Set<string>() };
  const kept = keepRevisions(before, { auth: named('c'), proxy: named('p') }, names);
  expect([kept.auth.map(({ name }) => name), kept.proxy]).toEqual([['b', 'c'], []]);
});

it.each([
  [{ a: 1, b: 2 }, { a: 1 }, true],
  [{ a: 1 }, { a: 1, b: 2 }, false],
  [{ a: [1, 2] }, { a: [1] }, false],
  [{ a: ['x', 'y'] }, { a: ['y', 'x'] }, false],
  [{ a: [{ n: 1, more: 1 }, { n: 2 }] }, { a: [{ n: 2 }, { n: 1 }] }, true],
  [{}, { a: {}, b: false, c: '', d: [] }, true],
  [{}, { a: 0 }, false],
  [undefined, { a: 1 }, false],
  [{ a: 'x' }, { a: undefined }, true],
])('ok: %j has all of %j: %s', (live, wanted, isCovered) => {
  expect(covers(live, wanted)).toBe(isCovered);
});

it('ok: the time of a condition is that of its last change; a new reason is worth an event', () => {
  const old = {
    type: 'Ready',
    status: 'True',
    reason: 'A',
    message: 'm',
    observedGeneration: 1,
    lastTransitionTime: '2026-01-01T00:00:00Z',
  } as const;
  const object = { ...plan.object, status: { conditions: [old] } };
  const verdict = { type: 'Ready', status: 'True', reason: 'B', message: 'x'.repeat(9000) } as const;
  const now = Date.parse('2026-02-02T00:00:00Z');
  const [same] = conditionsFor(object, [verdict], now);
  expect([same?.lastTransitionTime, same?.message.length]).toEqual(['2026-01-01T00:00:00Z', 4096]);
  const [other] = conditionsFor(object, [{ ...verdict, status: 'False' }], now);
  expect(other?.lastTransitionTime).toBe('2026-02-02T00:00:00Z');
  expect(transitions([old], [{ ...old, message: 'other' }])).toEqual([]);
  expect(transitions([old], [{ ...old, reason: 'B' }])).toHaveLength(1);
});
