import { expect, it } from 'vitest';
import type { KubeObject } from '../kube/kube.ts';
import { countsOf, lookAt } from './health.ts';
import { REVISION_LABEL } from './names.ts';
import { pickPod } from './replace.ts';

const set = (status: object | undefined, replicas = 2): KubeObject => ({
  apiVersion: 'apps/v1',
  kind: 'StatefulSet',
  metadata: { name: 's', uid: 'u', generation: 3, labels: { [REVISION_LABEL]: 'r2' } },
  spec: { replicas },
  ...(status === undefined ? {} : { status }),
});
const all = { observedGeneration: 3, updatedReplicas: 2, availableReplicas: 2 };

interface PodOptions {
  readonly revision?: string;
  readonly isReady?: boolean;
  readonly isGoing?: boolean;
  readonly uid?: string;
  readonly container?: object;
  readonly conditions?: readonly object[];
}

function pod(ordinal: number, options: PodOptions = {}): KubeObject {
  const { revision = 'r2', isReady = true, isGoing = false, uid = 'u', container, conditions = [] } = options;
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      name: `s-${ordinal}`,
      labels: { [REVISION_LABEL]: revision },
      ownerReferences: [{ apiVersion: 'apps/v1', kind: 'StatefulSet', name: 's', uid }],
      ...(isGoing ? { deletionTimestamp: '2026-01-01T00:00:00Z' } : {}),
    },
    status: {
      conditions: [...conditions, { type: 'Ready', status: isReady ? 'True' : 'False' }],
      ...(container === undefined ? {} : { containerStatuses: [{ name: 'gatehouse', ...container }] }),
    },
  };
}

it.each([
  [undefined, 'absent'],
  [set(undefined), 'rolling'],
  [set({ ...all, observedGeneration: 2 }), 'rolling'],
  [set({ ...all, updatedReplicas: 1 }), 'rolling'],
  [set({ ...all, availableReplicas: 1 }), 'rolling'],
  [set(all), 'ready'],
  [set({ observedGeneration: 3 }, 0), 'ready'],
] as const)('ok: %j is %s', (object, state) => {
  expect(lookAt(object, []).state).toBe(state);
});

const waiting = (reason: string, message?: string) => ({ state: { waiting: { reason, message } } });
const ended = (message: string) => ({ terminated: { exitCode: 1, message } });
it.each([
  [waiting('ImagePullBackOff', 'no such image'), 'broken', 'no such image'],
  [waiting('InvalidImageName'), 'broken', 'InvalidImageName'],
  [waiting('CreateContainerConfigError', 'secret "x" not found'), 'broken', 'secret "x" not found'],
  [waiting('ErrImagePull', 'timeout'), 'rolling', '0 of 2'],
  [
    { restartCount: 3, lastState: ended('line 1\nthe reason\n') },
    'broken',
    'ended 3 times: line 1 the reason',
  ],
  [{ restartCount: 2, lastState: ended('not yet') }, 'rolling', 'not yet'],
  [{ restartCount: 9, ready: true, lastState: ended('long ago') }, 'rolling', '0 of 2'],
  [
    { restartCount: 3, lastState: { terminated: { reason: 'OOMKilled', exitCode: 137 } } },
    'broken',
    'OOMKilled, exit code 137',
  ],
] as const)('ok: a container with %j is %s: %s', (container, state, words) => {
  const seen = lookAt(set({ observedGeneration: 3 }), [pod(1, { isReady: false, container })]);
  expect([seen.state, seen.message.includes(words)]).toEqual([state, true]);
});

it('ok: pods of other revisions break nothing; a pod without a node says so; words are cut to their end', () => {
  const old = pod(1, { revision: 'r1', isReady: false, container: waiting('ImagePullBackOff') });
  expect(lookAt(set({ observedGeneration: 3 }), [old]).state).toBe('rolling');
  const conditions = [{ type: 'PodScheduled', status: 'False', message: '0/3 nodes are available' }];
  expect(lookAt(set({ observedGeneration: 3 }), [pod(1, { isReady: false, conditions })]).message).toContain(
    'has no node: 0/3 nodes are available',
  );
  const container = { restartCount: 3, lastState: ended(`${'x'.repeat(5000)} the end`) };
  const { message } = lookAt(set({ observedGeneration: 3 }), [pod(0, { isReady: false, container })]);
  expect([message.length < 700, message.endsWith('the end')]).toEqual([true, true]);
});

it('ok: counts', () => {
  expect(countsOf(undefined)).toEqual({ replicas: 0, ready: 0 });
  expect(countsOf(set({ replicas: 2, readyReplicas: 1 }))).toEqual({ replicas: 2, ready: 1 });
});

const old = (ordinal: number, more: PodOptions = {}) => pod(ordinal, { revision: 'r1', ...more });
it.each([
  ['all are new', set(all), [pod(0), pod(1)], undefined],
  ['all serve: the last one', set(all), [old(0), old(1)], 's-1'],
  [
    'from ten on numbers are numbers',
    set({ ...all, availableReplicas: 11 }, 11),
    Array.from({ length: 11 }, (_, i) => old(i)),
    's-10',
  ],
  ['the new one is not ready', set(all), [old(0), pod(1, { isReady: false })], undefined],
  ['the new one is ready for a moment', set({ ...all, availableReplicas: 1 }), [old(0), pod(1)], undefined],
  ['one is going', set(all), [old(0), old(1, { isGoing: true })], undefined],
  ['one is missing', set(all), [old(0)], undefined],
  ['an old one that does not serve goes first', set(all), [old(0), old(1, { isReady: false })], 's-1'],
  [
    'also when a new one is not ready',
    set(all),
    [old(0, { isReady: false }), pod(1, { isReady: false })],
    's-0',
  ],
  ['pods of others are not ours', set(all), [old(0, { uid: 'x' }), old(1, { uid: 'x' })], undefined],
] as const)('ok: which pod gives way: %s', (_, object, pods, name) => {
  expect(pickPod(object, pods)?.metadata.name).toBe(name);
});
