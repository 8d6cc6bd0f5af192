// Story 1, from nothing: an operator, a cluster, a role and a user; agents that join by a token and by their ServiceAccount;
// a shell in an agent's pod with the stock OpenSSH client, its recording and its audit events.
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { must } from '#test/kit/cluster.ts';
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
import { type KubePerson, POD_LOGIN, runToEnd } from './people.ts';

const whyNot = whyNoCluster();
const BY_TOKEN = 'by-token';
const BY_ACCOUNT = 'by-account';
let house: KubeHouse;
let alice: KubePerson;

beforeAll(async () => {
  if (whyNot !== undefined) return;
  house = await openKubeHouse({ prefix: 'first' });
}, KUBE_START_MS);
afterAll(async () => {
  if (whyNot === undefined) await house.close();
}, KUBE_START_MS);
afterEach(async ({ task }) => {
  if (task.result?.state === 'fail') console.error(await house.explain());
});

const textOf = (secret: KubeJson, key: string): string =>
  Buffer.from(secret.data?.[key] ?? '', 'base64').toString('utf8');

const hostIdOf = async (pod: string): Promise<string> =>
  textOf(await house.read(`secret/${pod}-state`), 'host_id');

/** `node/<host id>` of every agent that the cluster lists under this name. */
async function nodesOf(pod: string): Promise<readonly string[]> {
  const nodes = JSON.parse(await house.gatectl('nodes', 'ls', '--format=json')) as {
    metadata: { name: string };
    spec: { hostname: string };
  }[];
  return nodes.filter(({ spec }) => spec.hostname === pod).map(({ metadata }) => metadata.name);
}

const listed = (pod: string): Promise<unknown> =>
  until(
    `${pod} is listed`,
    async () =>
      must(await alice.gate('ls', '--names'))
        .split('\n')
        .includes(pod),
    READY_MS,
  );

interface AuditEvent {
  readonly event: string;
  readonly sid?: string;
  readonly [field: string]: unknown;
}

const audit = async (...words: readonly string[]): Promise<readonly AuditEvent[]> =>
  JSON.parse(await house.gatectl('audit', 'ls', '--format=json', ...words)) as AuditEvent[];

test('ok: a role and a user are applied, and the user gets in', async (context) => {
  if (whyNot !== undefined) context.skip(whyNot);
  await phase('role and user, signed in', async () => {
    await house.apply(engineer());
    await house.ready('gatehouserole/engineer');
    alice = await house.person('alice', ['engineer']);
  });
  const status = JSON.parse(must(await alice.gate('status', '-f', 'json'))) as { active: object };
  expect(status.active).toMatchObject({ username: 'alice', cluster: house.clusterName });
});

test('ok: an agent joins by a token, and people have a shell in its pod with plain ssh', async (context) => {
  if (whyNot !== undefined) context.skip(whyNot);
  const added = await house.gatectl('tokens', 'add', '--type=node', '--ttl=10m', '--format=text');
  const authToken = added.trim();
  await phase('agent by a token', () => house.installAgent(BY_TOKEN, { roles: 'node', authToken }));
  await listed(`${BY_TOKEN}-0`);
  const host = `${POD_LOGIN}@${BY_TOKEN}-0.${house.clusterName}`;
  expect(await alice.ssh(host, 'hostname; id -un; exit 3')).toMatchObject({
    code: 3,
    stdout: `${BY_TOKEN}-0\n${POD_LOGIN}\n`,
  });
  const jump = ['-F', alice.jumpConfig, '-J', 'door', '-p', '3022', `${BY_TOKEN}-0`, 'hostname'];
  expect(await runToEnd('ssh', jump, alice.home)).toEqual({
    code: 0,
    stdout: `${BY_TOKEN}-0\n`,
    stderr: '',
  });
  const shell = await alice.type('echo "the answer is $((6 * 7))"\nexit 4\n', '-tt', host);
  expect(shell).toMatchObject({ code: 4, stdout: expect.stringContaining('the answer is 42') });
});

test('ok: the recording and the audit events of that shell are there and whole', async (context) => {
  if (whyNot !== undefined) context.skip(whyNot);
  const session = await until(
    'a recording of a terminal',
    async () => {
      const words = ['--user=alice', '--kind=interactive', '--format=json'];
      const found = JSON.parse(await house.gatectl('recordings', 'ls', ...words)) as { sid: string }[];
      return found[0]?.sid;
    },
    READY_MS,
  );
  await until(
    'the end of the session',
    async () => (await audit('--type=session.end', '--user=alice')).some(({ sid }) => sid === session),
    READY_MS,
  );
  await house.gatectl('recordings', 'verify', session);
  const played = await house.gatectl('recordings', 'export', session, '--as=text');
  expect(played).toContain('the answer is 42');
  await house.gatectl('audit', 'verify');
  const events = (await audit('--limit=1000')).map(({ event }) => event);
  for (const type of ['instance.join', 'user.login', 'session.start', 'session.end']) {
    expect(events).toContain(type);
  }
});

test('ok: the identity is in a Secret that belongs to the StatefulSet; a pod that is killed is the same host', async (context) => {
  if (whyNot !== undefined) context.skip(whyNot);
  const secret = await house.read(`secret/${BY_TOKEN}-0-state`);
  expect(secret.metadata.ownerReferences).toMatchObject([{ kind: 'StatefulSet', name: BY_TOKEN }]);
  expect(textOf(secret, 'format')).toBe('1');
  expect(textOf(secret, 'record')).not.toBe('');
  const hostId = await hostIdOf(`${BY_TOKEN}-0`);
  expect(await nodesOf(`${BY_TOKEN}-0`)).toEqual([hostId]);
  const before = await house.read(`pod/${BY_TOKEN}-0`);
  await house.kubectl('delete', `pod/${BY_TOKEN}-0`, '--grace-period=0', '--force', '--wait=false');
  await until('another pod', async () => {
    const pod = await house.read(`pod/${BY_TOKEN}-0`).catch(() => before);
    return pod.metadata.uid !== before.metadata.uid;
  });
  await house.ready(`pod/${BY_TOKEN}-0`);
  expect(await hostIdOf(`${BY_TOKEN}-0`)).toBe(hostId);
  const host = `${POD_LOGIN}@${BY_TOKEN}-0.${house.clusterName}`;
  await until(
    'a shell in the new pod',
    async () => (await alice.ssh(host, 'hostname')).stdout === `${BY_TOKEN}-0\n`,
    READY_MS,
  );
  expect(await nodesOf(`${BY_TOKEN}-0`)).toEqual([hostId]);
  expect(await audit('--type=instance.join', `--search=${BY_TOKEN}-0`)).toHaveLength(1);
});

test('ok: an agent joins by its ServiceAccount, with no secret, also when it is there before its token resource', async (context) => {
  if (whyNot !== undefined) context.skip(whyNot);
  const installed = phase('agent by its ServiceAccount', () =>
    house.installAgent(BY_ACCOUNT, { roles: 'node', labels: { joined: 'by-account' } }),
  );
  const refused = until(
    'the pod is refused',
    async () => {
      const log = await house.kubectl('logs', `${BY_ACCOUNT}-0`).catch(() => '');
      return log.includes('BAD_JOIN_TOKEN') || undefined;
    },
    READY_MS,
  );
  await Promise.race([refused, installed]);
  await house.apply({
    apiVersion: 'gatehouse.dev/v1',
    kind: 'GatehouseToken',
    metadata: { name: BY_ACCOUNT },
    spec: {
      roles: ['node'],
      join_method: 'kubernetes',
      kubernetes: {
        type: 'in_cluster',
        allow: [{ service_account: `${house.namespace}:${BY_ACCOUNT}` }],
      },
    },
  });
  await house.ready(`gatehousetoken/${BY_ACCOUNT}`);
  await installed;
  await listed(`${BY_ACCOUNT}-0`);
  const host = `${POD_LOGIN}@${BY_ACCOUNT}-0.${house.clusterName}`;
  expect(await alice.ssh(host, 'hostname')).toMatchObject({ code: 0, stdout: `${BY_ACCOUNT}-0\n` });
  expect(must(await alice.gate('ls', 'joined=by-account', '--names'))).toBe(`${BY_ACCOUNT}-0\n`);
  const joins = await audit('--type=instance.join', `--search=${BY_ACCOUNT}-0`);
  expect(joins.filter(({ success }) => success === true)).toMatchObject([
    { method: 'kubernetes', host_id: await hostIdOf(`${BY_ACCOUNT}-0`) },
  ]);
  const secrets = await house.kubectl(
    'get',
    'secrets',
    '--field-selector=type!=helm.sh/release.v1',
    '-o=name',
  );
  expect(secrets.trim().split('\n').toSorted()).toEqual([
    `secret/${BY_ACCOUNT}-0-state`,
    `secret/${BY_TOKEN}-0-state`,
    `secret/${BY_TOKEN}-join-token`,
  ]);
});

test('ok: a cluster that was replaced has all its resources again, and an agent with its pin joins it anew', async (context) => {
  if (whyNot !== undefined) context.skip(whyNot);
  const before = { pin: house.caPin, hostId: await hostIdOf(`${BY_ACCOUNT}-0`) };
  await phase('cluster is replaced', async () => {
    const object = `gatehousecluster/${CLUSTER_OBJECT}`;
    await house.kubectl('patch', object, '--type=merge', '-p', '{"deletionPolicy":"Delete"}');
    await house.kubectl('delete', object, `--timeout=${READY_MS / 1000}s`);
    await until(
      'the state of the old cluster is gone',
      async () => (await house.kubectl('get', 'pvc', '-o=name')).trim() === '',
      READY_MS,
    );
    await house.makeCluster();
  });
  expect(house.caPin).not.toBe(before.pin);
  await house.ready('gatehouserole/engineer', `gatehousetoken/${BY_ACCOUNT}`);
  await phase('agent joins anew', () => house.installAgent(BY_ACCOUNT, { roles: 'node' }));
  expect(await hostIdOf(`${BY_ACCOUNT}-0`)).not.toBe(before.hostId);
  const bob = await house.person('bob', ['engineer']);
  const host = `${POD_LOGIN}@${BY_ACCOUNT}-0.${house.clusterName}`;
  await until(
    'a shell through the new cluster',
    async () => (await bob.ssh(host, 'hostname')).stdout === `${BY_ACCOUNT}-0\n`,
    READY_MS,
  );
});

test('ok: nothing of an agent is left when it is uninstalled', async (context) => {
  if (whyNot !== undefined) context.skip(whyNot);
  for (const release of [BY_TOKEN, BY_ACCOUNT]) {
    await house.cluster.helm(['uninstall', release, '-n', house.namespace, '--wait', '--timeout=5m']);
  }
  const types = 'statefulsets,pods,secrets,configmaps,serviceaccounts,roles,rolebindings,pvc,pdb';
  await until(
    'everything of the agents is gone',
    async () => {
      const names = await house.kubectl('get', types, '-o=name');
      return !names.split('\n').some((name) => /\/by-(token|account)/.test(name));
    },
    READY_MS,
  );
});
