// Story 1, from nothing: an operator, a cluster, a role and a user; agents that join by a token and by their ServiceAccount;
// a shell in an agent's pod with the stock OpenSSH client, its recording and its audit events.
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { must } from '#test/kit/cluster.ts';
import { whyNoCluster } from '#test/kit/kube-cluster.ts';
import { KUBE_START_MS } from '#test/kit/kube-programs.ts';
import { until } from '#test/kit/until.ts';
import {
  engineer,
  openKubeHouse,
  phase,
  POD_LOGIN,
  READY_MS,
  type KubeHouse,
  type KubePerson,
} from './house.ts';

const whyNot = whyNoCluster();
let house: KubeHouse;
let alice: KubePerson;

beforeAll(async () => {
  if (whyNot !== undefined) return;
  house = await openKubeHouse({ prefix: 'first' });
}, KUBE_START_MS);

afterAll(async () => {
  if (whyNot === undefined) await house.close();
}, READY_MS);
afterEach(async ({ task }) => {
  if (task.result?.state === 'fail') console.error(await house.explain());
});

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

test('ok: an agent joins with a token, and people have a shell in its pod', async (context) => {
  if (whyNot !== undefined) context.skip(whyNot);
  const authToken = (
    await house.gatectl('tokens', 'add', '--type=node', '--ttl=10m', '--format=text')
  ).trim();
  await phase('agent by a token', () => house.installAgent('by-token', { roles: 'node', authToken }));
  await until(
    'the agent is listed',
    async () => must(await alice.gate('ls', '--names')).includes('by-token-0'),
    READY_MS,
  );
  const said = await alice.ssh(`${POD_LOGIN}@by-token-0.${house.clusterName}`, 'hostname; id -un; exit 3');
  expect(said).toMatchObject({ code: 3, stdout: `by-token-0\n${POD_LOGIN}\n` });
});
