// S37: custom resources of somebody who may write them in one namespace and wants more: Secrets of others, tokens of the
// operator, resources of others, a look at what is not his.
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { TestAuth } from '#test/kit/auth-server.ts';
import {
  addressOfAuth,
  clusterObject,
  conditionsOf,
  fakeKube,
  messageOf,
  mirrorObject,
  mirrorType,
  startAuthForOperators,
  startOperatorUnderTest,
  type OperatorUnderTest,
} from '#test/kit/operator-house.ts';
import { until } from '#test/kit/until.ts';
import { operatorAudience } from '../house/audience.ts';
import { serviceAccountProof } from '../house/proof.ts';
import { authAddress } from '../cluster/names.ts';
import type { FakeKube } from '../kube/fake.ts';
import type { KubeObject, ObjectKey } from '../kube/kube.ts';
import { EVENTS, SECRETS } from '../kube/object-types.ts';

const SECRET = 'the-secret-of-prod-1';
let good: TestAuth;
let evil: TestAuth;
let kube: FakeKube;
let operator: OperatorUnderTest;
const asked: ObjectKey[] = [];
beforeEach(async () => {
  good = await startAuthForOperators();
  // The same cluster name, free text of whoever writes a GatehouseCluster.
  evil = await startAuthForOperators();
  kube = fakeKube();
  asked.length = 0;
  operator = await startOperatorUnderTest({
    kube,
    addressOf(key) {
      asked.push(key);
      return addressOfAuth(key.namespace === 'prod' ? good : evil);
    },
  });
  for (const namespace of ['prod', 'evil']) kube.seed(clusterObject('main', namespace));
  kube.seed({
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: { name: 'join', namespace: 'prod' },
    data: { token: Buffer.from(SECRET).toString('base64') },
  });
});
afterEach(async () => {
  await operator.close();
  await good.close();
  await evil.close();
});

const inEvil = (kind: string, name: string, fields: object, metadata: object = {}): KubeObject =>
  mirrorObject(kind, name, fields, { namespace: 'evil', ...metadata });
const find = (kind: string, name: string, namespace = 'evil') =>
  kube.find(mirrorType(kind), { namespace, name });
const decided = (kind: string, name: string) =>
  until(`${kind} ${name} is decided`, () => conditionsOf(find(kind, name)));
const everything = (auth: TestAuth) =>
  JSON.stringify(['role', 'user', 'token', 'lock'].map((kind) => [...auth.auth.state.list(kind)]));

describe('S37 hostile custom resources', () => {
  test('S37 no Secret of another namespace is read, however the reference is written', async () => {
    const spec = { roles: ['node'] };
    const refs = [
      { name: 'join', key: 'token' },
      { name: 'join', key: 'token', namespace: 'prod' },
      { name: '../../prod/secrets/join', key: 'token' },
      { name: 'prod/join', key: 'token' },
      { name: '..%2Fprod%2Fjoin', key: 'token' },
      { name: 'join?x=', key: 'token' },
      { name: 'join', key: '__proto__' },
    ];
    refs.forEach((secretKeyRef, n) =>
      kube.seed(inEvil('token', `t-${n}`, { nameFrom: { secretKeyRef }, spec })),
    );
    for (const n of refs.keys()) {
      await decided('token', `t-${n}`);
      expect(conditionsOf(find('token', `t-${n}`))).toMatch(
        /^Ready=False (SecretNotFound|Invalid|ClusterUnreachable)/,
      );
    }
    const reads = kube.calls.filter(({ verb, type }) => verb === 'get' && type.kind === SECRETS.kind);
    expect(reads.filter(({ key }) => key?.namespace !== 'evil' || /[^a-z]/.test(key.name))).toEqual([]);
    expect(everything(evil)).not.toContain(SECRET);
  });

  test('S37 a cluster of another namespace is out of reach, and so is what it has', async () => {
    kube.seed(mirrorObject('role', 'admin-of-prod', { spec: { allow: { logins: ['root'] } } }));
    await until('prod', () => good.auth.state.get('role', 'admin-of-prod') !== undefined);
    const before = everything(good);
    const spec = { allow: { logins: ['evil'] } };
    const annotations = { 'gatehouse.dev/adopt': 'true' };
    for (const [n, clusterRef] of [
      { name: 'prod/main' },
      { name: '../prod/main' },
      { name: 'main', namespace: 'prod' },
      { name: 'main.prod' },
      { name: ['main'] },
    ].entries()) {
      const fields = { spec, clusterRef, resourceName: 'admin-of-prod' };
      kube.seed(inEvil('role', `r-${n}`, fields, { annotations }));
      await decided('role', `r-${n}`);
    }
    expect(everything(good)).toBe(before);
    for (const key of asked) expect(key).toMatchObject({ name: 'main' });
  });

  test('S37 marks, stamps and names of internal things come from no custom resource', async () => {
    const labels = {
      'gatehouse.internal/owner': 'f'.repeat(64),
      'gatehouse.internal/preset': 'x',
      plain: 'y',
    };
    kube.seed(
      inEvil(
        'user',
        'u',
        { spec: { roles: [], uid: 'mine', created_by: { user: { name: 'god' } } } },
        { labels },
      ),
    );
    await until('made', () => evil.auth.state.get('user', 'u') !== undefined);
    const made = JSON.stringify(evil.auth.state.get('user', 'u'));
    expect(made).not.toMatch(/mine|god|preset|ffff/);
    for (const resourceName of ['../x', 'a/b', '', 'x'.repeat(300), ['x'], { a: 1 }, '\u0000']) {
      kube.seed(inEvil('role', 'named', { resourceName, spec: {} }));
      await until('refused', () => conditionsOf(find('role', 'named'))?.startsWith('Ready=False Invalid'));
    }
  });

  test('S37 tokens for the roles auth and operator are refused, and the operator’s own token stays', async () => {
    kube.seed({
      apiVersion: 'v1',
      kind: 'Secret',
      metadata: { name: 'own', namespace: 'evil' },
      data: Object.fromEntries(
        Object.entries({ fresh: 'a-fresh-token-123', own: 'operator-join-token-1' }).map(([key, value]) => [
          key,
          Buffer.from(value).toString('base64'),
        ]),
      ),
    });
    const annotations = { 'gatehouse.dev/adopt': 'true' };
    for (const [name, key, roles] of [
      ['one', 'fresh', ['auth']],
      ['two', 'fresh', ['operator']],
      ['three', 'own', ['node']],
    ] as const) {
      const nameFrom = { secretKeyRef: { name: 'own', key } };
      kube.seed(inEvil('token', name, { nameFrom, spec: { roles } }, { annotations }));
      await until(`${name} is refused`, () =>
        /Refused|Changing/.test(conditionsOf(find('token', name)) ?? ''),
      );
    }
    expect(evil.auth.state.get('token', 'a-fresh-token-123')).toBeUndefined();
    expect(evil.auth.state.get('token', 'operator-join-token-1')?.spec).toMatchObject({
      roles: ['operator'],
    });
    const said = JSON.stringify([kube.all(mirrorType('token')), kube.all(EVENTS)]);
    expect(said).not.toMatch(/a-fresh-token-123|operator-join-token-1/);
  });

  test('S37 values of Secrets are in no condition and no event, also when they do not fit', async () => {
    kube.seed({
      apiVersion: 'v1',
      kind: 'Secret',
      metadata: { name: 'bad', namespace: 'evil' },
      data: { token: Buffer.from('a secret with spaces/and slashes').toString('base64') },
    });
    const nameFrom = { secretKeyRef: { name: 'bad', key: 'token' } };
    kube.seed(inEvil('token', 'bad', { nameFrom, spec: { roles: ['node'] } }));
    await until('invalid', () => conditionsOf(find('token', 'bad'))?.startsWith('Ready=False Invalid'));
    expect(messageOf(find('token', 'bad'))).toContain('nameFrom: the value of key "token"');
    expect(JSON.stringify([find('token', 'bad'), kube.all(EVENTS)])).not.toContain('slashes');
  });
});

test('S37 S25 nobody is spoken to at a Service that the operator did not make for this very object', async () => {
  const service = (name: string, owner: object): KubeObject => ({
    apiVersion: 'v1',
    kind: 'Service',
    metadata: {
      name,
      namespace: 'evil',
      labels: { 'app.kubernetes.io/managed-by': 'gatehouse-operator', 'app.kubernetes.io/instance': 'taken' },
      ...owner,
    },
    spec: { type: 'ExternalName', externalName: 'prod-auth.prod.svc' },
  });
  const other = { apiVersion: 'gatehouse.dev/v1', kind: 'GatehouseCluster', name: 'taken', uid: 'another' };
  kube.seed(service('taken-auth', { ownerReferences: [other] }));
  kube.seed(service('bare-auth', {}));
  for (const name of ['taken', 'bare']) kube.seed(clusterObject(name, 'evil'));
  kube.seed(inEvil('role', 'r', { clusterRef: { name: 'taken' }, spec: {} }));
  await until('said', () => messageOf(find('role', 'r')).includes('has not made the Service of auth yet'));
  await until('idle', () => operator.runtime.isIdle());
  expect(asked.filter(({ name }) => name !== 'main')).toEqual([]);
  expect(operator.houses.connection({ namespace: 'evil', name: 'bare' }).state).toBe('connecting');
});

test('S37 S25 a token of the operator is for one GatehouseCluster, and goes to its Service and nowhere else', async () => {
  kube.seed({ apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name: 'op', namespace: 'operators' } });
  const serviceAccount = { namespace: 'operators', name: 'op' };
  for (const cluster of [
    { namespace: 'prod', name: 'main' },
    { namespace: 'evil', name: 'main' },
  ]) {
    const { prove } = serviceAccountProof({ kube, serviceAccount, podName: 'op-0' }, cluster);
    const proof = await prove!();
    expect(proof).toMatchObject({ method: 'kubernetes', token: 'main-operator' });
    expect(proof.idToken.reveal()).toContain(operatorAudience(cluster));
    expect(authAddress(cluster)).toBe(`main-auth.${cluster.namespace}.svc:3025`);
  }
  const requests = kube.calls.filter(({ verb }) => verb === 'requestToken').map(({ body }) => body);
  expect(requests).toEqual([
    { audience: 'gatehouse.dev/prod/main', lifeSeconds: 600, podName: 'op-0' },
    { audience: 'gatehouse.dev/evil/main', lifeSeconds: 600, podName: 'op-0' },
  ]);
});
