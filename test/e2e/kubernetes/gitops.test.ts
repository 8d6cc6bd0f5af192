// Story 3, GitOps: the same manifests are applied again and again as Argo CD and as Flux do. Nothing differs for ever, what
// leaves the set goes and nothing else does, and at no moment health says that work is done which was not.
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { whyNoCluster } from '#test/kit/kube-cluster.ts';
import { KUBE_START_MS } from '#test/kit/kube-programs.ts';
import { until } from '#test/kit/until.ts';
import { argo, flux, liveOf, pathOf, type Applier, type Manifest } from './appliers.ts';
import { openKubeHouse, phase, READY_MS, type KubeHouse } from './house.ts';
import { conditionOf, kstatus, type CustomObject } from './kstatus.ts';
import { watchVersions, type Versions } from './versions.ts';

const whyNot = whyNoCluster();
let house: KubeHouse;
const watches: Versions[] = [];

beforeAll(async () => {
  if (whyNot !== undefined) return;
  house = await openKubeHouse({ prefix: 'gitops' });
  for (const type of ['gatehouseroles', 'gatehouseclusters']) watches.push(await watchVersions(house, type));
}, KUBE_START_MS);

afterAll(async () => {
  for (const watch of watches) await watch.close();
  if (whyNot === undefined) await house.close();
}, READY_MS * 2);
afterEach(async ({ task }) => {
  if (task.result?.state === 'fail') console.error(await house.explain());
});

const custom = (kind: string, name: string, rest: object): Manifest => ({
  apiVersion: 'gatehouse.dev/v1',
  kind: `Gatehouse${kind}`,
  metadata: { name },
  ...rest,
});
const role = (name: string, login: string): Manifest =>
  custom('Role', name, { spec: { allow: { logins: [login], node_labels: { '*': '*' } } } });

const base64 = (text: string): string => Buffer.from(text).toString('base64');

/** Something of every sort: with empty values, values that Kubernetes reads as another type, and a secret. */
const estate = (of: string): Manifest[] => [
  {
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: { name: `${of}-join` },
    data: { token: base64(`${of}-0123456789-0123456789-0123456789`) },
  },
  custom('Role', `${of}-developer`, {
    metadata: {
      name: `${of}-developer`,
      labels: { team: 'core' },
      annotations: { 'gatehouse.dev/description': 'Servers of the team' },
    },
    spec: {
      options: { max_session_ttl: '8h0m0s', forward_agent: true, client_idle_timeout: '30m' },
      allow: {
        logins: ['{{internal.logins}}', 'deploy'],
        node_labels: { env: ['staging', 'dev'], region: 'us-*' },
        rules: [{ resources: ['session'], verbs: ['list', 'read'] }],
      },
      deny: { logins: [], node_labels: {} },
    },
  }),
  role(`${of}-auditor`, 'audit'),
  custom('User', `${of}-joe`, {
    resourceName: `${of}-joe@example.com`,
    spec: { roles: [`${of}-developer`], traits: { logins: ['joe'] } },
  }),
  custom('Token', `${of}-by-secret`, {
    nameFrom: { secretKeyRef: { name: `${of}-join`, key: 'token' } },
    expires: '2036-06-14T21:21:00Z',
    spec: { roles: ['node'], join_method: 'token' },
  }),
  custom('Token', `${of}-pods`, {
    deletionPolicy: 'Retain',
    spec: {
      roles: ['Node', 'App'],
      join_method: 'kubernetes',
      kubernetes: { type: 'in_cluster', allow: [{ service_account: 'apps:agent' }] },
    },
  }),
  custom('Lock', `${of}-mallory`, {
    spec: { target: { user: 'mallory' }, message: 'Left', expires: '2036-12-31T00:00:00Z' },
  }),
];

const isOurs = ({ apiVersion }: Pick<Manifest, 'apiVersion'>): boolean => apiVersion === 'gatehouse.dev/v1';

async function allCurrent(set: readonly Manifest[]): Promise<readonly CustomObject[]> {
  const ours = set.filter(isOurs);
  return await until(
    'all are healthy',
    async () => {
      const live = await liveOf(house, ours);
      return live.every((object) => kstatus(object) === 'Current') && live;
    },
    READY_MS,
  );
}

/**
 * What an applier that applies once more must not move: the version of every object. Of a cluster without its status, which
 * tells of pods that may miss a probe on a busy machine.
 */
const versionsOf = (objects: readonly CustomObject[]): readonly string[] =>
  objects.map(({ kind, metadata, spec }) => {
    const { name, generation, resourceVersion, labels, annotations } = metadata;
    const version =
      kind === 'GatehouseCluster' ? JSON.stringify([labels, annotations, spec]) : resourceVersion;
    return `${kind}/${name} ${generation} ${version}`;
  });

const create = (text: string): Promise<string> =>
  house.cluster.kubectl(
    ['-n', house.namespace, 'exec', '-i', 'main-auth-0', '--', 'gatectl', 'create', '-f', '-'],
    text,
  );
const names = async (kind: string): Promise<readonly string[]> =>
  (JSON.parse(await house.gatectl('get', kind, '--format=json')) as { metadata: { name: string } }[]).map(
    ({ metadata }) => metadata.name,
  );
const roleText = (name: string): Promise<string> => house.gatectl('get', `role/${name}`, '--format=json');

/** The cluster's own objects are in the repository as well. */
async function clusterManifests(): Promise<readonly Manifest[]> {
  const live = await liveOf(house, [
    { kind: 'GatehouseStorage', metadata: { name: 'main' } },
    { kind: 'GatehouseCluster', metadata: { name: 'main' } },
  ]);
  return live.map(
    ({ metadata }) =>
      JSON.parse(
        metadata.annotations?.['kubectl.kubernetes.io/last-applied-configuration'] ?? '',
      ) as Manifest,
  );
}

const TOOLS: [string, () => Applier][] = [
  ['argo', () => argo(house, 'gate')],
  ['flux', () => flux(house, 'gate')],
];

test.each(TOOLS)(
  'ok: as %s applies them, manifests that did not change change nothing, and nothing is out of sync',
  async (tool, applierOf) => {
    if (whyNot !== undefined) return;
    const applier = applierOf();
    const set = [...(tool === 'argo' ? await clusterManifests() : []), ...estate(tool)];
    await applier.sync(set);
    const before = await phase(`${tool}: all are healthy`, () => allCurrent(set));
    expect(await applier.outOfSync(set)).toEqual([]);
    for (let again = 0; again < 3; again++) {
      const said = await applier.sync(set);
      if (tool === 'argo') for (const line of said) expect(line).toMatch(/unchanged$/);
    }
    const after = await liveOf(house, set.filter(isOurs));
    expect(versionsOf(after)).toEqual(versionsOf(before));
    expect(await applier.outOfSync(set)).toEqual([]);
    expect(await names('users')).toContain(`${tool}-joe@example.com`);
  },
);

test.each(TOOLS)(
  'ok: as %s applies them, what leaves the set leaves the cluster, and nothing else does',
  async (tool, applierOf) => {
    if (whyNot !== undefined) return;
    const applier = applierOf();
    await create(JSON.stringify({ kind: 'role', metadata: { name: `${tool}-by-hand` }, spec: {} }));
    await house.apply(role(`${tool}-of-another`, 'other'));
    const common = [...(tool === 'argo' ? await clusterManifests() : []), ...estate(tool)];
    const [gone, clash] = [role(`${tool}-gone`, 'gone'), role(`${tool}-by-hand`, 'taken')];
    await applier.sync([...common, gone, clash]);
    await allCurrent([...common, gone]);
    await until('the clash is told', async () => {
      const [object] = await liveOf(house, [clash]);
      return object !== undefined && kstatus(object) === 'Failed';
    });
    const [object] = await liveOf(house, [clash]);
    expect(conditionOf(object!, 'Conflict')?.message).toContain('gatehouse.dev/adopt');
    // A user first, then the role that it had.
    const withoutUser = common.filter(({ kind }) => kind !== 'GatehouseUser');
    await applier.sync(withoutUser);
    for (const left of [gone, clash]) {
      await house.kubectl('wait', '--for=delete', pathOf(left), `--timeout=${READY_MS / 1000}s`);
    }
    await until('the user is gone', async () => !(await names('users')).includes(`${tool}-joe@example.com`));
    const roles = await names('roles');
    expect(roles).not.toContain(`${tool}-gone`);
    expect(roles).toEqual(
      expect.arrayContaining([`${tool}-by-hand`, `${tool}-of-another`, `${tool}-developer`]),
    );
    expect(await roleText(`${tool}-by-hand`)).not.toContain('taken');
  },
);

test('ok: what has deletionPolicy Retain stays when it leaves the set, and is nobody’s then', async (context) => {
  if (whyNot !== undefined) context.skip(whyNot);
  const applier = flux(house, 'gate');
  const set = estate('kept');
  await applier.sync(set);
  await allCurrent(set);
  await applier.sync(set.slice(0, 1));
  await house.kubectl('wait', '--for=delete', 'gatehousetoken/kept-pods', `--timeout=${READY_MS / 1000}s`);
  expect(await names('tokens')).toContain('kept-pods');
  await house.gatectl('rm', 'token/kept-pods');
});

test('ok: health is never ahead of the work: twenty changes in a row, each there when it is said to be', async (context) => {
  if (whyNot !== undefined) context.skip(whyNot);
  await phase('twenty changes', async () => {
    for (let n = 1; n <= 20; n++) {
      await house.apply(role('changing', `login-${n}`));
      const ready = await until('healthy', async () => {
        const [object] = await liveOf(house, [{ kind: 'GatehouseRole', metadata: { name: 'changing' } }]);
        return object !== undefined && kstatus(object) === 'Current' && object;
      });
      expect(ready.metadata.generation).toBe(n);
      expect(await roleText('changing')).toContain(`login-${n}"`);
    }
  });
});

test('ok: without an operator nothing new gets healthy, and nothing that is healthy stops being so', async (context) => {
  if (whyNot !== undefined) context.skip(whyNot);
  const [waiting, same, changed] = [role('waiting', 'a'), role('same', 'a'), role('changed', 'a')];
  await house.apply(same, changed);
  await allCurrent([same, changed]);
  const scale = (count: number): Promise<string> =>
    house.cluster.kubectl(
      `-n ${house.operatorNamespace} scale deployment/gatehouse-operator --replicas=${count}`.split(' '),
    );
  await scale(0);
  await until(
    'the operator is gone',
    async () => {
      const pods = ['-n', house.operatorNamespace, 'get', 'pods', '-o=name'];
      return (await house.cluster.kubectl(pods)).trim() === '';
    },
    READY_MS,
  );
  await house.apply(waiting, same, role('changed', 'b'));
  const health = async (): Promise<readonly string[]> =>
    (await liveOf(house, [waiting, same, changed])).map(kstatus);
  expect(await health()).toEqual(['InProgress', 'Current', 'InProgress']);
  await expect(
    house.kubectl('wait', '--for=condition=Ready', 'gatehouserole/waiting', '--timeout=2s'),
  ).rejects.toThrow('timed out');
  await scale(1);
  await phase('operator is back', () => allCurrent([waiting, same, changed]));
  expect(await roleText('changed')).toContain('"b"');
});

test('ok: the cluster is in progress until what was asked for serves', async (context) => {
  if (whyNot !== undefined) context.skip(whyNot);
  const patch = JSON.stringify({ spec: { proxy: { replicas: 2 } } });
  await house.kubectl('patch', 'gatehousecluster/main', '--type=merge', '-p', patch);
  const two = await until(
    'two proxies',
    async () => {
      const object = await house.read<CustomObject>('gatehousecluster/main');
      return kstatus(object) === 'Current' && object;
    },
    READY_MS,
  );
  expect(two.status).toMatchObject({ proxy: { ready: 2 } });
  await house.kubectl('patch', 'gatehousecluster/main', '--type=merge', '-p', patch.replace('2', '1'));
  await until(
    'one proxy',
    async () => kstatus(await house.read<CustomObject>('gatehousecluster/main')) === 'Current',
    READY_MS,
  );
});

test('ok: drift is repaired within seconds, a Secret that changes is followed, and mistakes name their field', async (context) => {
  if (whyNot !== undefined) context.skip(whyNot);
  await house.apply(role('drifting', 'good'));
  await house.ready('gatehouserole/drifting');
  const drifted = { allow: { logins: ['drift'] } };
  for (let n = 0; n < 5; n++) {
    const made = create(JSON.stringify({ kind: 'role', metadata: { name: 'drifting' }, spec: drifted }));
    await made;
    await phase('drift is repaired', () =>
      until('repaired', async () => (await roleText('drifting')).includes('"good"'), READY_MS),
    );
  }
  expect(await roleText('drifting')).not.toContain('"drift"');
  const [secret, token] = [estate('turn')[0]!, estate('turn')[4]!];
  await house.apply(secret, token);
  await house.ready(pathOf(token));
  const next = 'turn-another-0123456789-0123456789';
  await house.apply({ ...secret, data: { token: base64(next) } });
  await until(
    'the token has its new name',
    async () => {
      const found = await house.gatectl('get', 'tokens', '--with-secrets', '--format=json');
      return found.includes(next) && !found.includes('turn-0123456789');
    },
    READY_MS,
  );
  await house.apply(custom('User', 'nobody', { spec: { roles: ['no-such-role'] } }));
  const user = await until('it says why', async () => {
    const object = await house.read<CustomObject>('gatehouseuser/nobody');
    return conditionOf(object, 'Ready') !== undefined && object;
  });
  expect(conditionOf(user, 'Ready')).toMatchObject({ status: 'False', message: /spec\.roles/ });
  await house.kubectl('delete', 'gatehouseuser/nobody');
});

test('ok: no version of any object was healthy for what it had not been looked at', async (context) => {
  if (whyNot !== undefined) context.skip(whyNot);
  const seen = watches.flatMap(({ all }) => all);
  console.info(`story: ${seen.length} versions of roles and clusters were seen`);
  expect(seen.length).toBeGreaterThan(100);
  for (const object of seen.filter((one) => kstatus(one) === 'Current')) {
    const { generation } = object.metadata;
    expect(object.status?.observedGeneration).toBe(generation);
    const ready = { status: 'True', observedGeneration: generation };
    expect(conditionOf(object, 'Ready'), JSON.stringify(object)).toMatchObject(ready);
    if (object.kind !== 'GatehouseCluster') continue;
    const { replicas } = (object.spec as { proxy: { replicas: number } }).proxy;
    expect(object.status?.['proxy'], JSON.stringify(object.status)).toMatchObject({
      ready: replicas,
      replicas,
    });
  }
});

test('ok: a namespace goes at once with all that is in it, also what is in conflict', async (context) => {
  if (whyNot !== undefined) context.skip(whyNot);
  const other = await house.gatectl('get', 'roles', '--format=json');
  expect(other).toContain('argo-by-hand');
  await house.apply(role('argo-by-hand', 'taken'));
  await phase('namespace is gone with its cluster', () =>
    house.cluster.kubectl(['delete', 'namespace', house.namespace, `--timeout=${READY_MS / 1000}s`]),
  );
});
