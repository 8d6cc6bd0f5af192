// Story 4, an upgrade that goes wrong before it goes well: an image that does not exist, one that ends at once, and a
// setting that only the proxies break on. Each is taken back and told, and everybody who connects gets in all the time.
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { must } from '#test/kit/cluster.ts';
import { whyNoCluster, type Image } from '#test/kit/kube-cluster.ts';
import { KUBE_START_MS } from '#test/kit/kube-programs.ts';
import { CLUSTER_OBJECT, engineer, openKubeHouse, phase, READY_MS, type KubeHouse } from './house.ts';
import { type KubePerson, POD_LOGIN } from './people.ts';
import { failuresOf, startTraffic, TypedSession, type Traffic } from './traffic.ts';

const STORY_MS = 30 * 60_000;
/** Three restarts of a container take Kubernetes a minute, and a loaded machine longer. */
const SETTLE = '--timeout=900s';
const OBJECT = `gatehousecluster/${CLUSTER_OBJECT}`;
const NODE = 'fleet-0';
/** The process of a container with it ends at once. */
const NO_OPTION = { name: 'NODE_OPTIONS', value: '--no-such-option' };

const whyNot = whyNoCluster();
let house: KubeHouse;
let alice: KubePerson;
let traffic: Traffic;
let session: TypedSession | undefined;
let next: Image;
let broken: Image;

beforeAll(async () => {
  if (whyNot !== undefined) return;
  house = await openKubeHouse({ prefix: 'upgrade', proxies: 2 });
  next = await phase('image of the next version', () => house.cluster.image('next'));
  broken = await phase('image that is broken', () => house.cluster.image('broken'));
  await house.apply(engineer());
  await house.ready('gatehouserole/engineer');
  alice = await house.person('alice', ['engineer']);
  const authToken = await house.gatectl('tokens', 'add', '--type=node', '--ttl=30m', '--format=text');
  await phase('agent', () => house.installAgent('fleet', { roles: 'node', authToken: authToken.trim() }));
  traffic = startTraffic(house, alice, [NODE]);
  session = new TypedSession(house, alice, NODE);
  await session.answers(2);
}, KUBE_START_MS);

afterEach(async ({ task }) => {
  if (task.result?.state === 'fail') console.error(await house.explain());
});
afterAll(async () => {
  if (whyNot !== undefined) return;
  await traffic.stop();
  await session?.kill();
  await house.close();
}, READY_MS);

interface ClusterObject {
  readonly metadata: { readonly generation: number };
  readonly status: {
    readonly version: string;
    readonly auth: { readonly ready: number };
    readonly proxy: { readonly ready: number };
    readonly conditions: readonly {
      readonly type: string;
      readonly status: string;
      readonly message: string;
    }[];
  };
}

interface PodList {
  readonly items: readonly {
    readonly metadata: { readonly name: string; readonly uid: string };
    readonly spec: { readonly containers: readonly { readonly image: string }[] };
  }[];
}

/** Patches the spec and waits until the operator has nothing more to do about it, for this reason. */
async function change(spec: Readonly<Record<string, unknown>>, reason: 'RolledBack' | 'Settled') {
  await house.kubectl('patch', OBJECT, '--type=merge', `--patch=${JSON.stringify({ spec })}`);
  const { metadata } = await house.read<ClusterObject>(OBJECT);
  const wait = (path: string, value: string): Promise<string> =>
    house.kubectl('wait', `--for=jsonpath=${path}=${value}`, SETTLE, OBJECT);
  await wait('{.status.observedGeneration}', String(metadata.generation));
  await wait('{.status.conditions[?(@.type=="Progressing")].reason}', reason);
  await wait('{.status.proxy.ready}', '2');
  await wait('{.status.auth.ready}', '1');
  return house.read<ClusterObject>(OBJECT);
}

const condition = ({ status }: ClusterObject, type: string) =>
  status.conditions.find((one) => one.type === type);

async function pods(
  part: 'auth' | 'proxy',
): Promise<{ readonly names: string[]; readonly images: string[] }> {
  const selector = `-l=app.kubernetes.io/instance=${CLUSTER_OBJECT},app.kubernetes.io/component=${part}`;
  const { items } = JSON.parse(await house.kubectl('get', 'pods', selector, '-o=json')) as PodList;
  return {
    names: items.map(({ metadata }) => `${metadata.name} ${metadata.uid}`).sort(),
    images: items.flatMap(({ spec }) => spec.containers.map(({ image }) => image)),
  };
}

const imageOf = ({ repository, tag }: Image): string => `${repository}:${tag}`;

test(
  'ok: an image that does not exist is taken back, and the proxies are left alone',
  async (context) => {
    if (whyNot !== undefined) context.skip(whyNot);
    const before = await pods('proxy');
    const version = `${next.version}-missing`;
    const object = await phase('missing image: rolled back', () => change({ version }, 'RolledBack'));
    expect(condition(object, 'Ready')).toMatchObject({ status: 'True' });
    expect(condition(object, 'Stalled')).toMatchObject({ status: 'True' });
    const said = condition(object, 'Progressing')?.message ?? '';
    expect(said).toContain('auth did not get ready (ImagePullFailed)');
    expect(said).toContain(version);
    expect((await pods('auth')).images).toEqual([imageOf(house.image)]);
    expect(await pods('proxy')).toEqual(before);
    await traffic.reached(3);
    expect(failuresOf(traffic.attempts)).toEqual([]);
    await session?.answers(2);
  },
  STORY_MS,
);

test(
  'ok: an image that ends at once is taken back, and says why in the status',
  async (context) => {
    if (whyNot !== undefined) context.skip(whyNot);
    const before = await pods('proxy');
    const object = await phase('broken image: rolled back', () =>
      change({ version: broken.version }, 'RolledBack'),
    );
    expect(condition(object, 'Ready')).toMatchObject({ status: 'True' });
    const said = condition(object, 'Progressing')?.message ?? '';
    expect(said).toContain('auth did not get ready (CrashLoop)');
    expect(said).toContain('this image is broken, for tests');
    expect((await pods('auth')).images).toEqual([imageOf(house.image)]);
    expect(await pods('proxy')).toEqual(before);
    await traffic.reached(3);
    expect(failuresOf(traffic.attempts)).toEqual([]);
    await session?.answers(2);
    expect(await session?.leave()).toBe(7);
  },
  STORY_MS,
);

test(
  'ok: what only the proxies break on is taken back when the first of them does not come up',
  async (context) => {
    if (whyNot !== undefined) context.skip(whyNot);
    const spec = { version: null, proxy: { env: [NO_OPTION] } };
    const object = await phase('broken proxies: rolled back', () => change(spec, 'RolledBack'));
    expect(condition(object, 'Ready')).toMatchObject({ status: 'True' });
    const said = condition(object, 'Progressing')?.message ?? '';
    expect(said).toContain('proxy did not get ready (CrashLoop)');
    expect(said).toContain('--no-such-option');
    await traffic.reached(3);
    expect(failuresOf(traffic.attempts)).toEqual([]);
  },
  STORY_MS,
);

test(
  'ok: the good version is reached: auth, then one proxy after the other, and nobody is kept out',
  async (context) => {
    if (whyNot !== undefined) context.skip(whyNot);
    const spec = { version: next.version, proxy: { env: null } };
    const object = await phase('good version: settled', () => change(spec, 'Settled'));
    expect(object.status.version).toBe(next.version);
    expect(condition(object, 'Ready')).toMatchObject({ status: 'True' });
    expect(condition(object, 'Stalled')).toBeUndefined();
    expect((await pods('auth')).images).toEqual([imageOf(next)]);
    expect((await pods('proxy')).images).toEqual([imageOf(next), imageOf(next)]);
    expect(await house.gatectl('version')).toContain(next.version);
    await traffic.reached(5);
    await traffic.stop();
    expect(failuresOf(traffic.attempts)).toEqual([]);
    console.info(`story: ${traffic.attempts.length} connections in all, none failed`);
    const bob = await house.person('bob', ['engineer']);
    expect(must(await bob.ssh(`${POD_LOGIN}@${NODE}.${house.clusterName}`, 'hostname'))).toBe(`${NODE}\n`);
    expect(await house.gatectl('audit', 'verify')).toContain('is whole');
  },
  STORY_MS,
);
