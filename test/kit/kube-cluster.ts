// A real cluster for stories: nodes, pods, DNS, volumes. Brings up that of hack/cluster when it is not up, and it goes when
// this test run has ended, however that ends; one that "make cluster-up" made stays. GATEHOUSE_E2E_CLUSTER=existing uses
// the cluster of KUBECONFIG instead, with the kubectl and helm of the machine.
import { randomBytes } from 'node:crypto';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { isMainThread } from 'node:worker_threads';
import manifest from '../../package.json' with { type: 'json' };
import { kubePrograms, run } from './kube-programs.ts';

const HACK = fileURLToPath(new URL('../../hack/', import.meta.url));

export interface KubeCluster {
  readonly kubeconfigPath: string;
  /** Somebody's own cluster: images must be in a registry, and this machine need not reach pods. */
  readonly isExisting: boolean;
  /** Where NodePorts are; also pod IPs and ClusterIPs are reachable from here, unless `isExisting`. */
  readonly nodeAddress: string;
  /** This machine as pods reach it (also by the name host.cluster.internal); undefined when `isExisting`. */
  readonly hostAddress: string | undefined;
  /** As admin; what it printed, or a rejection with its stderr. */
  kubectl(args: readonly string[], stdin?: string): Promise<string>;
  helm(args: readonly string[], stdin?: string): Promise<string>;
  /** Makes a namespace `<prefix>-<random>`, which close() deletes. */
  namespace(prefix: string): Promise<string>;
  /**
   * The product's image in the cluster, built from this checkout. `next` says of itself that it is the next patch version;
   * `broken`, a candidate of that, ends at once. Tags are versions. An existing cluster has them in a registry, under the
   * repository that GATEHOUSE_E2E_IMAGE names.
   */
  image(variant?: ImageVariant): Promise<Image>;
  /** Another key of the issuer of service account tokens; those of before stay good. Only of a cluster of its own. */
  rotateIssuer(): Promise<void>;
  /** Pods, events and the ends of the logs of a namespace, for the message of a failure. */
  explain(namespace: string): Promise<string>;
  /**
   * Has its namespaces deleted, without waiting for that; the cluster stays for the next test file, and one of its own goes.
   * Repeatable.
   */
  close(): Promise<void>;
}

export type ImageVariant = 'next' | 'broken';

export interface Image {
  readonly repository: string;
  readonly tag: string;
  /** What `gatehouse version` in it says. */
  readonly version: string;
}

/** Why this machine can have no cluster, for context.skip; undefined when it can. */
export function whyNoCluster(): string | undefined {
  if (isExisting() || (process.platform === 'linux' && process.getuid?.() === 0)) return undefined;
  return 'only root on Linux can make a node; or name a cluster with GATEHOUSE_E2E_CLUSTER=existing and KUBECONFIG';
}

/** A cluster beside the one of the stories, for a test that does to it what others would notice. */
export interface OwnCluster {
  /** Ten letters at most. */
  readonly name: string;
  /** A /16 that nobody else uses: `10.238`. */
  readonly net: string;
}

/** The caller closes it. Give the hook that calls this KUBE_START_MS: the first time on a machine everything is built. */
export async function useCluster(own?: OwnCluster): Promise<KubeCluster> {
  if (isExisting()) {
    const kubeconfig = process.env['KUBECONFIG'] ?? '';
    const jsonpath = '-o=jsonpath={.items[0].status.addresses[?(@.type=="InternalIP")].address}';
    const nodeAddress = await run('kubectl', ['get', 'nodes', jsonpath]);
    return new Cluster({
      kubeconfig,
      nodeAddress,
      bin: undefined,
      hostAddress: undefined,
      env: {},
      isOwn: false,
    });
  }
  const bin = await kubePrograms();
  const env: Readonly<Record<string, string>> =
    own === undefined ? {} : { GATEHOUSE_TEST_CLUSTER: own.name, GATEHOUSE_TEST_CLUSTER_NET: own.net };
  const up = await run(`${HACK}cluster/up.sh`, ['--while', String(testRun())], { showProgress: true, env });
  const kubeconfig = up.trim();
  const server = await run(
    `${bin}/kubectl`,
    ['config', 'view', '-o=jsonpath={.clusters[0].cluster.server}'],
    {
      env: { KUBECONFIG: kubeconfig },
    },
  );
  const nodeAddress = new URL(server).hostname;
  const hostAddress = nodeAddress.replace(/\.2$/, '.1');
  return new Cluster({ kubeconfig, nodeAddress, bin, hostAddress, env, isOwn: own !== undefined });
}

const isExisting = (): boolean => process.env['GATEHOUSE_E2E_CLUSTER'] === 'existing';

/** The process that runs all test files: vitest starts one process, or thread, for each. */
const testRun = (): number => (isMainThread ? process.ppid : process.pid);

interface Place {
  readonly kubeconfig: string;
  readonly bin: string | undefined;
  readonly nodeAddress: string;
  readonly hostAddress: string | undefined;
  /** What the scripts know the cluster by. */
  readonly env: Readonly<Record<string, string>>;
  readonly isOwn: boolean;
}

class Cluster implements KubeCluster {
  readonly kubeconfigPath: string;
  readonly isExisting: boolean;
  readonly nodeAddress: string;
  readonly hostAddress: string | undefined;
  readonly #programs: string;
  readonly #env: Readonly<Record<string, string>>;
  readonly #scripts: Place['env'];
  readonly #isOwn: boolean;
  readonly #namespaces: string[] = [];

  constructor(place: Place) {
    this.kubeconfigPath = place.kubeconfig;
    this.isExisting = place.bin === undefined;
    this.nodeAddress = place.nodeAddress;
    this.hostAddress = place.hostAddress;
    this.#scripts = place.env;
    this.#isOwn = place.isOwn;
    this.#programs = place.bin === undefined ? '' : `${place.bin}/`;
    // Nothing of this is kept in the home of the user.
    const kept = `${dirname(place.kubeconfig)}/kept`;
    const homes = {
      KUBECACHEDIR: kept,
      HELM_CACHE_HOME: kept,
      HELM_CONFIG_HOME: kept,
      HELM_DATA_HOME: kept,
    };
    this.#env = { KUBECONFIG: place.kubeconfig, ...(place.bin === undefined ? {} : homes) };
  }

  kubectl(args: readonly string[], stdin?: string): Promise<string> {
    return run(`${this.#programs}kubectl`, args, { stdin, env: this.#env });
  }

  helm(args: readonly string[], stdin?: string): Promise<string> {
    return run(`${this.#programs}helm`, args, { stdin, env: this.#env });
  }

  async namespace(prefix: string): Promise<string> {
    const name = `${prefix}-${randomBytes(3).toString('hex')}`;
    await this.kubectl(['create', 'namespace', name]);
    this.#namespaces.push(name);
    return name;
  }

  async close(): Promise<void> {
    const names = this.#namespaces.splice(0);
    if (this.#isOwn) {
      await run(`${HACK}cluster/down.sh`, ['--after', String(testRun())], { env: this.#scripts });
      return;
    }
    if (names.length === 0) return;
    await this.kubectl(['delete', 'namespace', ...names, '--wait=false', '--ignore-not-found']);
  }

  async image(variant?: ImageVariant): Promise<Image> {
    if (this.isExisting) return existingImage(variant);
    const words = variant === undefined ? [] : [`--variant=${variant}`];
    const built = await run(`${HACK}image/build.sh`, words, { showProgress: true });
    const [archive = '', , version = ''] = built.trim().split('\n');
    await run(`${HACK}cluster/load.sh`, [archive], { showProgress: true, env: this.#scripts });
    return { repository: 'gatehouse', tag: version, version };
  }

  async rotateIssuer(): Promise<void> {
    if (!this.#isOwn) throw new Error('only a cluster of its own may be given another key');
    await run(`${HACK}cluster/rotate-issuer.sh`, [], { env: this.#scripts });
  }

  async explain(namespace: string): Promise<string> {
    const within = ['-n', namespace];
    const parts = await Promise.all([
      this.kubectl([...within, 'get', 'all,pvc', '-o=wide']),
      this.kubectl([...within, 'get', 'events', '--sort-by=.lastTimestamp']),
      this.#logs(namespace),
    ]);
    return parts.join('\n');
  }

  async #logs(namespace: string): Promise<string> {
    const pods = await this.kubectl(['-n', namespace, 'get', 'pods', '-o=name']);
    const logs = pods
      .split('\n')
      .filter((pod) => pod !== '')
      .map(async (pod) => {
        const options = ['--all-containers', '--tail=40', '--ignore-errors'];
        const text = await this.kubectl(['-n', namespace, 'logs', pod, ...options]).catch(String);
        return `== ${pod}\n${text}`;
      });
    return (await Promise.all(logs)).join('\n');
  }
}

/** The versions are those that hack/image/build.sh gives. */
function existingImage(variant: ImageVariant | undefined): Image {
  const repository = process.env['GATEHOUSE_E2E_IMAGE'];
  if (repository === undefined) {
    throw new Error('set GATEHOUSE_E2E_IMAGE to the repository of the images (CONTRIBUTING.md)');
  }
  const [major = '0', minor = '0', patch = '0'] = manifest.version.split('.');
  const next = `${major}.${minor}.${Number(patch) + 1}`;
  const version = { now: manifest.version, next, broken: `${next}-broken` }[variant ?? 'now'];
  return { repository, tag: version, version };
}
