// S37: the difference between what the operator may do and what it does, over the life of a cluster and of its resources:
// none in either direction. A real API server holds the one direction too (operator.slow.test.ts), but not the other.
import { afterEach, expect, it } from 'vitest';
import { silentLog } from '#core/log.ts';
import { ClusterBench, NAMESPACE, storageObject } from '#test/kit/cluster-bench.ts';
import { FakeClock } from '#test/kit/clock.ts';
import type { TestAuth } from '#test/kit/auth-server.ts';
import {
  addressOfAuth,
  clusterObject,
  conditionsOf,
  fakeKube,
  mirrorObject,
  mirrorType,
  startAuthForOperators,
  startOperatorUnderTest,
  type OperatorUnderTest,
} from '#test/kit/operator-house.ts';
import { until } from '#test/kit/until.ts';
import { labelsOf } from './cluster/names.ts';
import { CLUSTER } from './crds/cluster.ts';
import { GROUP } from './crds/fields.ts';
import { startDuty } from './duty.ts';
import { serviceAccountProof } from './house/proof.ts';
import { openFakeKube, type FakeCall, type FakeVerb } from './kube/fake.ts';
import { LEASES, SECRETS } from './kube/object-types.ts';
import { RIGHTS } from './rbac.ts';
import { startLeader } from './runtime/leader.ts';
import { Registry } from '#core/metrics/registry.ts';

const closers: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0)) await close();
});

/** What the API server asks for before it does what a call says. */
const NEEDS: Readonly<Record<FakeVerb, readonly string[]>> = {
  get: ['get'],
  list: ['list'],
  watch: ['watch'],
  create: ['create'],
  replace: ['update'],
  apply: ['create', 'patch'],
  applyStatus: ['patch'],
  patch: ['patch'],
  delete: ['delete'],
  requestToken: ['create'],
};
/** Asked for without a call: to bind a role, and to make what the end of a GatehouseCluster waits for. */
const SILENT = [
  'rbac.authorization.k8s.io/clusterroles bind',
  `${GROUP}/gatehouseclusters/finalizers update`,
];

/** All kinds of ours are handled by the same code, so they count as one. */
const wordOf = (group: string, plural: string, part: string): string =>
  group === GROUP && part !== '/finalizers' ? `${GROUP}/*${part}` : `${group}/${plural}${part}`;

function needsOf({ verb, type }: FakeCall): readonly string[] {
  const part = verb === 'applyStatus' ? '/status' : verb === 'requestToken' ? '/token' : '';
  return NEEDS[verb].map((need) => `${wordOf(type.group, type.plural, part)} ${need}`);
}

function given(): Set<string> {
  const words = RIGHTS.flatMap(({ apiGroups, resources, verbs }) =>
    apiGroups.flatMap((group) =>
      resources.flatMap((resource) => {
        const [plural = '', part] = resource.split('/');
        return verbs.map((verb) => `${wordOf(group, plural, part === undefined ? '' : `/${part}`)} ${verb}`);
      }),
    ),
  );
  return new Set(words);
}

async function lifeOfCluster(): Promise<readonly FakeCall[]> {
  const bench = new ClusterBench();
  closers.push(() => bench.runtime.close());
  await bench.start();
  const name = 'main-proxy-tls';
  const data = { 'tls.crt': 'eA==', 'tls.key': 'eA==' };
  bench.kube.seed({ apiVersion: 'v1', kind: 'Secret', metadata: { name, namespace: NAMESPACE }, data });
  bench.kube.seed(storageObject());
  const spec = {
    storageRef: { name: 'state' },
    proxy: { tls: { certManager: { issuerRef: { name: 'letsencrypt' } } } },
  };
  await bench.put(spec);
  await bench.ready('auth');
  await bench.ready('proxy');
  const set = bench.set('auth');
  bench.kube.seed({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      name: 'main-auth-0',
      namespace: NAMESPACE,
      labels: labelsOf('main', 'auth'),
      ownerReferences: [
        { apiVersion: 'apps/v1', kind: 'StatefulSet', name: 'main-auth', uid: set?.metadata.uid ?? '' },
      ],
    },
  });
  for (const tag of ['next', 'last']) {
    await bench.put({ ...spec, image: { tag } });
    await bench.ready('auth');
    await bench.ready('proxy');
  }
  await bench.kube.delete(CLUSTER, { namespace: NAMESPACE, name: 'main' });
  await bench.settle();
  expect(bench.cluster()).toBeUndefined();
  const all = [...bench.kube.calls];
  // Somebody else's: that of this test.
  return all.filter(({ verb, type }) => !(verb === 'delete' && type === CLUSTER));
}

async function lifeOfMirrors(): Promise<readonly FakeCall[]> {
  const auth: TestAuth = await startAuthForOperators();
  closers.push(() => auth.close());
  const kube = fakeKube();
  const operator: OperatorUnderTest = await startOperatorUnderTest({
    kube,
    addressOf: () => addressOfAuth(auth),
  });
  closers.push(() => operator.close());
  kube.seed(clusterObject('main'));
  const token = Buffer.from('a-token-of-some-length').toString('base64');
  kube.seed({
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: { name: 's', namespace: 'prod' },
    data: { token },
  });
  const nameFrom = { secretKeyRef: { name: 's', key: 'token' } };
  kube.seed(mirrorObject('token', 't', { nameFrom, spec: { roles: ['node'] } }));
  const seen = () => kube.find(mirrorType('token'), { namespace: 'prod', name: 't' });
  await until('ready', () => conditionsOf(seen())?.startsWith('Ready=True'));
  expect(kube.calls.some(({ verb, type }) => verb === 'get' && type.kind === SECRETS.kind)).toBe(true);
  // The kit makes the Service of auth in place of the reconciler of clusters.
  return kube.calls.filter(({ verb, type }) => !(verb === 'create' && type.kind === 'Service'));
}

async function lifeOfProcess(): Promise<readonly FakeCall[]> {
  const clock = new FakeClock();
  const kube = openFakeKube({ clock, types: [CLUSTER] });
  const lease = { namespace: 'op', name: 'gatehouse-operator' };
  const leader = startLeader({ kube, clock, log: silentLog, lease, holder: 'a' });
  await leader.acquired;
  await leader.close();
  expect(kube.find(LEASES, lease)).toBeDefined();
  kube.seed({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'kube-system' } });
  const duty = startDuty({
    kube,
    clock,
    log: silentLog,
    metrics: new Registry(),
    operator: { namespace: 'op', serviceAccount: 'op', version: '0.1.0' },
    podName: 'op-0',
    imageRepository: 'gatehouse',
  });
  await until('identified', () =>
    kube.calls.some(({ verb, type }) => verb === 'watch' && type.kind === CLUSTER.kind),
  );
  await duty.close();
  const serviceAccount = { namespace: 'op', name: 'op' };
  kube.seed({ apiVersion: 'v1', kind: 'ServiceAccount', metadata: serviceAccount });
  const { prove } = serviceAccountProof(
    { kube, serviceAccount, podName: 'op-0' },
    { namespace: 'n', name: 'm' },
  );
  await prove?.();
  return kube.calls;
}

it('S37 ok: the operator may do what it does, and nothing else', async () => {
  const calls = [...(await lifeOfCluster()), ...(await lifeOfMirrors()), ...(await lifeOfProcess())];
  const used = new Set([...calls.flatMap(needsOf), ...SILENT]);
  expect([...used].sort()).toEqual([...given()].sort());
});
