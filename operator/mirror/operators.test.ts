// Several claimants of one resource: two namespaces, three operators. One has it; nobody flaps, nobody removes what is
// another's.
import { afterEach, beforeEach, expect, test } from 'vitest';
import { ownerOf } from '#core/owner-mark.ts';
import type { TestAuth } from '#test/kit/auth-server.ts';
import {
  addressOfAuth,
  clusterObject,
  conditionsOf,
  fakeKube,
  messageOf,
  mirrorObject,
  mirrorType,
  startAuthForOperators,
  startOperatorUnderTest,
  type OperatorUnderTest,
} from '#test/kit/operator-house.ts';
import { until } from '#test/kit/until.ts';
import { CLUSTER } from '../crds/cluster.ts';
import type { FakeKube } from '../kube/fake.ts';
import { SERVICES } from '../kube/object-types.ts';

const READY = 'Ready=True Applied';
const CONFLICT = 'Ready=False Conflict, Conflict=True Conflict, Stalled=True Conflict';
const ROLES = mirrorType('role');

let auth: TestAuth;
const open: OperatorUnderTest[] = [];
beforeEach(async () => {
  auth = await startAuthForOperators();
});
afterEach(async () => {
  for (const operator of open.splice(0)) await operator.close();
  await auth.close();
});

async function operatorOf(id: string, namespaces: readonly string[] = ['prod']) {
  const kube = fakeKube();
  for (const namespace of namespaces) kube.seed(clusterObject('main', namespace));
  const operator = await startOperatorUnderTest({ kube, id, addressOf: () => addressOfAuth(auth) });
  open.push(operator);
  return { kube, operator };
}
const role = (login: string, namespace = 'prod') =>
  mirrorObject('role', 'shared', { spec: { allow: { logins: [login] } } }, { namespace });
const found = (kube: FakeKube, namespace = 'prod') => kube.find(ROLES, { namespace, name: 'shared' });
const stateOf = (kube: FakeKube, namespace?: string) => conditionsOf(found(kube, namespace));
const changes = async () =>
  (await auth.events()).filter(({ event }) => /^role\.(created|updated|deleted)$/.test(event)).length;

test('ok: three operators claim one role: one has it, the others say whose it is, and it is written once', async () => {
  const all = await Promise.all(['op-1', 'op-2', 'op-3'].map((id) => operatorOf(id)));
  for (const [n, { kube }] of all.entries()) kube.seed(role(`login-${n}`));
  await until('all have decided', () =>
    all.every(({ kube }) => [READY, CONFLICT].includes(stateOf(kube) ?? '')),
  );
  const winners = all.filter(({ kube }) => stateOf(kube) === READY);
  expect(winners).toHaveLength(1);
  const losers = all.filter((one) => one !== winners[0]);
  const owner = ownerOf(auth.auth.state.get('role', 'shared')!)!;
  for (const { kube } of losers) expect(messageOf(found(kube))).toContain(owner.name);
  expect(await changes()).toBe(1);
  // Drift is the owner's to repair, and nobody else's chance.
  await auth.put(
    'role',
    'shared',
    { allow: { logins: ['drift'] } },
    { labels: auth.auth.state.get('role', 'shared')!.metadata.labels },
  );
  await until('repaired', () => !JSON.stringify(auth.auth.state.get('role', 'shared')).includes('drift'));
  await until('idle', () => all.every(({ operator }) => operator.runtime.isIdle()));
  expect(ownerOf(auth.auth.state.get('role', 'shared')!)).toEqual(owner);
  // A loser that goes takes nothing with it; the owner that goes makes room.
  const [gone, left] = losers;
  await gone!.kube.delete(ROLES, { namespace: 'prod', name: 'shared' });
  await until('gone', () => found(gone!.kube) === undefined);
  expect(ownerOf(auth.auth.state.get('role', 'shared')!)).toEqual(owner);
  await winners[0]!.kube.delete(ROLES, { namespace: 'prod', name: 'shared' });
  await until('the next has it', () => stateOf(left!.kube) === READY);
});

test('ok: the same name in two namespaces that mean one cluster: the second is a conflict, and harmless', async () => {
  const { kube } = await operatorOf('op-1', ['prod', 'dev']);
  kube.seed(role('first'));
  await until('first', () => stateOf(kube) === READY);
  kube.seed(role('second', 'dev'));
  await until('conflict', () => stateOf(kube, 'dev') === CONFLICT);
  expect(messageOf(found(kube, 'dev'))).toContain('GatehouseRole prod/shared of operator op-1');
  await kube.delete(ROLES, { namespace: 'dev', name: 'shared' });
  await until('gone', () => found(kube, 'dev') === undefined);
  expect(JSON.stringify(auth.auth.state.get('role', 'shared'))).toContain('first');
  // Made again, it is the same claimant, of the same resource.
  kube.seed(role('second', 'dev'));
  await until('conflict again', () => stateOf(kube, 'dev') === CONFLICT);
  expect(JSON.stringify(auth.auth.state.get('role', 'shared'))).toContain('first');
});

test('ok: a cluster that is made anew over its kept volume finds its objects the owners of what they made', async () => {
  const { kube } = await operatorOf('op-1');
  kube.seed(role('first'));
  await until('first', () => stateOf(kube) === READY);
  await kube.delete(CLUSTER, { namespace: 'prod', name: 'main' });
  await kube.delete(ROLES, { namespace: 'prod', name: 'shared' });
  await until('gone', () => found(kube) === undefined);
  expect(auth.auth.state.get('role', 'shared')).toBeDefined();
  // The garbage collector does that.
  await kube.delete(SERVICES, { namespace: 'prod', name: 'main-auth' });
  kube.seed(clusterObject('main', 'prod'));
  kube.seed(role('second'));
  await until('taken up', () => stateOf(kube) === READY);
  expect(JSON.stringify(auth.auth.state.get('role', 'shared'))).toContain('second');
});

test('ok: a paused object that is deleted waits for the end of the pause, or for that of its cluster', async () => {
  const { kube, operator } = await operatorOf('op-1');
  kube.seed(role('first'));
  await until('first', () => stateOf(kube) === READY);
  const annotations = { 'gatehouse.dev/paused': 'true' };
  await kube.patch(ROLES, { namespace: 'prod', name: 'shared' }, { metadata: { annotations } });
  await kube.delete(ROLES, { namespace: 'prod', name: 'shared' });
  await until('idle', () => operator.runtime.isIdle());
  expect(found(kube)?.metadata.deletionTimestamp).toBeDefined();
  expect(auth.auth.state.get('role', 'shared')).toBeDefined();
  await kube.delete(CLUSTER, { namespace: 'prod', name: 'main' });
  await until('gone', () => found(kube) === undefined);
});

test('ok: whom the local admin frees is nobody’s, and the object says so', async () => {
  const { kube } = await operatorOf('op-1');
  kube.seed(role('mine'));
  await until('first', () => stateOf(kube) === READY);
  const freed = {
    kind: 'role',
    metadata: { name: 'shared', labels: { 'gatehouse.internal/owner': '' } },
    spec: {},
  };
  await auth.call(auth.admin, 'PUT', '/v1/resources/roles/shared', freed);
  await until('conflict', () => stateOf(kube) === CONFLICT);
  expect(messageOf(found(kube))).toContain('gatehouse.dev/adopt');
});
