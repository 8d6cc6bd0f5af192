// On a real API server, where nobody acts on StatefulSets: the test says in their place that pods are ready.
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { systemClock } from '#core/clock.ts';
import { silentLog } from '#core/log.ts';
import { Registry } from '#core/metrics/registry.ts';
import { clusterObject, NAMESPACE, OPERATOR, PIN, storageObject } from '#test/kit/cluster-bench.ts';
import { FULL_SPEC, samplePlan } from '#test/kit/cluster-plan.ts';
import { startKubeApi, type KubeApi } from '#test/kit/kube-api.ts';
import { KUBE_START_MS } from '#test/kit/kube-programs.ts';
import { until } from '#test/kit/until.ts';
import { CLUSTER } from '../crds/cluster.ts';
import { STORAGE } from '../crds/storage.ts';
import type { Houses } from '../house/houses.ts';
import { connectKube, type ConnectedKube } from '../kube/connect.ts';
import { inCluster } from '../kube/api-server.ts';
import type { KubeObject } from '../kube/kube.ts';
import { CONFIG_MAPS, SERVICES, STATEFUL_SETS } from '../kube/object-types.ts';
import { openRuntime, type Runtime } from '../runtime/run.ts';
import { storageController } from '../storage/controller.ts';
import { conditionsOf } from './conditions.ts';
import { clusterController } from './controller.ts';
import { REVISION_LABEL } from './names.ts';
import { wantedRevisions } from './resources/revision.ts';
import { configMap, statefulSet } from './resources/stateful-set.ts';
import { surroundings } from './resources/surroundings.ts';
import { STEPS, type Step } from './upgrade.ts';

let api: KubeApi;
let kube: ConnectedKube;
let runtime: Runtime;
const calls: string[] = [];
const metrics = new Registry();
const WAIT_MS = 120_000;
const TEST_MS = 300_000;

beforeAll(async () => {
  api = await startKubeApi();
  for (const plural of [CLUSTER.plural, STORAGE.plural]) {
    const path = new URL(`../../crds/${plural}.gatehouse.dev.yaml`, import.meta.url);
    await api.kubectl(['apply', '--server-side', '-f', '-'], readFileSync(path, 'utf8'));
    const crd = `crd/${plural}.gatehouse.dev`;
    await api.kubectl(['wait', '--for=condition=established', crd, '--timeout=120s']);
  }
  await api.kubectl(['create', 'namespace', NAMESPACE]);
  kube = await connectKube({
    clock: systemClock,
    environment: {},
    types: [CLUSTER, STORAGE],
    version: '0.0.0-test',
    observe: ({ verb, resource }) => void calls.push(`${verb} ${resource}`),
    server: asPod(),
  });
  runtime = openRuntime({ kube, clock: systemClock, log: silentLog, metrics, operator: OPERATOR });
  const answer = { call: () => Promise.resolve({ server_version: OPERATOR.version }) };
  const connection = { state: 'connected', api: answer, copy: {}, caPins: [PIN] };
  const houses = {
    connection: () => connection as unknown as ReturnType<Houses['connection']>,
    onChange: () => () => {},
  };
  const imageRepository = 'registry.test/gatehouse';
  await runtime.start([
    clusterController(runtime.context, { houses, imageRepository }),
    storageController(runtime.context),
  ]);
}, KUBE_START_MS);
afterAll(async () => {
  await runtime.close();
  kube.close();
  await api.close();
});

/** With the files of a ServiceAccount, as in a pod; the right is the admin's. */
function asPod() {
  const accountDir = api.folder;
  writeFileSync(join(accountDir, 'token'), api.adminToken);
  writeFileSync(join(accountDir, 'ca.crt'), api.caPem);
  const environment = { KUBERNETES_SERVICE_HOST: '127.0.0.1', KUBERNETES_SERVICE_PORT: String(api.port) };
  return inCluster({ clock: systemClock, environment, accountDir });
}

const named = (name: string) => ({ namespace: NAMESPACE, name });
const put = (object: KubeObject) => api.kubectl(['apply', '-f', '-'], JSON.stringify(object));
const writes = () => calls.filter((call) => !/^(get|list|watch) /i.test(call)).length;

async function condition(type: string): Promise<string | undefined> {
  const found = conditionsOf(await kube.get(CLUSTER, named('main'))).find((one) => one.type === type);
  return found === undefined ? undefined : `${found.status} ${found.reason}`;
}
const says = (type: string, words: string | undefined) =>
  until(`${type} ${words}`, async () => (await condition(type)) === words, WAIT_MS);

async function ready(step: Step): Promise<void> {
  const set = await until(
    `StatefulSet of ${step}`,
    () => kube.get(STATEFUL_SETS, named(`main-${step}`)).catch(() => undefined),
    WAIT_MS,
  );
  const { replicas } = set['spec'] as { replicas: number };
  const { generation } = set.metadata;
  await kube.applyStatus(
    {
      apiVersion: 'apps/v1',
      kind: 'StatefulSet',
      metadata: named(`main-${step}`),
      status: {
        observedGeneration: generation,
        replicas,
        readyReplicas: replicas,
        availableReplicas: replicas,
        updatedReplicas: replicas,
      },
    },
    { fieldManager: 'kube-controller-manager', force: true },
  );
}

it(
  'refuses: a missing storage and a bad one are conditions, and nothing is tried in a loop',
  async () => {
    await put(clusterObject({ storageRef: { name: 'state' } }));
    await says('Stalled', 'True StorageNotFound');
    await put(storageObject({ type: 'etcd' }));
    await says('Stalled', 'True UnsupportedStorage');
    expect((await kube.list(STATEFUL_SETS, { namespace: NAMESPACE })).items).toEqual([]);
    expect(metrics.render()).not.toMatch(/failed"[^}]*\} [1-9]/);
    await put(storageObject({ sqlite: { volume: { size: '1Gi' } } }));
    await says('Stalled', undefined);
  },
  TEST_MS,
);

it(
  'ok: installed; then looks make no writes, and applying the same again changes no resourceVersion',
  async () => {
    await ready('auth');
    await ready('proxy');
    await says('Progressing', 'False Settled');
    await until('idle', () => runtime.isIdle(), WAIT_MS);
    const before = writes();
    expect(before).toBeGreaterThan(0);
    for (let look = 0; look < 3; look += 1) {
      runtime.context.enqueue('cluster', named('main'));
      runtime.context.enqueue('storage', named('state'));
      await until('idle', () => runtime.isIdle(), WAIT_MS);
    }
    expect(writes()).toBe(before);
  },
  TEST_MS,
);

it(
  'ok: with every knob set the API server takes all objects, and the second apply is none',
  async () => {
    const object = await kube.get(CLUSTER, named('main'));
    const owner = { ...object, metadata: { ...object.metadata, name: 'full' } };
    const plan = samplePlan(FULL_SPEC, {
      key: { namespace: NAMESPACE, name: 'full' },
      object: owner,
      tlsSecret: 'web',
    });
    const revisions = wantedRevisions(plan);
    const all = [
      ...surroundings(plan),
      ...STEPS.flatMap((step) => [
        configMap(plan, step, revisions[step]),
        statefulSet(plan, step, revisions[step]),
      ]),
    ];
    for (const one of all) {
      const first = await kube.apply(one, { force: true });
      const second = await kube.apply(one, { force: true });
      expect([one.kind, second.metadata.resourceVersion]).toEqual([one.kind, first.metadata.resourceVersion]);
    }
  },
  TEST_MS,
);

it(
  'ok: an upgrade goes through its steps; what the API server refuses is a condition with its words',
  async () => {
    const spec = { storageRef: { name: 'state' } };
    const good = (await kube.get(STATEFUL_SETS, named('main-auth'))).metadata.labels?.[REVISION_LABEL];
    await put(clusterObject({ ...spec, image: { tag: 'next' } }));
    await says('Progressing', 'True Upgrading');
    await until(
      'auth moves',
      async () =>
        (await kube.get(STATEFUL_SETS, named('main-auth'))).metadata.labels?.[REVISION_LABEL] !== good,
      WAIT_MS,
    );
    await ready('auth');
    await until(
      'proxy moves',
      async () => JSON.stringify(await kube.get(STATEFUL_SETS, named('main-proxy'))).includes(':next'),
      WAIT_MS,
    );
    await ready('proxy');
    await says('Progressing', 'False Settled');
    const files = await kube.list(CONFIG_MAPS, { namespace: NAMESPACE, labelSelector: REVISION_LABEL });
    expect(files.items.filter(({ metadata }) => metadata.name.startsWith('main-'))).toHaveLength(2);
    await put(
      clusterObject({ ...spec, image: { tag: 'next' }, proxy: { tolerations: [{ operator: 'Perhaps' }] } }),
    );
    await says('Stalled', 'True Refused');
    const found = conditionsOf(await kube.get(CLUSTER, named('main'))).find(({ type }) => type === 'Stalled');
    expect(found?.message).toContain('tolerations[0]');
    await put(clusterObject({ ...spec, image: { tag: 'next' } }));
    await says('Stalled', undefined);
  },
  TEST_MS,
);

it(
  'ok: what people change by hand comes back',
  async () => {
    await api.kubectl(['-n', NAMESPACE, 'delete', 'service', 'main-auth']);
    await api.kubectl(['-n', NAMESPACE, 'scale', 'statefulset', 'main-proxy', '--replicas=9']);
    await until('Service', () => kube.get(SERVICES, named('main-auth')).catch(() => undefined), WAIT_MS);
    await until(
      'replicas',
      async () => (await kube.get(STATEFUL_SETS, named('main-proxy')))['spec'] as { replicas: number },
      WAIT_MS,
    );
    await until(
      'two proxies',
      async () =>
        ((await kube.get(STATEFUL_SETS, named('main-proxy')))['spec'] as { replicas: number }).replicas === 2,
      WAIT_MS,
    );
  },
  TEST_MS,
);

it(
  'ok: deleted, it leaves nothing without an owner; a storage stays until nobody uses it',
  async () => {
    await kube.delete(STORAGE, named('state'));
    await until(
      'held',
      async () =>
        conditionsOf(await kube.get(STORAGE, named('state'))).some(({ reason }) => reason === 'InUse'),
      WAIT_MS,
    );
    await kube.delete(CLUSTER, named('main'));
    const gone = (type: typeof CLUSTER, name: string) =>
      until(
        `end of ${name}`,
        () =>
          kube.get(type, named(name)).then(
            () => false,
            () => true,
          ),
        WAIT_MS,
      );
    await gone(CLUSTER, 'main');
    await gone(STORAGE, 'state');
    const bindings = await api.kubectl(['get', 'clusterrolebindings', '-o', 'name']);
    expect(bindings).not.toContain('gatehouse:access:main:');
  },
  TEST_MS,
);
