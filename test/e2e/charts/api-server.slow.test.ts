// The charts on a real API server: every render of the matrix is taken by it, pods pass the strictest standard for pods,
// rights are what they are meant to be, and install, upgrade and uninstall leave what the READMEs say.
import { afterAll, beforeAll, expect, test } from 'vitest';
import { startKubeApi, type KubeApi } from '#test/kit/kube-api.ts';
import { KUBE_START_MS, kubePrograms, run } from '#test/kit/kube-programs.ts';
import { until } from '#test/kit/until.ts';
import { MATRIX } from './matrix.ts';
import { at, chartPath, render, renderText, type Rendered } from './render.ts';

const CRDS = new URL('../../../crds/', import.meta.url).pathname;
const NAMESPACES = ['gatehouse-system', 'apps', 'access', 'teleport-agent'];
const ACCOUNTS = ['agent', 'gatehouse-operator', 'teleport-kube-agent'];

const cluster: { api?: KubeApi; helm?: string } = {};
const api = (): KubeApi => {
  if (cluster.api === undefined) throw new Error('the API server did not start');
  return cluster.api;
};

const helm = (...args: readonly string[]): Promise<string> =>
  run(`${cluster.helm ?? ''}/helm`, args, { env: { KUBECONFIG: api().kubeconfigPath } });

beforeAll(async () => {
  cluster.helm = await kubePrograms('helm');
  cluster.api = await startKubeApi();
  await api().kubectl(['apply', '--server-side', '-f', CRDS]);
  await api().kubectl(['wait', '--for=condition=Established', '--timeout=120s', '-f', CRDS]);
  for (const namespace of NAMESPACES) {
    await api().kubectl(['create', 'namespace', namespace]);
    await api().kubectl(['label', 'namespace', namespace, 'pod-security.kubernetes.io/enforce=restricted']);
  }
}, KUBE_START_MS);

afterAll(() => cluster.api?.close());

test.each(MATRIX)('ok: an API server takes $name', async ({ chart, values, setup }) => {
  const text = await renderText(chart, values, setup);
  const taken = await api().kubectl(['apply', '--server-side', '--dry-run=server', '-f', '-'], text);
  const objects = await render(chart, values, setup);
  expect(taken.trim().split('\n')).toHaveLength(objects.length);
});

test.each(MATRIX.filter(({ chart }) => chart !== 'gatehouse-cluster'))(
  'ok: pods of $name pass the restricted standard',
  async ({ chart, values, setup }) => {
    const workload = (await render(chart, values, setup)).find(({ kind }) =>
      /^(StatefulSet|Deployment)$/.test(kind),
    );
    const namespace = workload?.metadata.namespace ?? '';
    await ensureAccounts(namespace);
    const spec = at(workload, 'spec', 'template', 'spec') as { volumes: object[]; initContainers?: object[] };
    // What people add is theirs; a claim is made by the StatefulSet, which is not at work here.
    const pod = {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name: 'pod', namespace },
      spec: {
        ...spec,
        initContainers: [],
        volumes: [{ name: 'data', emptyDir: {} }, ...spec.volumes].filter(isFirst),
      },
    };
    const taken = await api().kubectl(['create', '--dry-run=server', '-f', '-'], JSON.stringify(pod));
    expect(taken).toContain('pod/pod created');
  },
);

const isFirst = (volume: object, index: number, all: readonly object[]): boolean =>
  all.findIndex((other) => at(other, 'name') === at(volume, 'name')) === index;

async function ensureAccounts(namespace: string): Promise<void> {
  const accounts = ACCOUNTS.map((name) => ({
    apiVersion: 'v1',
    kind: 'ServiceAccount',
    metadata: { name, namespace },
  }));
  const list = { apiVersion: 'v1', kind: 'List', items: accounts };
  // As another manager would: helm takes nothing over that it did not make.
  if (namespace !== 'gatehouse-system' || !(await has('serviceaccount', 'gatehouse-operator', namespace)))
    await api().kubectl(['apply', '-f', '-'], JSON.stringify(list));
}

const has = async (type: string, name: string, namespace: string): Promise<boolean> =>
  (await api().kubectl(['get', type, name, '-n', namespace, '--ignore-not-found'])) !== '';

const may = async (account: string, namespace: string, ...request: readonly string[]): Promise<boolean> =>
  (
    await api()
      .kubectl(['auth', 'can-i', ...request, '-n', namespace, `--as=system:serviceaccount:${account}`])
      .catch((error: Error) => (error.message.includes('no') ? 'no' : Promise.reject(error)))
  ).startsWith('yes');

test('ok: S37 an agent may keep its identity, and read no other Secret', async () => {
  const text = await renderText(
    'gatehouse-kube-agent',
    { proxyAddr: 'gate.example.com:443', roles: 'node', highAvailability: { replicaCount: 2 } },
    { release: 'rights', namespace: 'apps' },
  );
  await api().kubectl(['apply', '-f', '-'], text);
  const agent = (...request: readonly string[]): Promise<boolean> => may('apps:rights', 'apps', ...request);
  expect(await agent('create', 'secrets')).toBe(true);
  for (const replica of ['rights-0', 'rights-1']) {
    expect(await agent('get', `secrets/${replica}-state`)).toBe(true);
    expect(await agent('update', `secrets/${replica}-state`)).toBe(true);
    expect(await agent('get', `pods/${replica}`)).toBe(true);
  }
  for (const request of [
    ['get', 'secrets/rights-2-state'],
    ['get', 'secrets/other'],
    ['list', 'secrets'],
    ['watch', 'secrets'],
    ['delete', 'secrets/rights-0-state'],
    ['get', 'pods/other-0'],
    ['create', 'pods'],
    ['create', 'serviceaccounts/token'],
  ])
    expect([request, await agent(...request)]).toEqual([request, false]);
  expect(await may('apps:rights', 'access', 'create', 'secrets')).toBe(false);
});

test('ok: install, upgrade and uninstall of the operator; its custom resources stay and are taken up again', async () => {
  const chart = chartPath('gatehouse-operator');
  await api().kubectl(['create', 'namespace', 'fresh']);
  await api().kubectl(['delete', '-f', CRDS]);
  const there = async (): Promise<string[]> =>
    (await api().kubectl(['get', 'crd', '-o', 'name']))
      .split('\n')
      .filter((name) => name.includes('gatehouse.dev'));
  await helm('install', 'op', chart, '-n', 'fresh');
  const crds = await there();
  expect(crds.length).toBeGreaterThan(5);
  expect(await may('fresh:op', 'access', 'patch', 'gatehouseroles.gatehouse.dev/status')).toBe(true);
  expect(await may('fresh:op', 'access', 'create', 'secrets')).toBe(false);
  await helm('upgrade', 'op', chart, '-n', 'fresh', '--set', 'watchNamespace=access');
  expect(await may('fresh:op', 'access', 'get', 'secrets')).toBe(true);
  expect(await may('fresh:op', 'apps', 'get', 'secrets')).toBe(false);
  const object = JSON.stringify({
    apiVersion: 'gatehouse.dev/v1',
    kind: 'GatehouseRole',
    metadata: { name: 'kept', namespace: 'access' },
    spec: {},
  });
  await api().kubectl(['apply', '-f', '-'], object);
  await helm('uninstall', 'op', '-n', 'fresh');
  expect(await there()).toEqual(crds);
  expect(await has('gatehouserole', 'kept', 'access')).toBe(true);
  expect(await has('clusterrole', 'fresh:op', 'fresh')).toBe(false);
  await helm('install', 'op', chart, '-n', 'fresh');
  expect(await has('gatehouserole', 'kept', 'access')).toBe(true);
});

test('ok: S37 an operator of one namespace changes objects of no other, also by the right that outlives its Roles', async () => {
  await ensureNamespace('limited');
  await helm(
    'install',
    'limited',
    chartPath('gatehouse-operator'),
    '-n',
    'limited',
    '--set',
    'watchNamespace=access,crds.install=false',
  );
  const object = (namespace: string, finalizers: readonly string[]): string =>
    JSON.stringify({
      apiVersion: 'gatehouse.dev/v1',
      kind: 'GatehouseRole',
      metadata: { name: 'limited', namespace, finalizers },
      spec: {},
    });
  const apply = ['apply', '--server-side', '--validate=false', '-f', '-'];
  for (const namespace of ['access', 'apps']) await api().kubectl(apply, object(namespace, []));
  // Only server-side apply sends nothing but the patch.
  const as = ['--as=system:serviceaccount:limited:limited', '--field-manager=operator'];
  const patch = (namespace: string): Promise<string> =>
    api().kubectl([...apply, ...as], object(namespace, ['gatehouse.dev/mirror']));
  await until(
    'the policy is in force',
    async () => {
      const answer = await patch('apps').catch(String);
      return answer.includes('this operator looks at the namespace access only');
    },
    120_000,
  );
  await patch('access');
  // As it is while the namespace goes: its Roles are no more, and its objects are let go all the same.
  await api().kubectl(['delete', 'rolebinding', 'limited:limited', '-n', 'access']);
  await until('the Role is no more', async () => !(await may('limited:limited', 'access', 'get', 'secrets')));
  await patch('access');
  await expect(patch('apps')).rejects.toThrow('this operator looks at the namespace access only');
  await helm('uninstall', 'limited', '-n', 'limited');
});

test('ok: what helm says after an install is what people need next', async () => {
  await ensureNamespace('notes');
  const agent = await helm(
    'install',
    'notes',
    chartPath('gatehouse-kube-agent'),
    '-n',
    'notes',
    '--set',
    'proxyAddr=gate.example.com:443,roles=node',
  );
  expect(agent).toContain('- service_account: "notes:notes"');
  expect(agent).toContain('caPin is not set');
  expect(agent).toContain('kubectl -n notes logs statefulset/notes');
  const gate = await helm(
    'install',
    'gate',
    chartPath('gatehouse-cluster'),
    '-n',
    'notes',
    '--set',
    'clusterName=gate.example.com',
  );
  expect(gate).toContain('kubectl -n notes wait gatehousecluster/gate --for=condition=Ready');
  const set = (await api().kubectl([
    'get',
    'statefulset',
    'notes',
    '-n',
    'notes',
    '-o',
    'json',
  ])) satisfies string;
  expect((JSON.parse(set) as Rendered).metadata.labels).toMatchObject({
    'app.kubernetes.io/instance': 'notes',
  });
  await helm('uninstall', 'notes', '-n', 'notes');
  expect(await has('statefulset', 'notes', 'notes')).toBe(false);
});

const ensureNamespace = (name: string): Promise<string> => api().kubectl(['create', 'namespace', name]);
