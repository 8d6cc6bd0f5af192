import { expect, it } from 'vitest';
import { GatehouseError } from '#core/errors/error.ts';
import { FakeClock } from '#test/kit/clock.ts';
import { kubeConformance } from './conformance/suite.ts';
import { thing, THINGS } from './conformance/thing.ts';
import { openFakeKube } from './fake.ts';
import type { WatchEvent } from './kube.ts';

const open = () => openFakeKube({ clock: new FakeClock(), types: [THINGS] });

kubeConformance('the fake', async () => ({
  kube: open(),
  namespace: 'one',
  otherNamespace: 'two',
  close: async () => {},
}));

it('ok: faults come before the work, or take its answer; calls are told', async () => {
  const kube = open();
  const fault = new GatehouseError('UNAVAILABLE', 'no answer');
  const stop = kube.inject(({ verb }) => (verb === 'create' ? { before: fault } : undefined));
  await expect(kube.create(thing('n', 'a', {}))).rejects.toBe(fault);
  expect(kube.all(THINGS)).toEqual([]);
  stop();
  kube.inject(({ verb }) => (verb === 'create' ? { after: fault } : undefined));
  await expect(kube.create(thing('n', 'a', {}))).rejects.toBe(fault);
  expect(kube.find(THINGS, { namespace: 'n', name: 'a' })).toBeDefined();
  expect(kube.calls.map(({ verb, key }) => `${verb} ${key?.name}`)).toEqual(['create a', 'create a']);
});

it('ok: seeds come with a status; cut watches end, and expired ones ask for a list', async () => {
  const kube = open();
  const seeded = kube.seed({ ...thing('n', 'a', { n: 1 }), status: { phase: 'good' } });
  expect(seeded).toMatchObject({ metadata: { generation: 1 }, status: { phase: 'good' } });
  const seen: WatchEvent[] = [];
  const watch = async (): Promise<void> => {
    const selection = { resourceVersion: '100' };
    for await (const event of kube.watch(THINGS, selection, new AbortController().signal)) seen.push(event);
  };
  const first = watch();
  await expect.poll(() => seen.length).toBe(2);
  kube.cutWatches();
  await first;
  const second = watch();
  await expect.poll(() => seen.length).toBe(4);
  kube.cutWatches({ hasExpired: true });
  await expect(second).rejects.toMatchObject({ code: 'REVISION_COMPACTED' });
  await expect(watch()).rejects.toMatchObject({ code: 'REVISION_COMPACTED' });
  expect(kube.watching()).toBe(0);
});
