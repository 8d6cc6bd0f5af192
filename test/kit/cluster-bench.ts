// GatehouseClusters on the fake API server: the operator's runtime with the cluster and storage controllers, an auth that
// answers, and what the controllers of Kubernetes would do to StatefulSets and pods.
import { silentLog } from '#core/log.ts';
import { Registry } from '#core/metrics/registry.ts';
import { CLUSTER_CONTROLLER, clusterController } from '#operator/cluster/controller.ts';
import { conditionsOf, type Condition } from '#operator/cluster/conditions.ts';
import { labelsOf, REVISION_LABEL } from '#operator/cluster/names.ts';
import type { Step } from '#operator/cluster/upgrade.ts';
import { CLUSTER } from '#operator/crds/cluster.ts';
import { STORAGE } from '#operator/crds/storage.ts';
import type { Houses } from '#operator/house/houses.ts';
import { openFakeKube, type FakeKube } from '#operator/kube/fake.ts';
import type { Kube, KubeObject, ObjectType } from '#operator/kube/kube.ts';
import { PODS, STATEFUL_SETS } from '#operator/kube/object-types.ts';
import { openRuntime, type Runtime } from '#operator/runtime/run.ts';
import { storageController } from '#operator/storage/controller.ts';
import { FakeClock } from './clock.ts';
import { until } from './until.ts';

export const NAMESPACE = 'access';
export const PIN = `sha256:${'a'.repeat(64)}`;
export const OPERATOR = {
  id: 'operator-1',
  namespace: 'gatehouse-system',
  serviceAccount: 'gatehouse-operator',
  version: '0.2.0',
};

export class ClusterBench {
  readonly clock = new FakeClock();
  readonly kube: FakeKube = openFakeKube({ clock: this.clock, types: [CLUSTER, STORAGE] });
  readonly runtime: Runtime;
  readonly #held = new Map<ObjectType, Promise<void>>();
  /** What auth says of itself; undefined: it cannot be reached. */
  answers: { version: string; caPins: readonly string[] } | undefined = {
    version: '0.2.0',
    caPins: [PIN],
  };

  constructor() {
    const { clock } = this;
    const metrics = new Registry();
    const watch: Kube['watch'] = (...watched) => this.#watch(...watched);
    const kube = Object.assign(Object.create(this.kube) as Kube, { watch });
    this.runtime = openRuntime({ kube, clock, metrics, log: silentLog, operator: OPERATOR });
  }

  async start(): Promise<void> {
    const { context } = this.runtime;
    const houses = { connection: () => this.#connection(), onChange: () => () => {} };
    await this.runtime.start([
      clusterController(context, { houses, imageRepository: 'registry.test/gatehouse' }),
      storageController(context),
    ]);
    await this.idle();
  }

  idle(): Promise<unknown> {
    return until('idle', () => this.runtime.isIdle());
  }

  /** Creates or replaces the GatehouseCluster `main`. */
  async put(spec: Readonly<Record<string, unknown>> = {}, beside: Partial<KubeObject> = {}): Promise<void> {
    const old = this.cluster();
    this.kube.seed({
      ...old,
      ...clusterObject(spec),
      ...beside,
      metadata: { ...old?.metadata, ...clusterObject().metadata, ...beside.metadata },
    });
    await this.settle();
  }

  cluster(): KubeObject | undefined {
    return this.kube.find(CLUSTER, { namespace: NAMESPACE, name: 'main' });
  }

  /** `True Serving` */
  says(type: string): string | undefined {
    const found = this.condition(type);
    return found === undefined ? undefined : `${found.status} ${found.reason}`;
  }

  condition(type: string): Condition | undefined {
    const object = this.cluster();
    return object === undefined ? undefined : conditionsOf(object).find((one) => one.type === type);
  }

  set(step: Step): KubeObject | undefined {
    return this.kube.find(STATEFUL_SETS, { namespace: NAMESPACE, name: `main-${step}` });
  }

  revision(step: Step): string | undefined {
    return this.set(step)?.metadata.labels?.[REVISION_LABEL];
  }

  image(step: Step): string | undefined {
    const { template } = (this.set(step)?.['spec'] ?? {}) as {
      template?: { spec: { containers: { image: string }[] } };
    };
    return template?.spec.containers[0]?.image;
  }

  /** All pods of the step become ready at its revision. */
  async ready(step: Step): Promise<void> {
    const set = this.set(step);
    if (set === undefined) throw new Error(`there is no StatefulSet of ${step}`);
    const { replicas } = set['spec'] as { replicas: number };
    await this.report(step, { readyReplicas: replicas, availableReplicas: replicas });
  }

  /** What its controller writes after it has seen the last spec. */
  async report(step: Step, status: Readonly<Record<string, unknown>>): Promise<void> {
    const set = this.set(step);
    if (set === undefined) throw new Error(`there is no StatefulSet of ${step}`);
    const { replicas } = set['spec'] as { replicas: number };
    const { generation } = set.metadata;
    const all = { observedGeneration: generation, replicas, updatedReplicas: replicas, ...status };
    this.kube.seed({ ...set, status: all });
    await this.settle();
  }

  /** A pod of the step's present revision with this container status. */
  async pod(step: Step, container: Readonly<Record<string, unknown>>): Promise<void> {
    this.kube.seed({
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: {
        name: `main-${step}-0`,
        namespace: NAMESPACE,
        labels: { ...labelsOf('main', step), [REVISION_LABEL]: this.revision(step) ?? '' },
      },
      status: { containerStatuses: [{ name: 'gatehouse', ...container }] },
    });
    await this.settle();
  }

  async removePods(): Promise<void> {
    for (const { metadata } of this.kube.all(PODS, NAMESPACE)) {
      await this.kube.delete(PODS, { namespace: NAMESPACE, name: metadata.name });
    }
    await this.settle();
  }

  /** Watches have told, queues are empty, and nobody writes any more. */
  async settle(): Promise<void> {
    for (let quiet = 0, calls = -1; quiet < 5;) {
      await this.idle();
      await new Promise((resolve) => setImmediate(resolve));
      quiet = this.kube.calls.length === calls ? quiet + 1 : 0;
      calls = this.kube.calls.length;
    }
  }

  /** Has the controller of clusters look at `main` for no reason. */
  look(): void {
    this.runtime.context.enqueue(CLUSTER_CONTROLLER, { namespace: NAMESPACE, name: 'main' });
  }

  /** What happens to objects of the type is told late: when the returned function is called. */
  holdWatch(type: ObjectType): () => void {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#held.set(type, promise);
    return () => {
      this.#held.delete(type);
      resolve();
    };
  }

  async *#watch(...[type, selection, signal]: Parameters<Kube['watch']>): ReturnType<Kube['watch']> {
    for await (const event of this.kube.watch(type, selection, signal)) {
      await this.#held.get(type);
      yield event;
    }
  }

  #connection(): ReturnType<Houses['connection']> {
    const { answers } = this;
    if (answers === undefined) return { state: 'connecting', message: 'auth does not answer' };
    const api = { call: () => Promise.resolve({ server_version: answers.version }) };
    return { state: 'connected', api, copy: {}, caPins: answers.caPins } as unknown as ReturnType<
      Houses['connection']
    >;
  }
}

export function clusterObject(spec: Readonly<Record<string, unknown>> = {}): KubeObject {
  return {
    apiVersion: 'gatehouse.dev/v1',
    kind: 'GatehouseCluster',
    metadata: { name: 'main', namespace: NAMESPACE },
    spec: { clusterName: 'gate.example.com', publicAddress: 'gate.example.com', ...spec },
  };
}

export function storageObject(spec: Readonly<Record<string, unknown>> = {}, name = 'state'): KubeObject {
  return {
    apiVersion: 'gatehouse.dev/v1',
    kind: 'GatehouseStorage',
    metadata: { name, namespace: NAMESPACE },
    spec,
  };
}
