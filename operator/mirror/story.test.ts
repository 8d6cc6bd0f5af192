// Mirrors from the object to the resource and back, on the fake API server and a real auth service: what is made, kept,
// repaired and removed, and what it costs.
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { OWNER_LABEL } from '#core/owner-mark.ts';
import type { TestAuth, TestClient } from '#test/kit/auth-server.ts';
import {
  addressOfAuth,
  clusterObject,
  conditionsOf,
  fakeKube,
  messageOf,
  mirrorObject,
  mirrorType,
  NAMESPACE,
  startAuthForOperators,
  startOperatorUnderTest,
  type OperatorUnderTest,
} from '#test/kit/operator-house.ts';
import { until } from '#test/kit/until.ts';
import { CLUSTER } from '../crds/cluster.ts';
import type { FakeKube } from '../kube/fake.ts';
import { EVENTS } from '../kube/object-types.ts';

let auth: TestAuth;
let editor: TestClient;
let kube: FakeKube;
let operator: OperatorUnderTest;
beforeAll(async () => {
  auth = await startAuthForOperators();
  editor = await auth.issueUser('ed', ['editor']);
});
afterAll(() => auth.close());
beforeEach(async () => {
  kube = fakeKube();
  operator = await startOperatorUnderTest({ kube, addressOf: () => addressOfAuth(auth) });
  kube.seed(clusterObject('main'));
});
afterEach(() => operator.close());

const WAIT_MS = 8_000;
const find = (kind: string, name: string) => kube.find(mirrorType(kind), { namespace: NAMESPACE, name });
const stored = (kind: string, name: string) => auth.auth.state.get(kind, name);
const becomes = (kind: string, name: string, conditions: string) =>
  until(
    `${kind} ${name} ${conditions}, is ${conditionsOf(find(kind, name))}`,
    () => conditionsOf(find(kind, name)) === conditions,
    WAIT_MS,
  );
const READY = 'Ready=True Applied';
const remove = (kind: string, name: string) => kube.delete(mirrorType(kind), { namespace: NAMESPACE, name });
const isGone = (kind: string, name: string) =>
  until(`${kind} ${name} is gone`, () => find(kind, name) === undefined, WAIT_MS);
const role = (
  name: string,
  logins: readonly string[] = ['root'],
  fields: object = {},
  metadata: object = {},
) => mirrorObject('role', name, { spec: { allow: { logins } }, ...fields }, metadata);
/** Nothing waits, and nothing was asked of the API server for so many turns. */
const settles = () => until('idle', () => operator.runtime.isIdle(), WAIT_MS);

describe('one object', () => {
  test('ok: made, changed and removed, with two calls to the API server until it is ready', async () => {
    await until(
      'member',
      () => operator.houses.connection({ namespace: NAMESPACE, name: 'main' }).state === 'connected',
    );
    const before = kube.calls.length;
    kube.seed(role('st-1', ['root'], {}, { labels: { team: 'a', 'helm.sh/chart': 'x' } }));
    await becomes('role', 'st-1', READY);
    await settles();
    expect(kube.calls.slice(before).map(({ verb }) => verb)).toEqual(['patch', 'applyStatus']);
    expect(stored('role', 'st-1')).toMatchObject({
      metadata: { labels: { team: 'a', [OWNER_LABEL]: expect.stringMatching(/^[0-9a-f]{64}$/) } },
      spec: { allow: { logins: ['root'] } },
    });
    expect(find('role', 'st-1')).toMatchObject({
      metadata: { finalizers: ['gatehouse.dev/mirror'] },
      status: { cluster: 'main', observedGeneration: 1, revision: stored('role', 'st-1')?.metadata.revision },
    });
    kube.seed({ ...find('role', 'st-1')!, ...role('st-1', ['ubuntu'], {}, find('role', 'st-1')!.metadata) });
    await until('changed', () => JSON.stringify(stored('role', 'st-1')?.spec).includes('ubuntu'));
    await until('seen', () => JSON.stringify(find('role', 'st-1')).includes('"observedGeneration":2'));
    await remove('role', 'st-1');
    await isGone('role', 'st-1');
    expect(stored('role', 'st-1')).toBeUndefined();
  });

  test('ok: a user waits for its role, and is made when the role comes', async () => {
    kube.seed(
      mirrorObject('user', 'st-joe', { resourceName: 'st-joe@example.com', spec: { roles: ['st-late'] } }),
    );
    await becomes('user', 'st-joe', 'Ready=False Invalid, Progressing=True Invalid');
    expect(messageOf(find('user', 'st-joe'))).toContain('spec.roles[0]: names the role "st-late"');
    kube.seed(role('st-late'));
    await becomes('user', 'st-joe', READY);
    expect(stored('user', 'st-joe@example.com')?.spec).toMatchObject({ roles: ['st-late'] });
    await remove('role', 'st-late');
    await becomes('role', 'st-late', 'Ready=False InUse, Progressing=True InUse');
    await remove('user', 'st-joe');
    await isGone('user', 'st-joe');
    await isGone('role', 'st-late');
  });

  test('ok: an invalid spec is a condition that names the field; mended, it is applied', async () => {
    kube.seed(
      mirrorObject('role', 'st-bad', {
        spec: { allow: { rules: [{ resources: ['x'], verbs: 7 }], loginz: [] } },
      }),
    );
    await becomes('role', 'st-bad', 'Ready=False Invalid, Stalled=True Invalid');
    expect(messageOf(find('role', 'st-bad'))).toMatch(/spec\.allow\.loginz/);
    expect(find('role', 'st-bad')?.metadata.finalizers ?? []).toEqual([]);
    kube.seed({ ...find('role', 'st-bad')!, spec: { allow: { logins: ['a'] } } });
    await becomes('role', 'st-bad', READY);
    await until('an event', () => kube.all(EVENTS, NAMESPACE).length > 0);
    await remove('role', 'st-bad');
    await isGone('role', 'st-bad');
  });

  test('ok: drift of any sort is repaired at once; an idle operator asks nothing', async () => {
    kube.seed(role('st-drift'));
    await becomes('role', 'st-drift', READY);
    const drifted = {
      kind: 'role',
      version: 'v7',
      metadata: { name: 'st-drift' },
      spec: { allow: { logins: ['x'] } },
    };
    for (const client of [editor, auth.admin]) {
      await auth.call(client, 'PUT', '/v1/resources/roles/st-drift', drifted);
      const began = performance.now();
      await until('repaired', () => JSON.stringify(stored('role', 'st-drift')?.spec).includes('root'));
      expect(performance.now() - began).toBeLessThan(5_000);
      await auth.call(client, 'DELETE', '/v1/resources/roles/st-drift');
      await until('made again', () => stored('role', 'st-drift') !== undefined);
    }
    await becomes('role', 'st-drift', READY);
    await settles();
    const before = kube.calls.length;
    await auth.put('role', 'st-somebody-else', {});
    kube.seed({ ...find('role', 'st-drift')! });
    await settles();
    expect(kube.calls.slice(before)).toEqual([]);
    await remove('role', 'st-drift');
    await isGone('role', 'st-drift');
  });

  test('ok: what is there without an owner is a conflict until it is adopted; a preset too', async () => {
    await auth.put('role', 'st-manual', { allow: { logins: ['mine'] } });
    for (const name of ['st-manual', 'requester']) {
      const before = JSON.stringify(stored('role', name));
      kube.seed(role(name));
      await becomes('role', name, 'Ready=False Conflict, Conflict=True Conflict, Stalled=True Conflict');
      expect(JSON.stringify(stored('role', name))).toBe(before);
      kube.seed(role(name, ['root'], {}, { annotations: { 'gatehouse.dev/adopt': 'true' } }));
      await becomes('role', name, READY);
      expect(stored('role', name)?.spec).toMatchObject({ allow: { logins: ['root'] } });
    }
  });

  test('ok: a paused object is left alone, in the cluster and by itself', async () => {
    const annotations = { 'gatehouse.dev/paused': 'true' };
    kube.seed(role('st-paused', ['root'], {}, { annotations }));
    kube.seed(role('st-after'));
    await becomes('role', 'st-after', READY);
    await settles();
    expect([stored('role', 'st-paused'), find('role', 'st-paused')?.['status']]).toEqual([
      undefined,
      undefined,
    ]);
    kube.seed(role('st-paused', ['root'], {}, { annotations: {} }));
    await becomes('role', 'st-paused', READY);
  });

  test('ok: Retain leaves the resource to nobody, and another object may then adopt it', async () => {
    kube.seed(role('st-kept', ['root'], { deletionPolicy: 'Retain' }));
    await becomes('role', 'st-kept', READY);
    await remove('role', 'st-kept');
    await isGone('role', 'st-kept');
    expect(stored('role', 'st-kept')?.metadata.labels).toBeUndefined();
    expect(stored('role', 'st-kept')?.spec).toMatchObject({ allow: { logins: ['root'] } });
    kube.seed(role('st-kept', ['root'], {}, { annotations: { 'gatehouse.dev/adopt': 'true' } }));
    await becomes('role', 'st-kept', READY);
  });

  test('ok: a token by the name in a Secret; a new name in it moves the token; the name is nowhere else', async () => {
    const secret = (value: string) => ({
      apiVersion: 'v1',
      kind: 'Secret',
      metadata: { name: 'st-join', namespace: NAMESPACE },
      data: { token: Buffer.from(`${value}\n`).toString('base64') },
    });
    const nameFrom = { secretKeyRef: { name: 'st-join', key: 'token' } };
    kube.seed(mirrorObject('token', 'st-token', { nameFrom, spec: { roles: ['node'] } }));
    await becomes('token', 'st-token', 'Ready=False SecretNotFound, Progressing=True SecretNotFound');
    await settles();
    const before = kube.calls.length;
    await auth.put('role', 'st-unrelated', {});
    await until('seen', () => {
      const connection = operator.houses.connection({ namespace: NAMESPACE, name: 'main' });
      return connection.state === 'connected' && connection.copy.get('role', 'st-unrelated') !== undefined;
    });
    await settles();
    expect(kube.calls.slice(before)).toEqual([]);
    kube.seed(secret('sesame-open-1'));
    await becomes('token', 'st-token', READY);
    expect(stored('token', 'sesame-open-1')).toBeDefined();
    kube.seed(secret('sesame-open-2'));
    await until('moved', () => stored('token', 'sesame-open-1') === undefined);
    expect(stored('token', 'sesame-open-2')).toBeDefined();
    expect(JSON.stringify([find('token', 'st-token'), kube.all(EVENTS, NAMESPACE)])).not.toContain('sesame');
    await kube.delete({ ...mirrorType('token') }, { namespace: NAMESPACE, name: 'st-token' });
    await isGone('token', 'st-token');
    expect(stored('token', 'sesame-open-2')).toBeUndefined();
  });

  test('ok: a setting belongs to one object; when that goes, the setting is the default and free for the next', async () => {
    const setting = (name: string, timeout: string) =>
      mirrorObject('cluster_networking_config', name, { spec: { client_idle_timeout: timeout } });
    kube.seed(setting('one', '11m'));
    await becomes('cluster_networking_config', 'one', READY);
    kube.seed(setting('two', '22m'));
    await becomes(
      'cluster_networking_config',
      'two',
      'Ready=False Conflict, Conflict=True Conflict, Stalled=True Conflict',
    );
    await remove('cluster_networking_config', 'one');
    await becomes('cluster_networking_config', 'two', READY);
    expect(JSON.stringify(stored('cluster_networking_config', 'cluster-networking-config'))).toContain('22m');
    await remove('cluster_networking_config', 'two');
    await isGone('cluster_networking_config', 'two');
  });

  test('ok: a time that is over is said, and nothing is made', async () => {
    kube.seed(role('st-over', ['root'], { expires: '2020-01-01T00:00:00Z' }));
    await becomes('role', 'st-over', 'Ready=False Expired, Stalled=True Expired');
    expect(stored('role', 'st-over')).toBeUndefined();
  });
});

describe('clusters', () => {
  test('ok: of several, the one that is named; without a name it is asked for', async () => {
    kube.seed(clusterObject('second'));
    kube.seed(role('st-which'));
    await becomes('role', 'st-which', 'Ready=False ClusterAmbiguous, Progressing=True ClusterAmbiguous');
    kube.seed(role('st-named', ['root'], { clusterRef: { name: 'main' } }));
    await becomes('role', 'st-named', READY);
    await kube.delete(CLUSTER, { namespace: NAMESPACE, name: 'second' });
    await becomes('role', 'st-which', READY);
  });

  test('ok: an object whose cluster is gone may go', async () => {
    kube.seed(role('st-orphan'));
    await becomes('role', 'st-orphan', READY);
    await kube.delete(CLUSTER, { namespace: NAMESPACE, name: 'main' });
    await becomes('role', 'st-orphan', 'Ready=False ClusterNotFound, Progressing=True ClusterNotFound');
    await remove('role', 'st-orphan');
    await isGone('role', 'st-orphan');
  });

  test('ok: an operator that starts again finds everything as it is, and writes nothing', async () => {
    kube.seed(role('st-again'));
    await becomes('role', 'st-again', READY);
    await operator.close();
    const { revision } = stored('role', 'st-again')!.metadata;
    const calls = kube.calls.length;
    operator = await startOperatorUnderTest({ kube, addressOf: () => addressOfAuth(auth) });
    await until(
      'member',
      () => operator.houses.connection({ namespace: NAMESPACE, name: 'main' }).state === 'connected',
    );
    kube.seed(role('st-new'));
    await becomes('role', 'st-new', READY);
    await settles();
    expect(stored('role', 'st-again')?.metadata.revision).toBe(revision);
    const about = kube.calls.slice(calls).filter(({ key }) => key?.name === 'st-again');
    expect(about.map(({ verb }) => verb)).toEqual([]);
  });
});
