// Mirrors on a real API server with the generated definitions, and a real auth service that the operator joins by its
// ServiceAccount, with the operator's own rights: what the fake cannot show, and what many objects cost.
import { afterAll, beforeAll, expect, test } from 'vitest';
import { KUBE_START_MS } from '#test/kit/kube-programs.ts';
import { conditionsOf, messageOf, mirrorObject, mirrorType, NAMESPACE } from '#test/kit/operator-house.ts';
import { startOperatorOnKube, type OperatorOnKube } from '#test/kit/operator-kube.ts';
import { until } from '#test/kit/until.ts';
import { CLUSTER } from '../crds/cluster.ts';

const READY = 'Ready=True Applied';
const WAIT_MS = 300_000;
const COUNT = 100;

let house: OperatorOnKube;
beforeAll(async () => {
  house = await startOperatorOnKube();
}, KUBE_START_MS);
afterAll(() => house.close());

const get = (kind: string, name: string) =>
  house.person.get(mirrorType(kind), { namespace: NAMESPACE, name }).catch(() => undefined);
const becomes = (kind: string, name: string, conditions: string) =>
  until(
    `${kind} ${name} ${conditions}`,
    async () => conditionsOf(await get(kind, name)) === conditions,
    WAIT_MS,
  );
const isGone = (kind: string, name: string) =>
  until(`${kind} ${name} gone`, async () => (await get(kind, name)) === undefined, WAIT_MS);
const stored = (kind: string, name: string) => house.auth.auth.state.get(kind, name);
const role = (name: string, login = 'root') =>
  mirrorObject('role', name, { spec: { allow: { logins: [login] } } });
const apply = (object: object) => house.api.kubectl(['apply', '-f', '-'], JSON.stringify(object));

test('ok: joined by its ServiceAccount; a role and a user are made, changed by kubectl apply, and removed', async () => {
  await apply(role('real'));
  await apply(mirrorObject('user', 'joe', { resourceName: 'joe@example.com', spec: { roles: ['real'] } }));
  await becomes('role', 'real', READY);
  await becomes('user', 'joe', READY);
  await apply(role('real', 'ubuntu'));
  await until('changed', () => JSON.stringify(stored('role', 'real')).includes('ubuntu'), WAIT_MS);
  await apply(role('real', 'ubuntu'));
  await house.api.kubectl([
    'wait',
    '--for=condition=Ready',
    'gatehouseuser/joe',
    '-n',
    NAMESPACE,
    '--timeout=60s',
  ]);
  await house.api.kubectl([
    'delete',
    'gatehouseuser/joe',
    'gatehouserole/real',
    '-n',
    NAMESPACE,
    '--wait=false',
  ]);
  await isGone('user', 'joe');
  await isGone('role', 'real');
  expect(stored('role', 'real')).toBeUndefined();
});

test('ok: a token by its Secret, a wrong field by its path, and what nobody may write', async () => {
  await house.api.kubectl([
    'create',
    'secret',
    'generic',
    'join',
    '-n',
    NAMESPACE,
    '--from-literal=token=sesame-open-1',
  ]);
  const nameFrom = { secretKeyRef: { name: 'join', key: 'token' } };
  await apply(mirrorObject('token', 'nodes', { nameFrom, spec: { roles: ['node'] } }));
  await becomes('token', 'nodes', READY);
  const patch = { stringData: { token: 'sesame-open-2' } };
  await house.api.kubectl(['patch', 'secret', 'join', '-n', NAMESPACE, '-p', JSON.stringify(patch)]);
  await until('moved', () => stored('token', 'sesame-open-1') === undefined, WAIT_MS);
  expect(stored('token', 'sesame-open-2')).toBeDefined();
  expect(await house.api.kubectl(['get', 'gatehousetokens,events', '-A', '-o', 'yaml'])).not.toContain(
    'sesame',
  );
  await apply(mirrorObject('user', 'lost', { spec: { roles: ['nowhere'] } }));
  await becomes('user', 'lost', 'Ready=False Invalid, Progressing=True Invalid');
  expect(messageOf(await get('user', 'lost'))).toContain('spec.roles[0]');
  const operatorToken = {
    roles: ['operator'],
    join_method: 'kubernetes',
    kubernetes: { allow: [{ service_account: 'a:b' }] },
  };
  await apply(mirrorObject('token', 'more-operators', { spec: operatorToken }));
  await becomes('token', 'more-operators', 'Ready=False Refused, Stalled=True Refused');
  for (const left of ['gatehouseuser/lost', 'gatehousetoken/more-operators', 'gatehousetoken/nodes']) {
    await house.api.kubectl(['delete', left, '-n', NAMESPACE, '--timeout=60s']);
  }
});

test('ok: many objects cost two calls each, an idle operator none, and a drift one write to auth', async () => {
  const from = house.calls.length;
  const names = Array.from({ length: COUNT }, (_, n) => `many-${n}`);
  await Promise.all(names.map((name) => house.person.create(role(name))));
  const isReady = async (): Promise<boolean> => {
    const { items } = await house.person.list(mirrorType('role'), { namespace: NAMESPACE });
    return items.filter((item) => conditionsOf(item) === READY).length === COUNT;
  };
  await until('all are ready', isReady, WAIT_MS);
  await until('idle', () => house.operator.runtime.isIdle(), WAIT_MS);
  const written = house.calls
    .slice(from)
    .filter((call) => call.includes('gatehouseroles') && !call.startsWith('watch'));
  expect(written.length).toBe(2 * COUNT);
  const idleFrom = house.calls.length;
  const drifted = { kind: 'role', version: 'v7', metadata: { name: 'many-7' }, spec: {} };
  await house.auth.call(house.auth.admin, 'PUT', '/v1/resources/roles/many-7', drifted);
  await until('repaired', () => JSON.stringify(stored('role', 'many-7')?.spec).includes('root'), WAIT_MS);
  await until('idle', () => house.operator.runtime.isIdle(), WAIT_MS);
  // The status names the revision of the repaired resource.
  expect(house.calls.slice(idleFrom).filter((call) => !call.startsWith('watch')).length).toBeLessThanOrEqual(
    1,
  );
});

test('ok: with the cluster going, objects may go: the end of a namespace is not held up', async () => {
  await house.person.delete(CLUSTER, { namespace: NAMESPACE, name: 'main' });
  await house.api.kubectl(['delete', 'gatehouseroles', '--all', '-n', NAMESPACE, '--timeout=120s']);
  const { items } = await house.person.list(mirrorType('role'), { namespace: NAMESPACE });
  expect(items).toEqual([]);
});
