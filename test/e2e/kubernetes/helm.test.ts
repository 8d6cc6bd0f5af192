// Story 6, the three charts over their lives: what upgrades change and leave alone, what a rollback brings back, what stays
// when they are uninstalled, and that all of it is as the READMEs of the charts say.
import { cpSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { startKubeApi } from '#test/kit/kube-api.ts';
import { type Image, type KubeCluster, useCluster, whyNoCluster } from '#test/kit/kube-cluster.ts';
import { KUBE_START_MS, kubePrograms, run } from '#test/kit/kube-programs.ts';
import { tempFolder } from '#test/kit/temp.ts';
import { until } from '#test/kit/until.ts';
import { CHARTS, phase, READY_MS } from './house.ts';
import { kstatus, type CustomObject } from './kstatus.ts';

const CRDS = join(CHARTS, '..', 'crds');
const READY = `--timeout=${READY_MS / 1000}s`;
const whyNot = whyNoCluster();
let cluster: KubeCluster;
let image: Image;
let namespace: string;
let operatorNamespace: string;

type Json = Readonly<Record<string, unknown>>;

beforeAll(async () => {
  if (whyNot !== undefined) return;
  cluster = await useCluster();
  image = await cluster.image();
  namespace = await cluster.namespace('helm');
  operatorNamespace = await cluster.namespace('helm-op');
  await cluster.kubectl(['apply', '--server-side', '--force-conflicts', '-f', CRDS]);
  await cluster.kubectl(['wait', '--for=condition=Established', '--timeout=120s', '-f', CRDS]);
  await phase('operator is installed', () => operator('upgrade', '--install'));
}, KUBE_START_MS);

afterAll(async () => {
  if (whyNot !== undefined) return;
  // After a failure there are objects left, which need the operator to go.
  await kubectl('delete', 'gatehouse', '--all', '--timeout=2m').catch(console.error);
  await cluster.helm(['-n', operatorNamespace, 'uninstall', 'helm-story', '--ignore-not-found']);
  await cluster.close();
}, READY_MS);
afterEach(async ({ task }) => {
  if (task.result?.state !== 'fail' || whyNot !== undefined) return;
  console.error(await cluster.explain(namespace), await cluster.explain(operatorNamespace));
});

const kubectl = (...args: readonly string[]): Promise<string> => cluster.kubectl(['-n', namespace, ...args]);
const helm = (...args: readonly string[]): Promise<string> => cluster.helm(['-n', namespace, ...args]);
const withValues = (words: readonly string[], values: Json): Promise<string> =>
  cluster.helm([...words, '-f', '-'], JSON.stringify(values));

const ofImage = (): Json => ({ image: image.repository, gatehouseVersionOverride: image.tag });

async function operator(...words: readonly string[]): Promise<void> {
  const values = { ...ofImage(), watchNamespace: namespace, crds: { install: false } };
  const chart = ['helm-story', join(CHARTS, 'gatehouse-operator'), '-n', operatorNamespace];
  await withValues([...words, ...chart], values);
  const rollout = ['rollout', 'status', 'deployment/helm-story', READY];
  await cluster.kubectl(['-n', operatorNamespace, ...rollout]);
}

const role = (name: string, login: string): Json => ({ name, spec: { allow: { logins: [login] } } });
const TOKEN: Json = {
  name: 'agents',
  spec: {
    roles: ['node'],
    join_method: 'kubernetes',
    kubernetes: { type: 'in_cluster', allow: [{ service_account: '*:agents' }] },
  },
};

async function gate(more: Json = {}): Promise<void> {
  const values = {
    clusterName: 'helm.example.com',
    publicAddr: 'gate-proxy:443',
    authentication: { second_factor: 'off' },
    highAvailability: { replicaCount: 1 },
    service: { type: 'ClusterIP' },
    persistence: { size: '1Gi' },
    roles: [role('reader', 'first')],
    tokens: [
      {
        ...TOKEN,
        spec: {
          ...(TOKEN['spec'] as Json),
          kubernetes: { type: 'in_cluster', allow: [{ service_account: `${namespace}:agents` }] },
        },
      },
    ],
    ...more,
  };
  await withValues(
    ['upgrade', '--install', 'gate', join(CHARTS, 'gatehouse-cluster'), '-n', namespace],
    values,
  );
  await settled();
}

/** All objects of the release are as they say. */
async function settled(): Promise<void> {
  await until(
    'all objects are healthy',
    async () => {
      const { items } = JSON.parse(await kubectl('get', 'gatehouse', '-o=json')) as {
        items: readonly CustomObject[];
      };
      return items.length > 2 && items.every((object) => kstatus(object) === 'Current');
    },
    READY_MS,
  );
}

const gatectl = (...args: readonly string[]): Promise<string> =>
  kubectl('exec', 'gate-auth-0', '--', 'gatectl', ...args);
const loginsOf = async (name: string): Promise<string> => await gatectl('get', `role/${name}`);
const uidsOf = async (...types: readonly string[]): Promise<string> =>
  await kubectl(
    'get',
    types.join(','),
    '--sort-by=.metadata.name',
    '-o=jsonpath={range .items[*]}{.kind}/{.metadata.name} {.metadata.uid}{"\\n"}{end}',
  );
const namesOf = async (type: string): Promise<readonly string[]> =>
  (await kubectl('get', type, '-o=jsonpath={.items[*].metadata.name}')).split(/\s+/).filter(Boolean);
const caPins = (): Promise<string> => kubectl('get', 'gatehousecluster/gate', '-o=jsonpath={.status.caPins}');

test('ok: a cluster is upgraded without a restart where nothing changes, changed where it does, and rolled back', async (context) => {
  if (whyNot !== undefined) context.skip(whyNot);
  await phase('cluster by chart', () => gate());
  expect(await loginsOf('reader')).toContain('first');
  const before = await uidsOf('pods', 'persistentvolumeclaims', 'gatehouse');
  await gate();
  expect(await uidsOf('pods', 'persistentvolumeclaims', 'gatehouse')).toBe(before);
  await phase('upgrade', () => gate({ roles: [role('reader', 'second'), role('writer', 'w')] }));
  expect(await loginsOf('reader')).toContain('second');
  expect(await loginsOf('writer')).toContain('w');
  expect(await uidsOf('pods')).toBe(
    before
      .split('\n')
      .filter((line) => line.startsWith('Pod'))
      .join('\n') + '\n',
  );
  await phase('rollback', async () => {
    await helm('rollback', 'gate', '1');
    await kubectl('wait', '--for=delete', 'gatehouserole/writer', READY);
    await settled();
  });
  expect(await loginsOf('reader')).toContain('first');
  await expect(loginsOf('writer')).rejects.toThrow('there is no role of this name');
});

test('ok: an agent keeps its identity over upgrade and rollback, and leaves nothing when it is uninstalled', async (context) => {
  if (whyNot !== undefined) context.skip(whyNot);
  const common = {
    ...ofImage(),
    proxyAddr: 'gate-proxy:443',
    clusterName: 'helm.example.com',
    roles: 'node',
    joinParams: { tokenName: 'agents' },
    caPin: JSON.parse(await caPins()) as string[],
  };
  const agent = async (labels: Json): Promise<void> => {
    const words = ['upgrade', '--install', 'agents', join(CHARTS, 'gatehouse-kube-agent'), '-n', namespace];
    await withValues(words, { ...common, labels });
    await rolled();
  };
  const rolled = (): Promise<string> => kubectl('rollout', 'status', 'statefulset/agents', READY);
  const hostId = (): Promise<string> =>
    kubectl('get', 'secret/agents-0-state', '-o=jsonpath={.data.host_id}');
  await phase('agent by chart', () => agent({ env: 'one' }));
  const id = await hostId();
  expect(id).not.toBe('');
  await phase('agent upgraded', () => agent({ env: 'two' }));
  const listed = (env: string): Promise<unknown> =>
    until('the label', async () => (await gatectl('get', 'nodes')).includes(`env: ${env}`), READY_MS);
  await listed('two');
  expect(await hostId()).toBe(id);
  await helm('rollback', 'agents', '1');
  await rolled();
  await listed('one');
  expect(await hostId()).toBe(id);
  await helm('uninstall', 'agents', '--wait');
  const kinds =
    'pods,statefulsets,configmaps,secrets,serviceaccounts,roles,rolebindings,persistentvolumeclaims';
  await until(
    'nothing of it is left, its Secret neither',
    async () => !(await kubectl('get', kinds, '-o=name')).includes('/agents'),
    READY_MS,
  );
});

test('ok: the operator is upgraded and rolled back under its cluster, which notices nothing', async (context) => {
  if (whyNot !== undefined) context.skip(whyNot);
  const before = await uidsOf('pods', 'persistentvolumeclaims', 'gatehouse');
  await operator('upgrade', '--set=log.level=debug');
  await cluster.helm(['-n', operatorNamespace, 'rollback', 'helm-story', '1', '--wait', READY]);
  await gate({ roles: [role('reader', 'after')] });
  expect(await loginsOf('reader')).toContain('after');
  expect(await uidsOf('pods', 'persistentvolumeclaims', 'gatehouse')).toBe(before);
});

test('ok: the operator is uninstalled: the cluster serves, objects that are deleted wait, and the next one takes all up', async (context) => {
  if (whyNot !== undefined) context.skip(whyNot);
  const before = await uidsOf('pods');
  const crds = (): Promise<string> => cluster.kubectl(['get', 'crd', '-o=name']);
  const definitions = await crds();
  await cluster.helm(['-n', operatorNamespace, 'uninstall', 'helm-story', '--wait']);
  expect(await crds()).toBe(definitions);
  for (const type of [
    'clusterroles',
    'clusterrolebindings',
    'validatingadmissionpolicies',
    'validatingadmissionpolicybindings',
  ])
    expect(await cluster.kubectl(['get', type, '-o=name'])).not.toContain(operatorNamespace);
  const left = (): Promise<string> =>
    cluster.kubectl(['-n', operatorNamespace, 'get', 'all,secrets,leases,roles', '-o=name']);
  // Helm does not wait for pods that are on their way out.
  await until('its pod to be gone', async () => !(await left()).includes('pod/'), READY_MS);
  expect((await left()).trim()).toBe('lease.coordination.k8s.io/gatehouse-operator');
  expect(await gatectl('status')).toContain('helm.example.com');
  await kubectl('delete', 'gatehouserole/reader', '--wait=false');
  expect(await namesOf('gatehouseroles')).toEqual(['reader']);
  await phase('operator is installed again', () => operator('install'));
  await kubectl('wait', '--for=delete', 'gatehouserole/reader', READY);
  await expect(loginsOf('reader')).rejects.toThrow('there is no role of this name');
  expect(await uidsOf('pods')).toBe(before);
});

test('ok: a cluster that is uninstalled keeps its volume, and one that is installed again has everything that was in it', async (context) => {
  if (whyNot !== undefined) context.skip(whyNot);
  await gate();
  const [pins, volumes] = [await caPins(), await uidsOf('persistentvolumeclaims')];
  await phase('uninstall', async () => {
    await helm('uninstall', 'gate', '--wait');
    await until('all pods are gone', async () => (await namesOf('pods')).length === 0, READY_MS);
  });
  expect(await namesOf('gatehouse')).toEqual([]);
  expect(await uidsOf('persistentvolumeclaims')).toBe(volumes);
  expect(volumes).toContain('gate-auth-0');
  await until(
    'nothing else is left',
    async () => {
      const types = 'statefulsets,services,configmaps,serviceaccounts,poddisruptionbudgets';
      return !(await kubectl('get', types, '-o=name')).includes('gate-');
    },
    READY_MS,
  );
  await phase('installed again', () => gate({ deletionPolicy: 'Delete' }));
  expect(await caPins()).toBe(pins);
  await helm('uninstall', 'gate', '--wait');
  await phase('with deletionPolicy Delete the volume goes', () =>
    until('gone', async () => (await namesOf('persistentvolumeclaims')).length === 0, READY_MS),
  );
});

test(
  'ok: a chart with newer definitions upgrades those that are there, under their objects, and so does its rollback',
  async () => {
    const bin = await kubePrograms('helm');
    const api = await startKubeApi();
    const onApi = (...args: readonly string[]): Promise<string> =>
      run(`${bin}/helm`, args, { env: { KUBECONFIG: api.kubeconfigPath } });
    const lock = (name: string): string =>
      JSON.stringify({
        apiVersion: 'gatehouse.dev/v1',
        kind: 'GatehouseLock',
        metadata: { name, namespace: 'default' },
        spec: { target: { user: 'mallory' }, message: 'Left' },
      });
    const messageOf = (name: string): Promise<string> =>
      api.kubectl(['get', `gatehouselock/${name}`, '-o=jsonpath={.spec.message}']);
    try {
      const older = olderChart();
      await onApi('install', 'op', older);
      await api.kubectl(['wait', '--for=condition=Established', '--timeout=120s', '-f', CRDS]);
      await api.kubectl(['create', '--validate=false', '-f', '-'], lock('before'));
      expect(await messageOf('before')).toBe('');
      await onApi('upgrade', 'op', join(CHARTS, 'gatehouse-operator'));
      await until(
        'the field is known',
        async () => {
          await api.kubectl(['apply', '--validate=false', '-f', '-'], lock('after'));
          return (await messageOf('after')) === 'Left';
        },
        READY_MS,
      );
      await onApi('rollback', 'op', '1');
      const field = '{.spec.versions[0].schema.openAPIV3Schema.properties.spec.properties.message}';
      const definition = ['get', 'crd', 'gatehouselocks.gatehouse.dev', `-o=jsonpath=${field}`];
      expect(await api.kubectl(definition)).toBe('');
      expect(await api.kubectl(['get', 'gatehouselocks', '-o=name'])).toContain('before');
      await onApi('uninstall', 'op');
      expect(await api.kubectl(['get', 'gatehouselocks', '-o=name'])).toContain('after');
      // Definitions that somebody applied by hand are taken over on request only.
      await onApi('install', 'op', join(CHARTS, 'gatehouse-operator'));
      await onApi('uninstall', 'op');
      await api.kubectl([
        'annotate',
        'crd',
        '--all',
        'meta.helm.sh/release-name-',
        'meta.helm.sh/release-namespace-',
      ]);
      await expect(onApi('install', 'op', join(CHARTS, 'gatehouse-operator'))).rejects.toThrow(
        'invalid ownership metadata',
      );
      await onApi('install', 'op', join(CHARTS, 'gatehouse-operator'), '--take-ownership');
    } finally {
      await api.close();
    }
  },
  KUBE_START_MS,
);

const folder = tempFolder();

/** The chart as if locks had no message yet. */
function olderChart(): string {
  const chart = join(folder, 'older');
  cpSync(join(CHARTS, 'gatehouse-operator'), chart, { recursive: true });
  const file = join(chart, 'templates', 'crds', 'gatehouselocks.gatehouse.dev.yaml');
  const text = readFileSync(file, 'utf8');
  const without = text.replace(/^( +)message:\n\1 {2}description:[^\n]*\n(\1 {2}[^\n]*\n)*/m, '');
  expect(without).not.toBe(text);
  writeFileSync(file, without);
  return chart;
}
