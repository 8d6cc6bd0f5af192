// GatehouseStorages on the fake API server: what their status says, how long they stay, and which specs are of use.
import { afterEach, expect, it } from 'vitest';
import { ClusterBench, clusterObject, NAMESPACE, storageObject } from '#test/kit/cluster-bench.ts';
import { conditionsOf } from '../cluster/conditions.ts';
import { CLUSTER } from '../crds/cluster.ts';
import { parseStorageSpec, STORAGE } from '../crds/storage.ts';
import { storageProblem } from './checks.ts';

const open: ClusterBench[] = [];
afterEach(async () => {
  for (const bench of open.splice(0)) await bench.runtime.close();
});
async function bench(): Promise<ClusterBench> {
  const made = new ClusterBench();
  open.push(made);
  await made.start();
  return made;
}
const key = { namespace: NAMESPACE, name: 'state' };
const find = (b: ClusterBench) => b.kube.find(STORAGE, key);
function says(b: ClusterBench, type: string): string | undefined {
  const object = find(b);
  const found = object === undefined ? undefined : conditionsOf(object).find((one) => one.type === type);
  return found === undefined ? undefined : `${found.status} ${found.reason}: ${found.message}`;
}

it('ok: says whether it is good and who uses it, of its own namespace', async () => {
  const b = await bench();
  b.kube.seed(storageObject());
  const other = clusterObject({ storageRef: { name: 'state' } });
  b.kube.seed({ ...other, metadata: { name: 'elsewhere', namespace: 'other' } });
  await b.settle();
  expect(says(b, 'Ready')).toBe('True Valid: no cluster uses it');
  await b.put({ storageRef: { name: 'state' } });
  expect([says(b, 'Ready'), find(b)?.['status']]).toEqual([
    'True Valid: used by main',
    expect.objectContaining({ usedBy: 1, observedGeneration: 1 }),
  ]);
  await b.put({});
  expect(find(b)?.['status']).toMatchObject({ usedBy: 0 });
  b.kube.seed(storageObject({ type: 'firestore' }));
  await b.settle();
  expect(says(b, 'Stalled')).toContain('firestore is not part of this release');
});

it('ok: deleted, it stays as long as a cluster uses it', async () => {
  const b = await bench();
  b.kube.seed(storageObject());
  await b.put({ storageRef: { name: 'state' } });
  await b.kube.delete(STORAGE, key);
  await b.settle();
  expect(says(b, 'Ready')).toContain('True InUse: it is used by main');
  await b.kube.delete(CLUSTER, { namespace: NAMESPACE, name: 'main' });
  await b.settle();
  expect(find(b)).toBeUndefined();
});

it('ok: nobody uses it: it goes at once', async () => {
  const b = await bench();
  b.kube.seed(storageObject());
  await b.settle();
  await b.kube.delete(STORAGE, key);
  await b.settle();
  expect(find(b)).toBeUndefined();
});

it.each([
  [{}, undefined],
  [{ type: 'sqlite', sqlite: { sync: 'FULL', journal: 'WAL' }, auditEventsUri: ['stdout://'] }, undefined],
  [{ type: 'etcd' }, 'UnsupportedStorage'],
  [{ type: 'floppy' }, 'UnsupportedStorage'],
  [{ type: 7, sqlite: { volume: { size: 'big' } } }, 'InvalidStorage'],
  [{ config: { path: '/tmp' } }, 'InvalidStorage'],
  [{ config: { conn_string: 'postgres://u:p@h/d' } }, 'InvalidStorage'],
  [{ credentials: { conn_string: { secretKeyRef: { name: 's', key: 'k' } } } }, 'InvalidStorage'],
  ['text', 'InvalidStorage'],
] as const)('ok: %j: %s', (spec, reason) => {
  expect(storageProblem(parseStorageSpec(spec))?.reason).toBe(reason);
});
