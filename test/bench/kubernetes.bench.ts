// What Gatehouse costs on a real cluster, in pods of its own image: size, start, and the memory and calls of an operator
// that has nothing to do, with a cluster and with a thousand roles. Needs root on Linux, or GATEHOUSE_E2E_CLUSTER=existing.
import { spawnSync } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { CLUSTER_OBJECT, engineer, openKubeHouse, type KubeHouse } from '../e2e/kubernetes/house.ts';
import { whyNoCluster } from '../kit/kube-cluster.ts';
import { until } from '../kit/until.ts';
import { printHeading, time } from './kit.ts';

const COUNT = 1000;
const IDLE_MS = 60_000;
const ASK_AGAIN_MS = 1000;
const WAIT_MS = 600_000;
const TARGET_MS = 60_000;
const TARGET_BYTES = 120e6;
const TARGET_RSS = 120 * 1024 * 1024;
const TARGET_START_MS = 2000;
const REPORT = /image: \S+ (\d+) MB compressed, ready (\d+) ms/;

interface Pod {
  readonly metadata: { readonly name: string };
  readonly status: {
    readonly conditions: readonly { readonly type: string; readonly lastTransitionTime: string }[];
    readonly containerStatuses: readonly {
      readonly state: { readonly running?: { readonly startedAt: string } };
    }[];
  };
}

printHeading('kubernetes: image and operator in pods');
const whyNot = whyNoCluster();
if (whyNot === undefined) {
  const results = [imageCosts()];
  const house = await openKubeHouse({ prefix: 'bench' });
  try {
    await printStarts(house);
    results.push(await idleCosts(house, 'one cluster'));
    results.push(await readyTime(house));
    results.push(await idleCosts(house, `one cluster and ${COUNT} roles`));
  } finally {
    await house.close();
  }
  if (results.includes(false)) process.exitCode = 1;
} else {
  console.log(`not run: ${whyNot}`);
}

function imageCosts(): boolean {
  const build = fileURLToPath(new URL('../../hack/image/build.sh', import.meta.url));
  const { stderr } = spawnSync(build, ['--report'], { encoding: 'utf8' });
  const [, size, start] = REPORT.exec(stderr) ?? [];
  if (size === undefined) throw new Error(`the image was not built: ${stderr}`);
  console.log(
    `image: ${size} MB compressed (target ${TARGET_BYTES / 1e6} MB); auth, proxy and node in one ready ${start} ms after the start (target ${TARGET_START_MS} ms)`,
  );
  return Number(size) * 1e6 <= TARGET_BYTES && Number(start) <= TARGET_START_MS;
}

/** Kubernetes tells whole seconds. */
async function printStarts({ cluster, namespace, operatorNamespace }: KubeHouse): Promise<void> {
  for (const within of [operatorNamespace, namespace]) {
    const { items } = JSON.parse(await cluster.kubectl(['-n', within, 'get', 'pods', '-o=json'])) as {
      items: readonly Pod[];
    };
    for (const { metadata, status } of items) {
      const ready = status.conditions.find(({ type }) => type === 'Ready')?.lastTransitionTime ?? '';
      const started = status.containerStatuses[0]?.state.running?.startedAt ?? '';
      const took = seconds(Date.parse(ready) - Date.parse(started));
      console.log(`${metadata.name}: ready ${took} after its container started`);
    }
  }
}

async function readyTime(house: KubeHouse): Promise<boolean> {
  const names = Array.from({ length: COUNT }, (_, n) => `bench-${n}`);
  const roles = names.map((name) => engineer(name));
  const configMaps = names.map((name) => ({
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { name },
    data: {},
  }));
  const before = await operatorMetrics(house);
  const applied: { ms?: number } = {};
  const spent = await time(async () => {
    applied.ms = await time(async () => {
      await house.apply(...roles);
    });
    await until('all are ready', async () => (await countReady(house)) >= COUNT, WAIT_MS);
  });
  const calls = (await operatorMetrics(house)).calls - before.calls;
  const maps = await time(async () => {
    await house.apply(...configMaps);
  });
  // Where no operator looks: what kubectl and the API server take for themselves.
  const list = JSON.stringify({ apiVersion: 'v1', kind: 'List', items: roles });
  const alone = await time(async () => {
    await house.cluster.kubectl(['-n', house.operatorNamespace, 'apply', '-f', '-'], list);
  });
  console.log(
    `kubectl apply of ${COUNT} roles: ${seconds(applied.ms ?? 0)}, all ready ${seconds(spent - (applied.ms ?? 0))} later, ${seconds(spent)} in all (target ${seconds(TARGET_MS)}); calls of the operator: ${(calls / COUNT).toFixed(2)} per object`,
  );
  console.log(
    `reference, kubectl apply where no operator looks: ${COUNT} of the same roles ${seconds(alone)}, ratio ${(spent / alone).toFixed(2)}; ${COUNT} ConfigMaps ${seconds(maps)}, ratio ${(spent / maps).toFixed(2)}`,
  );
  return spent < TARGET_MS;
}

async function countReady(house: KubeHouse): Promise<number> {
  await sleep(ASK_AGAIN_MS);
  const jsonpath = '-o=jsonpath={.items[*].status.conditions[?(@.type=="Ready")].status}';
  return (await house.kubectl('get', 'gatehouseroles', jsonpath)).split(' ').filter((word) => word === 'True')
    .length;
}

async function idleCosts(house: KubeHouse, whenWith: string): Promise<boolean> {
  await house.ready(`gatehousecluster/${CLUSTER_OBJECT}`);
  await settled(house);
  const before = await operatorMetrics(house);
  const spent = await time(() => sleep(IDLE_MS));
  const after = await operatorMetrics(house);
  const rate = ((after.calls - before.calls) / spent) * 1000;
  console.log(
    `idle operator with ${whenWith}: ${rate.toFixed(2)} calls/s to the API server (target < 1), ${megabytes(after.rss)} resident (target ${megabytes(TARGET_RSS)})`,
  );
  return rate < 1 && after.rss <= TARGET_RSS;
}

/** Until five seconds bring no more calls than the renewals of a lease. */
async function settled(house: KubeHouse): Promise<void> {
  let before = (await operatorMetrics(house)).calls;
  await until(
    'the operator has nothing to do',
    async () => {
      await sleep(5000);
      const { calls } = await operatorMetrics(house);
      const grown = calls - before;
      before = calls;
      return grown < 5;
    },
    WAIT_MS,
  );
}

/** Through the API server, which reaches pods wherever the cluster is. */
async function operatorMetrics({
  cluster,
  operatorNamespace,
}: KubeHouse): Promise<{ calls: number; rss: number }> {
  const jsonpath = '-o=jsonpath={.items[0].metadata.name}';
  const pod = await cluster.kubectl(['-n', operatorNamespace, 'get', 'pods', jsonpath]);
  const path = `/api/v1/namespaces/${operatorNamespace}/pods/${pod}:3000/proxy/metrics`;
  const lines = (await cluster.kubectl(['get', '--raw', path])).split('\n');
  const sum = (name: string): number =>
    lines
      .filter((line) => line.startsWith(name))
      .reduce((total, line) => total + Number(line.slice(line.lastIndexOf(' ') + 1)), 0);
  return {
    calls: sum('gatehouse_operator_kube_requests_total{'),
    rss: sum('process_resident_memory_bytes'),
  };
}

function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(1)} s`;
}

function megabytes(bytes: number): string {
  return `${(bytes / 1024 / 1024).toFixed(0)} MB`;
}
