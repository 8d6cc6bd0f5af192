// Story 5, two operators: both look at one GatehouseCluster, and only the one that has it acts; two objects claim one
// resource, and the second says whose it is. Nothing flaps: what auth wrote down says how often something was written.
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { whyNoCluster } from '#test/kit/kube-cluster.ts';
import { KUBE_START_MS } from '#test/kit/kube-programs.ts';
import { until } from '#test/kit/until.ts';
import { CHARTS, openKubeHouse, phase, READY_MS, type KubeHouse } from './house.ts';
import { conditionOf, kstatus, type CustomObject } from './kstatus.ts';
import { watchVersions } from './versions.ts';

const whyNot = whyNoCluster();
const REASON = '{.status.conditions[?(@.type=="Ready")].reason}';
const READY = `--timeout=${READY_MS / 1000}s`;
let house: KubeHouse;
let second: string;

beforeAll(async () => {
  if (whyNot !== undefined) return;
  house = await openKubeHouse({ prefix: 'two' });
  second = await house.cluster.namespace('two-second');
}, KUBE_START_MS);

afterAll(async () => {
  if (whyNot !== undefined) return;
  await house.cluster.helm(['uninstall', 'second', '-n', second, '--ignore-not-found']);
  await house.close();
}, READY_MS * 2);
afterEach(async ({ task }) => {
  if (task.result?.state !== 'fail' || whyNot !== undefined) return;
  console.error(await house.explain(), await house.cluster.explain(second));
});

/** Another release in another namespace, that looks at this one. */
async function installSecond(watchNamespace: string): Promise<void> {
  const chart = ['second', join(CHARTS, 'gatehouse-operator'), '-n', second, '-f', '-'];
  const values = {
    image: house.image.repository,
    gatehouseVersionOverride: house.image.tag,
    watchNamespace,
    crds: { install: false },
  };
  await house.cluster.helm(['upgrade', '--install', ...chart], JSON.stringify(values));
  await house.cluster.kubectl(['-n', second, 'rollout', 'status', 'deployment/second', READY]);
}

const role = (name: string, login: string, resourceName?: string) => ({
  apiVersion: 'gatehouse.dev/v1',
  kind: 'GatehouseRole',
  metadata: { name },
  ...(resourceName === undefined ? {} : { resourceName }),
  spec: { allow: { logins: [login] } },
});
const read = (name: string): Promise<CustomObject> => house.read<CustomObject>(`gatehouserole/${name}`);
const inAuth = (name: string): Promise<string> => house.gatectl('get', `role/${name}`, '--format=json');

/** What auth wrote down about this role: `role.created` and so on, oldest first. */
async function writesOf(name: string): Promise<readonly string[]> {
  const types = '--type=role.created,role.updated,role.deleted';
  const found = await house.gatectl('audit', 'ls', types, '--oldest', '--format=json', '--limit=10000');
  return (JSON.parse(found) as { event: string; name: string }[])
    .filter((event) => event.name === name)
    .map(({ event }) => event);
}

const podsAndSets = (): Promise<string> =>
  house.kubectl(
    'get',
    'pods,statefulsets,configmaps,services',
    '--sort-by=.metadata.name',
    '-o=jsonpath={range .items[*]}{.kind}/{.metadata.name} {.metadata.uid} {.metadata.generation}{"\\n"}{end}',
  );

test('ok: a second operator leaves the cluster and its objects to the first, says so once, and nothing flaps', async (context) => {
  if (whyNot !== undefined) context.skip(whyNot);
  await house.apply(role('before', 'a'));
  await house.ready('gatehouserole/before');
  const before = await podsAndSets();
  await phase('second operator', () => installSecond(house.namespace));
  const events = [
    'get',
    'events',
    '--field-selector=reason=OtherOperator',
    '-o=jsonpath={.items[*].message}',
  ];
  const told = await until(
    'the second one says so',
    async () => (await house.kubectl(...events)) || false,
    READY_MS,
  );
  expect(told).toContain(`to that of namespace "${house.operatorNamespace}"`);
  const versions = await watchVersions(house, 'gatehouseroles');
  try {
    for (let n = 1; n <= 10; n++) {
      await house.apply(role('both', `login-${n}`));
      await until('healthy', async () => kstatus(await read('both')) === 'Current', READY_MS);
      expect(await inAuth('both')).toContain(`login-${n}"`);
    }
    await house.kubectl('delete', 'gatehouserole/both', READY);
  } finally {
    await versions.close();
  }
  // As made, its finalizer, its status; then the spec and the status of each change; then its end.
  const seen = versions.all.filter(({ metadata }) => metadata.name === 'both');
  expect(seen.length).toBeLessThanOrEqual(3 + 9 * 2 + 2);
  expect(seen.some((object) => conditionOf(object, 'Conflict') !== undefined)).toBe(false);
  const changes = Array.from({ length: 9 }, () => 'role.updated');
  expect(await writesOf('both')).toEqual(['role.created', ...changes, 'role.deleted']);
  expect(await writesOf('before')).toEqual(['role.created']);
  expect(await podsAndSets()).toBe(before);
});

test('ok: the role of an object in another namespace is out of reach of this cluster', async (context) => {
  if (whyNot !== undefined) context.skip(whyNot);
  const other = await house.cluster.namespace('two-other');
  await house.apply(role('claimed', 'here'));
  await house.ready('gatehouserole/claimed');
  await phase('second operator, elsewhere', () => installSecond(other));
  const there = (...words: readonly string[]): Promise<string> =>
    house.cluster.kubectl(['-n', other, ...words]);
  const claim = { ...role('claimed', 'there'), clusterRef: { name: 'main' } };
  await house.cluster.kubectl(['-n', other, 'apply', '-f', '-'], JSON.stringify(claim));
  const reason = await until(
    'it says why',
    async () => (await there('get', 'gatehouserole/claimed', `-o=jsonpath=${REASON}`)) || false,
    READY_MS,
  );
  expect(reason).toBe('ClusterNotFound');
  await there('delete', 'gatehouserole/claimed', READY);
  expect(await inAuth('claimed')).toContain('"here"');
  expect(await writesOf('claimed')).toEqual(['role.created']);
  await installSecond(house.namespace);
});

test('ok: of two objects that claim one role the second is a Conflict that names the first; who goes decides what happens', async (context) => {
  if (whyNot !== undefined) context.skip(whyNot);
  await house.apply(role('winner', 'first', 'shared'));
  await house.ready('gatehouserole/winner');
  await house.apply(role('loser', 'second', 'shared'));
  const conflict = async (): Promise<string> =>
    await until('the conflict is told', async () => {
      const object = await read('loser');
      return kstatus(object) === 'Failed' && conditionOf(object, 'Conflict')?.message;
    });
  expect(await conflict()).toContain(`GatehouseRole ${house.namespace}/winner`);
  await house.kubectl('delete', 'gatehouserole/loser', READY);
  expect(await inAuth('shared')).toContain('"first"');
  expect(await writesOf('shared')).toEqual(['role.created']);
  await house.apply(role('loser', 'second', 'shared'));
  await conflict();
  await house.kubectl('delete', 'gatehouserole/winner', READY);
  await house.ready('gatehouserole/loser');
  expect(await inAuth('shared')).toContain('"second"');
  expect(await writesOf('shared')).toEqual(['role.created', 'role.deleted', 'role.created']);
});

test('ok: a cluster is handed to the other operator on request; roles of the first are freed by an admin and adopted', async (context) => {
  if (whyNot !== undefined) context.skip(whyNot);
  await house.apply(role('moving', 'kept'));
  await house.ready('gatehouserole/moving');
  const annotate = ['annotate', '--overwrite', 'gatehousecluster/main'];
  await phase('handed over', async () => {
    await house.kubectl(...annotate, `gatehouse.dev/operator=${second}`);
    await until(
      'it is settled under the other',
      async () => {
        const [main, object] = [
          await house.read<CustomObject>('gatehousecluster/main'),
          await read('moving'),
        ];
        return kstatus(main) === 'Current' && conditionOf(object, 'Conflict') !== undefined;
      },
      READY_MS,
    );
  });
  expect(await inAuth('moving')).toContain('"kept"');
  const stored = JSON.parse(await inAuth('moving')) as { metadata: { labels: object } }[];
  const freed = stored.map((one) => ({
    ...one,
    metadata: { ...one.metadata, labels: { ...one.metadata.labels, 'gatehouse.internal/owner': '' } },
  }));
  const create = ['exec', '-i', 'main-auth-0', '--', 'gatectl', 'create', '-f', '-'];
  await house.cluster.kubectl(['-n', house.namespace, ...create], JSON.stringify(freed[0]));
  await house.kubectl('annotate', 'gatehouserole/moving', 'gatehouse.dev/adopt=true');
  await house.ready('gatehouserole/moving');
  await phase('handed back', async () => {
    await house.kubectl(...annotate, `gatehouse.dev/operator=${house.operatorNamespace}`);
    await until('it is the first one’s', async () => conditionOf(await read('moving'), 'Conflict'), READY_MS);
  });
});
