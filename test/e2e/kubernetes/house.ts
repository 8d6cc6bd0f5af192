// What the stories on Kubernetes run on: an operator installed with helm that looks at one namespace, a GatehouseCluster in
// it that is Ready, people who sign in from this machine through a NodePort, and agents. All of it as a user does it: helm,
// kubectl, gate, ssh.
import { randomInt } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Image, type KubeCluster, type OwnCluster, useCluster } from '#test/kit/kube-cluster.ts';
import { type KubePerson, POD_LOGIN, signUp } from './people.ts';

export const CHARTS = fileURLToPath(new URL('../../../charts/', import.meta.url));
const CRDS = fileURLToPath(new URL('../../../crds/', import.meta.url));
/** The name of the GatehouseCluster. */
export const CLUSTER_OBJECT = 'main';
/** How long pods may take on a machine that others use. */
export const READY_MS = 300_000;

type Json = Readonly<Record<string, unknown>>;

export interface HouseSetup {
  /** Of the namespaces: `<prefix>-<random>` and `<prefix>-op-<random>`. */
  readonly prefix: string;
  /** Default 1. */
  readonly proxies?: number;
  /** How long proxies wait for sessions. Default: hardly, so that stories need not wait. */
  readonly drainSeconds?: number;
  /** Laid over the spec of the GatehouseCluster, field by field. */
  readonly spec?: Json;
  /** A cluster of its own; default: that of all stories. */
  readonly own?: OwnCluster;
  /** Further values of the operator's chart. */
  readonly operator?: Json;
}

export interface KubeHouse {
  readonly cluster: KubeCluster;
  readonly image: Image;
  /** Of the GatehouseCluster and its resources. */
  readonly namespace: string;
  readonly operatorNamespace: string;
  /** The name in certificates. */
  readonly clusterName: string;
  /** `host:port` of the proxies, from this machine and from pods. */
  readonly publicAddress: string;
  /** Of the cluster as it was made last. */
  readonly caPin: string;
  /** In the namespace. */
  kubectl(...args: readonly string[]): Promise<string>;
  /** `kubectl apply` in the namespace. */
  apply(...objects: readonly Json[]): Promise<string>;
  /** `kubectl wait --for=condition=Ready` on objects such as `gatehouserole/engineer`. */
  ready(...objects: readonly string[]): Promise<void>;
  /** One object as JSON. */
  read<T = KubeJson>(object: string): Promise<T>;
  /** In auth's pod, by kubectl exec. */
  gatectl(...args: readonly string[]): Promise<string>;
  /** A GatehouseUser with these roles, who signs up by a link of auth and signs in from this machine. */
  person(name: string, roles: readonly string[]): Promise<KubePerson>;
  /** `helm upgrade --install` of gatehouse-kube-agent, by address and pin; resolves when its pods are ready. */
  installAgent(release: string, values: Json): Promise<void>;
  /** Applies the GatehouseCluster of the setup and its GatehouseStorage once more, where a story removed them; until settled. */
  makeCluster(): Promise<void>;
  /** Pods, events and logs, for the message of a failure. */
  explain(): Promise<string>;
  /** Everything is removed, the operator last, since objects wait for it. */
  close(): Promise<void>;
}

export interface KubeJson {
  readonly metadata: {
    readonly name: string;
    readonly uid: string;
    readonly resourceVersion: string;
    readonly labels?: Readonly<Record<string, string>>;
    readonly ownerReferences?: readonly { readonly kind: string; readonly name: string }[];
  };
  readonly data?: Readonly<Record<string, string>>;
  readonly spec?: Json;
  readonly status?: Json;
}

/** Runs a step and prints how long it took. */
export async function phase<T>(name: string, step: () => Promise<T>): Promise<T> {
  const start = performance.now();
  try {
    return await step();
  } finally {
    console.info(`story: ${name.padEnd(50)} ${((performance.now() - start) / 1000).toFixed(1)} s`);
  }
}

/** A role with which people may log in to every node as POD_LOGIN. */
export const engineer = (name = 'engineer'): Json => ({
  apiVersion: 'gatehouse.dev/v1',
  kind: 'GatehouseRole',
  metadata: { name },
  spec: { allow: { logins: [POD_LOGIN], node_labels: { '*': '*' } } },
});

/** Resolves when the GatehouseCluster is Ready; the caller closes it. Give the hook KUBE_START_MS. */
export async function openKubeHouse(setup: HouseSetup): Promise<KubeHouse> {
  const cluster = await phase('test cluster is up', () => useCluster(setup.own));
  const closers: (() => Promise<unknown>)[] = [() => cluster.close()];
  const close = async (): Promise<void> => {
    const failed: unknown[] = [];
    for (const closer of closers.splice(0).toReversed()) {
      await closer().catch((error: unknown) => failed.push(error));
    }
    if (failed.length > 0) throw new AggregateError(failed, 'the house is not all gone');
  };
  try {
    const house = new House(await placeOf(cluster, setup.prefix), setup, close);
    closers.push(() => house.removeFolder());
    await phase('operator is installed', () => house.installOperator(setup.operator ?? {}));
    closers.push(() => house.removeAll());
    await phase('cluster is Ready', () => house.makeCluster());
    return house;
  } catch (error) {
    await close();
    throw error;
  }
}

interface Place {
  readonly cluster: KubeCluster;
  readonly image: Image;
  readonly namespace: string;
  readonly operatorNamespace: string;
  readonly publicAddress: string;
}

async function placeOf(cluster: KubeCluster, prefix: string): Promise<Place> {
  const image = await phase('image is built and loaded', () => cluster.image());
  const namespace = await cluster.namespace(prefix);
  const operatorNamespace = await cluster.namespace(`${prefix}-op`);
  const publicAddress = `${cluster.nodeAddress}:${await freeNodePort(cluster)}`;
  return { cluster, image, namespace, operatorNamespace, publicAddress };
}

/** A port of all nodes that no Service has at this moment. */
export async function freeNodePort(cluster: KubeCluster): Promise<number> {
  const jsonpath = '-o=jsonpath={.items[*].spec.ports[*].nodePort}';
  const taken = new Set((await cluster.kubectl(['get', 'services', '-A', jsonpath])).split(/\s+/));
  for (;;) {
    const port = randomInt(30_000, 32_768);
    if (!taken.has(String(port))) return port;
  }
}

class House implements KubeHouse {
  readonly cluster: KubeCluster;
  readonly image: Image;
  readonly namespace: string;
  readonly operatorNamespace: string;
  readonly publicAddress: string;
  readonly clusterName: string;
  caPin = '';
  readonly close: () => Promise<void>;
  readonly #folder = mkdtempSync(join(tmpdir(), 'gatehouse-story-'));

  readonly #setup: HouseSetup;

  constructor(place: Place, setup: HouseSetup, close: () => Promise<void>) {
    this.#setup = setup;
    this.cluster = place.cluster;
    this.image = place.image;
    this.namespace = place.namespace;
    this.operatorNamespace = place.operatorNamespace;
    this.publicAddress = place.publicAddress;
    this.clusterName = `${place.namespace}.example.com`;
    this.close = close;
  }

  kubectl(...args: readonly string[]): Promise<string> {
    return this.cluster.kubectl(['-n', this.namespace, ...args]);
  }

  apply(...items: readonly Json[]): Promise<string> {
    const list = JSON.stringify({ apiVersion: 'v1', kind: 'List', items });
    return this.cluster.kubectl(['-n', this.namespace, 'apply', '-f', '-'], list);
  }

  async ready(...objects: readonly string[]): Promise<void> {
    const timeout = `--timeout=${READY_MS / 1000}s`;
    await this.kubectl('wait', '--for=condition=Ready', timeout, ...objects);
  }

  async read<T = KubeJson>(object: string): Promise<T> {
    return JSON.parse(await this.kubectl('get', object, '-o=json')) as T;
  }

  gatectl(...args: readonly string[]): Promise<string> {
    return this.kubectl('exec', `${CLUSTER_OBJECT}-auth-0`, '--', 'gatectl', ...args);
  }

  async person(name: string, roles: readonly string[]): Promise<KubePerson> {
    const user = { apiVersion: 'gatehouse.dev/v1', kind: 'GatehouseUser', metadata: { name } };
    await this.apply({ ...user, spec: { roles } });
    await this.ready(`gatehouseuser/${name}`);
    const { token } = JSON.parse(await this.gatectl('users', 'reset', name, '--format=json')) as {
      token: string;
    };
    const { publicAddress, clusterName, caPin } = this;
    const home = join(this.#folder, `home-${name}`);
    return signUp({ name, home, token, publicAddress, clusterName, caPin });
  }

  async installAgent(release: string, values: Json): Promise<void> {
    const common = {
      image: this.image.repository,
      gatehouseVersionOverride: this.image.tag,
      proxyAddr: this.publicAddress,
      clusterName: this.clusterName,
      caPin: [this.caPin],
    };
    await this.#helm(this.namespace, release, 'gatehouse-kube-agent', { ...common, ...values });
    await this.kubectl('rollout', 'status', `statefulset/${release}`, `--timeout=${READY_MS / 1000}s`);
  }

  async explain(): Promise<string> {
    const objects = await this.kubectl('get', 'gatehouse', '-o=yaml').catch(String);
    const parts = [this.operatorNamespace, this.namespace].map((name) => this.cluster.explain(name));
    return [objects, ...(await Promise.all(parts))].join('\n');
  }

  async #helm(namespace: string, release: string, chart: string, values: Json): Promise<void> {
    const words = ['upgrade', '--install', release, `${CHARTS}${chart}`, '-n', namespace, '-f', '-'];
    await this.cluster.helm(words, JSON.stringify(values));
  }

  async installOperator(values: Json): Promise<void> {
    // All stories share them, and they stay: other operators may be at work on this cluster.
    await this.cluster.kubectl(['apply', '--server-side', '--force-conflicts', '-f', CRDS]);
    const established = ['wait', '--for=condition=Established', '--timeout=120s', '-f', CRDS];
    await this.cluster.kubectl(established);
    await this.#helm(this.operatorNamespace, 'gatehouse-operator', 'gatehouse-operator', {
      image: this.image.repository,
      gatehouseVersionOverride: this.image.tag,
      watchNamespace: this.namespace,
      crds: { install: false },
      ...values,
    });
    const rollout = ['rollout', 'status', 'deployment/gatehouse-operator', `--timeout=${READY_MS / 1000}s`];
    await this.cluster.kubectl(['-n', this.operatorNamespace, ...rollout]);
  }

  async makeCluster(): Promise<void> {
    const { proxies = 1, drainSeconds = 3, spec = {} } = this.#setup;
    const port = Number(this.publicAddress.split(':')[1]);
    const head = (kind: string): Json => ({
      apiVersion: 'gatehouse.dev/v1',
      kind,
      metadata: { name: CLUSTER_OBJECT },
    });
    const storage = { type: 'sqlite', sqlite: { volume: { size: '1Gi' } } };
    const base = {
      clusterName: this.clusterName,
      publicAddress: this.publicAddress,
      storageRef: { name: CLUSTER_OBJECT },
      authentication: { second_factor: 'off' },
      proxy: { replicas: proxies, drainSeconds, service: { type: 'NodePort', port: 443, nodePort: port } },
    };
    await this.apply(
      { ...head('GatehouseStorage'), spec: storage },
      { ...head('GatehouseCluster'), spec: { ...base, ...spec } },
    );
    const object = `gatehousecluster/${CLUSTER_OBJECT}`;
    const settled = ['wait', '--for=condition=Progressing=False', `--timeout=${READY_MS / 1000}s`, object];
    await this.ready(object)
      .then(() => this.kubectl(...settled))
      .catch(async (error: unknown) => {
        throw new Error(`${String(error)}\n${await this.explain()}`);
      });
    const { status } = await this.read<{ status: { caPins: readonly string[] } }>(object);
    this.caPin = status.caPins[0] ?? '';
  }

  /**
   * Objects first, while there is an operator for them. The namespaces go with the test cluster's close(), without anybody
   * waiting for the pods in them.
   */
  async removeAll(): Promise<void> {
    const gone = [`--timeout=${READY_MS / 1000}s`, '--ignore-not-found'];
    await phase('objects are gone', () => this.kubectl('delete', 'gatehouse', '--all', ...gone));
    await this.cluster.helm(['uninstall', 'gatehouse-operator', '-n', this.operatorNamespace]);
  }

  removeFolder(): Promise<void> {
    rmSync(this.#folder, { recursive: true, force: true });
    return Promise.resolve();
  }
}
