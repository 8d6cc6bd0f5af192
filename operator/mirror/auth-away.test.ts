// While auth is away: what was applied stays ready, new objects wait, and objects that go are held until what they made can
// be removed. When it is back all of it happens by itself, drift included.
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { TestAuth } from '#test/kit/auth-server.ts';
import {
  clusterObject,
  conditionsOf,
  fakeKube,
  mirrorObject,
  mirrorType,
  NAMESPACE,
  startAuthForOperators,
  startOperatorUnderTest,
  type OperatorUnderTest,
} from '#test/kit/operator-house.ts';
import { startTcpProxy, type TcpProxy } from '#test/kit/tcp-proxy.ts';
import { until } from '#test/kit/until.ts';
import { CLUSTER } from '../crds/cluster.ts';
import type { FakeKube } from '../kube/fake.ts';

const READY = 'Ready=True Applied';
const ROLES = mirrorType('role');

let auth: TestAuth;
let network: TcpProxy;
let kube: FakeKube;
let operator: OperatorUnderTest;
beforeEach(async () => {
  auth = await startAuthForOperators();
  network = await startTcpProxy(auth.auth.port);
  kube = fakeKube();
  kube.seed(clusterObject('main'));
  operator = await startOperatorUnderTest({ kube, addressOf: () => `127.0.0.1:${network.port}` });
});
afterEach(async () => {
  await operator.close();
  await network.close();
  await auth.close();
});

const seed = (name: string) => kube.seed(mirrorObject('role', name, { spec: { allow: { logins: ['a'] } } }));
const find = (name: string) => kube.find(ROLES, { namespace: NAMESPACE, name });
const becomes = (name: string, conditions: string) =>
  until(`${name} ${conditions}`, () => conditionsOf(find(name)) === conditions, 60_000);
const goAway = (isAway: boolean) => {
  network.refuse(isAway);
  network.cut();
};

test('ok: ready stays ready, new ones wait, going ones are held; then all is done, and drift repaired', async () => {
  for (const name of ['kept', 'going']) seed(name);
  for (const name of ['kept', 'going']) await becomes(name, READY);
  goAway(true);
  await auth.put(
    'role',
    'kept',
    { allow: { logins: ['drift'] } },
    { labels: auth.auth.state.get('role', 'kept')!.metadata.labels },
  );
  seed('new');
  await kube.delete(ROLES, { namespace: NAMESPACE, name: 'going' });
  await becomes('new', 'Ready=False ClusterUnreachable, Progressing=True ClusterUnreachable');
  await becomes('going', 'Ready=False ClusterUnreachable, Progressing=True ClusterUnreachable');
  expect(conditionsOf(find('kept'))).toBe(READY);
  goAway(false);
  await becomes('new', READY);
  await until('gone', () => find('going') === undefined, 60_000);
  expect(auth.auth.state.get('role', 'going')).toBeUndefined();
  await until(
    'repaired',
    () => !JSON.stringify(auth.auth.state.get('role', 'kept')).includes('drift'),
    60_000,
  );
});

test('ok: objects whose cluster goes while auth is away are not held for ever', async () => {
  seed('stuck');
  await becomes('stuck', READY);
  goAway(true);
  await kube.delete(ROLES, { namespace: NAMESPACE, name: 'stuck' });
  await becomes('stuck', 'Ready=False ClusterUnreachable, Progressing=True ClusterUnreachable');
  await kube.delete(CLUSTER, { namespace: NAMESPACE, name: 'main' });
  await until('gone', () => find('stuck') === undefined, 60_000);
});
