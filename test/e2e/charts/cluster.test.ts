// The chart of clusters: what comes out is what the operator reads, by the same schemas.
import { beforeAll, expect, test } from 'vitest';
import { check } from '#core/schema/check.ts';
import { parseClusterSpec, type ClusterSpec } from '#operator/crds/cluster.ts';
import { MIRRORS } from '#operator/crds/mirror.ts';
import { parseStorageSpec } from '#operator/crds/storage.ts';
import { KUBE_START_MS, kubePrograms } from '#test/kit/kube-programs.ts';
import { only, refusal, render, type Rendered, type Values } from './render.ts';

const CHART = 'gatehouse-cluster';
const NAMED: Values = { clusterName: 'gate.example.com' };

beforeAll(async () => void (await kubePrograms('helm')), KUBE_START_MS);

const objectsFor = (values: Values): Promise<readonly Rendered[]> =>
  render(CHART, values, { release: 'gate', namespace: 'access' });

function clusterOf(objects: readonly Rendered[]): ClusterSpec {
  const parsed = parseClusterSpec(only(objects, 'GatehouseCluster')['spec']);
  if (!parsed.ok) throw new Error(JSON.stringify(parsed.problems));
  return parsed.value;
}

test('ok: a name is enough', async () => {
  const objects = await objectsFor(NAMED);
  expect(objects.map(({ kind }) => kind)).toEqual(['GatehouseCluster', 'GatehouseStorage']);
  expect(only(objects, 'GatehouseCluster')).toMatchObject({
    apiVersion: 'gatehouse.dev/v1',
    metadata: { name: 'gate', namespace: 'access' },
    deletionPolicy: 'Retain',
  });
  expect(clusterOf(objects)).toMatchObject({
    clusterName: 'gate.example.com',
    publicAddress: 'gate.example.com:443',
    storageRef: { name: 'gate' },
    auth: { replicas: 1 },
    proxy: { replicas: 2, service: { type: 'LoadBalancer', port: 443 } },
  });
  expect(parseStorageSpec(only(objects, 'GatehouseStorage')['spec'])).toMatchObject({
    ok: true,
    value: { type: 'sqlite', sqlite: { volume: { size: '10Gi' } } },
  });
});

test('ok: familiar values arrive where the operator looks for them', async () => {
  const objects = await objectsFor({
    ...NAMED,
    publicAddr: 'gate.example.com:8443',
    version: '0.2.0',
    image: { repository: 'registry.example.com/gatehouse', pullSecrets: [{ name: 'registry' }] },
    authentication: { second_factor: 'otp' },
    highAvailability: {
      replicaCount: 3,
      certManager: { enabled: true, issuerName: 'letsencrypt', issuerKind: 'ClusterIssuer' },
    },
    service: { type: 'NodePort', nodePort: 30443, annotations: { a: 'b' } },
    persistence: { size: '50Gi', storageClassName: 'fast' },
    storage: { sqlite: { sync: 'FULL' }, auditEventsUri: ['stdout://'] },
    deletionPolicy: 'Delete',
  });
  expect(clusterOf(objects)).toMatchObject({
    publicAddress: 'gate.example.com:8443',
    version: '0.2.0',
    image: { repository: 'registry.example.com/gatehouse', pullSecrets: [{ name: 'registry' }] },
    authentication: { second_factor: 'otp' },
    proxy: {
      replicas: 3,
      service: { type: 'NodePort', nodePort: 30443, annotations: { a: 'b' } },
      tls: {
        certManager: { issuerRef: { name: 'letsencrypt', kind: 'ClusterIssuer', group: 'cert-manager.io' } },
      },
    },
  });
  expect(only(objects, 'GatehouseCluster')['deletionPolicy']).toBe('Delete');
  expect(parseStorageSpec(only(objects, 'GatehouseStorage')['spec'])).toMatchObject({
    ok: true,
    value: {
      auditEventsUri: ['stdout://'],
      sqlite: { sync: 'FULL', volume: { size: '50Gi', storageClassName: 'fast' } },
    },
  });
});

test('ok: cluster wins over all of them, and merges', async () => {
  const { proxy, auth } = clusterOf(
    await objectsFor({
      ...NAMED,
      tls: { existingSecretName: 'gate-tls' },
      cluster: {
        auth: {
          serviceAccount: { annotations: { 'eks.amazonaws.com/role-arn': 'arn:aws:iam::1:role/auth' } },
        },
        proxy: { replicas: 4, service: { type: 'ClusterIP' } },
      },
    }),
  );
  expect(proxy).toMatchObject({
    replicas: 4,
    service: { type: 'ClusterIP', port: 443 },
    tls: { secretName: 'gate-tls' },
  });
  expect(auth.serviceAccount?.annotations).toEqual({
    'eks.amazonaws.com/role-arn': 'arn:aws:iam::1:role/auth',
  });
});

test('ok: resources are those of gatectl, under a name that Kubernetes takes', async () => {
  const objects = await objectsFor({
    ...NAMED,
    roles: [
      {
        name: 'access',
        description: 'Servers',
        labels: { team: 'a' },
        spec: { allow: { logins: ['{{internal.logins}}'], node_labels: { '*': '*' } } },
      },
    ],
    users: [
      { name: 'joe@example.com', spec: { roles: ['access'], traits: { logins: ['joe'] } } },
      { name: 'Joe@example.com', deletionPolicy: 'Retain', spec: { roles: ['access'] } },
    ],
    tokens: [
      {
        name: 'agents',
        spec: {
          roles: ['node'],
          join_method: 'kubernetes',
          kubernetes: { type: 'in_cluster', allow: [{ service_account: 'apps:agent' }] },
        },
      },
    ],
  });
  expect(only(objects, 'GatehouseRole')).toMatchObject({
    metadata: {
      name: 'access',
      labels: { team: 'a' },
      annotations: { 'gatehouse.dev/description': 'Servers' },
    },
    clusterRef: { name: 'gate' },
    spec: { allow: { logins: ['{{internal.logins}}'] } },
  });
  const users = objects.filter(({ kind }) => kind === 'GatehouseUser');
  expect(users.map((user) => user['resourceName'])).toEqual(['joe@example.com', 'Joe@example.com']);
  expect(users[1]).toMatchObject({ deletionPolicy: 'Retain' });
  const names = users.map(({ metadata }) => metadata.name);
  expect(new Set(names).size).toBe(2);
  for (const name of names) expect(name).toMatch(/^joe-example-com-[0-9a-f]{8}$/);
  for (const { kind, ...object } of objects) {
    const mirror = MIRRORS.find(({ type }) => type.kind === kind);
    if (mirror !== undefined) expect(check(mirror.kind.spec, object['spec'])).toMatchObject({ ok: true });
  }
});

test('ok: a name that is secret stays in its Secret', async () => {
  const nameFrom = { secretKeyRef: { name: 'join', key: 'token' } };
  const token = only(
    await objectsFor({ ...NAMED, tokens: [{ name: 'First Agents', nameFrom, spec: { roles: ['node'] } }] }),
    'GatehouseToken',
  );
  expect(token).toMatchObject({ nameFrom });
  expect(token['resourceName']).toBeUndefined();
});

test('ok: a storage that is there is used and not made; paused is on every object', async () => {
  const objects = await objectsFor({
    ...NAMED,
    storageRef: 'main',
    paused: true,
    roles: [{ name: 'a', spec: {} }],
  });
  expect(objects.map(({ kind }) => kind)).toEqual(['GatehouseCluster', 'GatehouseRole']);
  expect(clusterOf(objects).storageRef).toEqual({ name: 'main' });
  for (const { metadata } of objects)
    expect(metadata.annotations).toEqual({ 'gatehouse.dev/paused': 'true' });
});

test.each([
  ['no name', {}, 'clusterName is missing: it is in every certificate'],
  [
    'two certificates',
    {
      ...NAMED,
      tls: { existingSecretName: 'a' },
      highAvailability: { certManager: { enabled: true, issuerName: 'b' } },
    },
    'are both set: leave out one of the two',
  ],
  [
    'a certificate without issuer',
    { ...NAMED, highAvailability: { certManager: { enabled: true } } },
    'highAvailability.certManager.issuerName is missing',
  ],
  [
    'two storages',
    { ...NAMED, storageRef: 'a', storage: { type: 'sqlite' } },
    'storage and storageRef are both set',
  ],
  ['a user without a name', { ...NAMED, users: [{ spec: {} }] }, "at '/users/0': missing property 'name'"],
  [
    'a type of Service that is none',
    { ...NAMED, service: { type: 'Ingress' } },
    "at '/service/type': value must be one of",
  ],
])('refuses: %s', async (_, values, message) => {
  expect(await refusal(CHART, values)).toContain(message);
});
