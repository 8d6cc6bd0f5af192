// Story 2, day two: proxies are scaled to two and pods of every kind are deleted, one at a time, while somebody types into
// sessions and others connect all the time. What went through the pod may end; nothing else notices, and nothing is lost.
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { whyNoCluster } from '#test/kit/kube-cluster.ts';
import { KUBE_START_MS } from '#test/kit/kube-programs.ts';
import { until } from '#test/kit/until.ts';
import {
  CLUSTER_OBJECT,
  engineer,
  openKubeHouse,
  phase,
  READY_MS,
  type KubeHouse,
  type KubeJson,
} from './house.ts';
import type { KubePerson } from './people.ts';
import { failuresOf, startTraffic, troubleSeconds, TypedSession, type Traffic } from './traffic.ts';

/** Of new connections to a pod that was deleted, on a machine that others use; measured is far less. */
const RECOVERY_SECONDS = 180;
const STORY_MS = 20 * 60_000;
/** A session of the story ends by itself long before that. */
const DRAIN_SECONDS = 600;
const AGENT = 'fleet';
const STAYS = `${AGENT}-0`;
const GOES = `${AGENT}-1`;

const whyNot = whyNoCluster();
let house: KubeHouse;
let alice: KubePerson;
let traffic: Traffic | undefined;
/** Through the first proxy, then through the second one. */
const sessions: TypedSession[] = [];

beforeAll(async () => {
  if (whyNot !== undefined) return;
  house = await openKubeHouse({ prefix: 'day-two', drainSeconds: DRAIN_SECONDS });
  const serviceAccount = `${house.namespace}:${AGENT}`;
  await house.apply(engineer(), {
    apiVersion: 'gatehouse.dev/v1',
    kind: 'GatehouseToken',
    metadata: { name: AGENT },
    spec: {
      roles: ['node'],
      join_method: 'kubernetes',
      kubernetes: { type: 'in_cluster', allow: [{ service_account: serviceAccount }] },
    },
  });
  await house.ready('gatehouserole/engineer', `gatehousetoken/${AGENT}`);
  alice = await house.person('alice', ['engineer']);
  await phase('two agents', () =>
    house.installAgent(AGENT, { roles: 'node', highAvailability: { replicaCount: 2 } }),
  );
}, KUBE_START_MS);

afterEach(async ({ task }) => {
  if (task.result?.state === 'fail') console.error(await house.explain());
});
afterAll(async () => {
  if (whyNot !== undefined) return;
  await traffic?.stop();
  for (const session of sessions) await session.kill();
  await house.close();
}, READY_MS);

/** Deletes a pod and waits until its successor is ready; resolves with how many seconds that took. */
async function replacePod(name: string, namespace = house.namespace): Promise<number> {
  const began = performance.now();
  const kubectl = (...args: readonly string[]): Promise<string> =>
    house.cluster.kubectl(['-n', namespace, ...args]);
  await kubectl('delete', 'pod', name);
  const timeout = `--timeout=${READY_MS / 1000}s`;
  await kubectl('wait', '--for=create', timeout, `pod/${name}`);
  await kubectl('wait', '--for=condition=Ready', timeout, `pod/${name}`);
  return (performance.now() - began) / 1000;
}

/** Ends all processes of a pod's container without a word, and waits until the next ones are ready. */
async function kill(name: string): Promise<void> {
  const restarts = async (): Promise<number> =>
    Number(
      await house.kubectl('get', `pod/${name}`, '-o=jsonpath={.status.containerStatuses[0].restartCount}'),
    );
  const before = await restarts();
  // The shell that does it goes with them, so the command fails.
  await house.kubectl('exec', name, '--', 'sh', '-c', 'kill -9 -1').catch(() => undefined);
  await until(`${name} is started again`, async () => (await restarts()) > before, READY_MS);
  await house.kubectl('wait', '--for=condition=Ready', `--timeout=${READY_MS / 1000}s`, `pod/${name}`);
}

const text = (object: KubeJson, key: string): string =>
  Buffer.from(object.data?.[key] ?? '', 'base64').toString();

const report = (what: string, seconds: number): void =>
  console.info(`story: ${what.padEnd(50)} ${seconds.toFixed(1)} s`);

/** A session that answers. */
async function open(node: string): Promise<TypedSession> {
  const session = new TypedSession(house, alice, node);
  sessions.push(session);
  await session.answers(2);
  return session;
}

interface AuditEvent {
  readonly event: string;
  readonly command?: string;
  readonly sid?: string;
  readonly server_hostname?: string;
}

const audit = async (...types: readonly string[]): Promise<readonly AuditEvent[]> =>
  JSON.parse(
    await house.gatectl('audit', 'ls', `--type=${types.join(',')}`, '--limit=100000', '--format=json'),
  ) as AuditEvent[];

test(
  'ok: proxies are scaled to two under a session, and none is replaced for it',
  async (context) => {
    if (whyNot !== undefined) context.skip(whyNot);
    const session = await open(STAYS);
    const first = await house.read(`pod/${CLUSTER_OBJECT}-proxy-0`);
    await phase('scaled to two proxies', async () => {
      const patch = JSON.stringify({ spec: { proxy: { replicas: 2 } } });
      await house.kubectl('patch', `gatehousecluster/${CLUSTER_OBJECT}`, '--type=merge', `--patch=${patch}`);
      const two = '--for=jsonpath={.status.proxy.ready}=2';
      await house.kubectl('wait', two, `--timeout=${READY_MS / 1000}s`, `gatehousecluster/${CLUSTER_OBJECT}`);
    });
    expect((await house.read(`pod/${CLUSTER_OBJECT}-proxy-0`)).metadata.uid).toBe(first.metadata.uid);
    await session.answers(2);
    traffic = startTraffic(house, alice, [STAYS, GOES]);
    await traffic.reached(2);
    expect(failuresOf(traffic.attempts)).toEqual([]);
  },
  STORY_MS,
);

test(
  'R2 ok: each proxy is deleted; sessions go on to their end, also through the one that goes, and everybody gets in',
  async (context) => {
    if (whyNot !== undefined) context.skip(whyNot);
    const [through] = sessions;
    if (through === undefined || traffic === undefined) throw new Error('the story began otherwise');
    report('proxy is replaced, after', await replacePod(`${CLUSTER_OBJECT}-proxy-1`));
    await through.answers(4);
    await traffic.reached(3);
    const going = `${CLUSTER_OBJECT}-proxy-0`;
    const { uid } = (await house.read(`pod/${going}`)).metadata;
    await house.kubectl('delete', 'pod', going, '--wait=false');
    await until(
      'it waits for its sessions alone',
      async () => (await house.kubectl('logs', going)).includes('stopping when no session is left'),
      READY_MS,
    );
    // There is only the other proxy for new ones.
    const session = await open(STAYS);
    await through.answers(8);
    await traffic.reached(3);
    expect((await house.read(`pod/${going}`)).metadata.uid).toBe(uid);
    expect(await through.leave()).toBe(7);
    await phase('the proxy is gone once its last session has ended', () =>
      until(
        'it is gone',
        async () => (await house.read(`pod/${going}`).catch(() => undefined))?.metadata.uid !== uid,
        READY_MS,
      ),
    );
    await house.kubectl(
      'wait',
      '--for=jsonpath={.status.proxy.ready}=2',
      `--timeout=${READY_MS / 1000}s`,
      `gatehousecluster/${CLUSTER_OBJECT}`,
    );
    await session.answers(2);
    await traffic.reached(3);
    expect(failuresOf(traffic.attempts)).toEqual([]);
  },
  STORY_MS,
);

test(
  'ok: auth is deleted; sessions go on, people who have certificates get in, and others can soon',
  async (context) => {
    if (whyNot !== undefined) context.skip(whyNot);
    const session = sessions.at(-1);
    if (session === undefined || traffic === undefined) throw new Error('the story began otherwise');
    const before = session.answered;
    report('auth is replaced, after', await replacePod(`${CLUSTER_OBJECT}-auth-0`));
    expect(session.answered).toBeGreaterThan(before);
    await traffic.reached(3);
    expect(failuresOf(traffic.attempts)).toEqual([]);
    // The operator, auth and the proxies have found each other again.
    const bob = await phase('somebody new signs in after that', () => house.person('bob', ['engineer']));
    expect((await bob.ssh(`gatehouse@${GOES}.${house.clusterName}`, 'hostname')).stdout).toBe(`${GOES}\n`);
  },
  STORY_MS,
);

test(
  'ok: the operator is deleted; nobody who connects notices, and what is applied then takes effect',
  async (context) => {
    if (whyNot !== undefined) context.skip(whyNot);
    if (traffic === undefined) throw new Error('the story began otherwise');
    const within = ['-n', house.operatorNamespace];
    await house.cluster.kubectl([...within, 'delete', 'pod', '--all']);
    await house.apply(engineer('after-the-operator'));
    await phase('role of the time after the operator', () => house.ready('gatehouserole/after-the-operator'));
    expect(await house.gatectl('get', 'role/after-the-operator')).toContain('after-the-operator');
    await traffic.reached(2);
    expect(failuresOf(traffic.attempts)).toEqual([]);
  },
  STORY_MS,
);

test(
  'ok: an agent is deleted; it comes back as who it was, and only connections to it fail meanwhile',
  async (context) => {
    if (whyNot !== undefined) context.skip(whyNot);
    const session = sessions.at(-1);
    if (session === undefined || traffic === undefined) throw new Error('the story began otherwise');
    const cut = await open(GOES);
    const before = await house.read(`secret/${GOES}-state`);
    const began = performance.now();
    report('agent is replaced, after', await replacePod(GOES));
    await cut.isCut();
    await traffic.reached(3);
    const after = await house.read(`secret/${GOES}-state`);
    expect(text(after, 'host_id')).toBe(text(before, 'host_id'));
    expect(text(after, 'holder')).not.toBe(text(before, 'holder'));
    expect(after.metadata.uid).toBe(before.metadata.uid);
    const failed = traffic.attempts.filter(({ failure }) => failure !== undefined);
    expect(failed.filter(({ node }) => node !== GOES)).toEqual([]);
    const trouble = troubleSeconds(failed, began);
    report('agent was out of reach until, after', trouble);
    expect(trouble).toBeLessThan(RECOVERY_SECONDS);
    await session.answers(2);
  },
  STORY_MS,
);

test(
  'ok: a proxy and auth are killed outright; sessions elsewhere go on, and the way in is back in moments',
  async (context) => {
    if (whyNot !== undefined) context.skip(whyNot);
    const session = sessions.find(({ hasEnded }) => !hasEnded);
    if (session === undefined || traffic === undefined) throw new Error('the story began otherwise');
    for (const name of [`${CLUSTER_OBJECT}-proxy-0`, `${CLUSTER_OBJECT}-auth-0`]) {
      const first = traffic.attempts.length;
      const began = performance.now();
      await kill(name);
      report(`${name} was killed and is ready, after`, (performance.now() - began) / 1000);
      await traffic.reached(3);
      const trouble = troubleSeconds(traffic.attempts.slice(first), began);
      report('some did not get in until, after', trouble);
      expect(trouble).toBeLessThan(RECOVERY_SECONDS);
      await session.answers(2);
    }
  },
  STORY_MS,
);

test(
  'ok: nothing is lost: each connection, each session and each line of them is on record',
  async (context) => {
    if (whyNot !== undefined) context.skip(whyNot);
    if (traffic === undefined) throw new Error('the story began otherwise');
    await traffic.stop();
    const kept = sessions.filter(({ hasEnded }) => !hasEnded);
    expect(kept.map(({ node }) => node)).toEqual([STAYS]);
    for (const session of kept) expect(await session.leave()).toBe(7);
    report('longest wait for an answer in a session', Math.max(...kept.map((one) => one.slowestMs)) / 1000);
    const done = traffic.attempts.filter(({ failure }) => failure === undefined);
    console.info(`story: ${done.length} connections, ${traffic.attempts.length - done.length} failed`);
    const ends = await until(
      'the audit log has the end of each session, and each command',
      async () => {
        const events = await audit('session.end', 'exec');
        const commands = new Set(events.map(({ command }) => command));
        const found = events.filter(({ event }) => event === 'session.end');
        return done.every(({ marker }) => commands.has(marker)) && found.length === sessions.length && found;
      },
      READY_MS,
    );
    expect(await house.gatectl('audit', 'verify')).toContain('is whole');
    const sids = ends.map(({ sid = '' }) => sid);
    await until(
      'all recordings are uploaded',
      async () => {
        const list = JSON.parse(
          await house.gatectl('recordings', 'ls', '--limit=100000', '--format=json'),
        ) as {
          sid: string;
          status: string;
        }[];
        const whole = list.filter(({ status }) => status !== 'recording').map(({ sid }) => sid);
        return sids.every((sid) => whole.includes(sid));
      },
      READY_MS,
    );
    expect(await house.gatectl('recordings', 'verify', ...sids)).not.toContain('NOT whole');
    const shown = await Promise.all(sids.map((sid) => house.gatectl('recordings', 'export', sid)));
    for (const { answered } of sessions) {
      const last = `answer-${answered}-end`;
      expect(shown.some((one) => one.includes(last))).toBe(true);
    }
  },
  STORY_MS,
);
