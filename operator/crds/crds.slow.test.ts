// The definitions on a real API server: it takes them, drops nothing of what the kinds take, and says what is wrong.
import { request } from 'node:https';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import * as fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { isPlainObject } from '#core/schema/check.ts';
import { type KubeApi, startKubeApi } from '#test/kit/kube-api.ts';
import { KUBE_START_MS } from '#test/kit/kube-programs.ts';
import { asMirror } from '#test/kit/mirrors.ts';
import { exampleOf } from '#test/kit/resources.ts';
import { valuesOf } from '#test/kit/schema-values.ts';
import { until } from '#test/kit/until.ts';
import { asYaml } from '../kube/transport.ts';
import { CLUSTER, clusterSpec } from './cluster.ts';
import type { CrdManifest } from './crd.ts';
import { MIRRORS } from './mirror.ts';
import { CRDS } from './own.ts';
import { STORAGE } from './storage.ts';

const CRD_PATH = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions';
const APPLY = 'application/apply-patch+yaml';
const RUNS = 40;

let api: KubeApi;
beforeAll(async () => {
  api = await startKubeApi();
  await api.kubectl(['apply', '-f', join(import.meta.dirname, '..', '..', 'crds')]);
  for (const crd of CRDS) await established(crd);
}, KUBE_START_MS);
afterAll(() => api.close());

interface Answer {
  readonly status: number;
  readonly body: Record<string, unknown>;
}

function call(method: string, path: string, body?: object, type = 'application/json'): Promise<Answer> {
  const headers = { authorization: `Bearer ${api.adminToken}`, 'content-type': type };
  const json = body === undefined ? '' : JSON.stringify(body);
  const text = type === APPLY ? asYaml(json) : json;
  return new Promise((resolve, reject) => {
    const sent = request(api.url + path, { method, ca: api.caPem, headers }, (response) => {
      const parts: Buffer[] = [];
      response.on('data', (part: Buffer) => parts.push(part));
      response.once('error', reject).once('end', () => {
        const answer = JSON.parse(Buffer.concat(parts).toString()) as Record<string, unknown>;
        resolve({ status: response.statusCode ?? 0, body: answer });
      });
    });
    sent.once('error', reject).end(text);
  });
}

async function conditionsOf(name: string): Promise<string[]> {
  const { body } = await call('GET', `${CRD_PATH}/${name}`);
  const { conditions = [] } = body['status'] as { conditions?: { type: string; status: string }[] };
  return conditions.map(({ type, status }) => `${type}=${status}`).sort();
}

async function established({ metadata: { name }, spec }: CrdManifest): Promise<void> {
  const isThere = async (): Promise<boolean> => (await conditionsOf(name)).includes('Established=True');
  await until(`${name} to be established`, isThere, 120_000);
  const list = `/apis/${spec.group}/v1/namespaces/default/${spec.names.plural}`;
  await until(`${name} to be served`, async () => (await call('GET', list)).status === 200, 120_000);
}

const pathOf = (plural: string): string => `/apis/gatehouse.dev/v1/namespaces/default/${plural}`;

/** What it says of a manifest; "accepted" when it is. Server-side, so that nothing is kept. */
async function verdict(manifest: object): Promise<string> {
  const args = ['create', '--dry-run=server', '-f', '-'];
  return api.kubectl(args, JSON.stringify(manifest)).then(
    () => 'accepted',
    (error: unknown) => String(error),
  );
}

const object = (kind: string, more: object): object => ({
  apiVersion: 'gatehouse.dev/v1',
  kind,
  metadata: { name: 'tried', namespace: 'default' },
  ...more,
});

test.each(CRDS.map(({ metadata }) => metadata.name))('ok: %s is taken, and structural', async (name) => {
  expect(await conditionsOf(name)).toEqual(['Established=True', 'NamesAccepted=True']);
});

describe('what the kinds take comes back as it was', () => {
  const sample = MIRRORS.map((mirror) => [mirror.type.kind, mirror] as const);

  test.each(sample)('ok: %s by create and get, and by server-side apply', async (_kind, { kind, type }) => {
    const specs = fc.sample(valuesOf(kind.spec), RUNS).map(withoutSecretText);
    for (const [index, spec] of specs.entries()) {
      const name = `generated-${index}`;
      const manifest = {
        ...object(type.kind, { spec, ...(kind.name === 'token' ? NAME_FROM : {}) }),
        metadata: { name },
      };
      const path = pathOf(type.plural);
      const created = await call('POST', `${path}?fieldValidation=Strict`, manifest);
      expect(created, JSON.stringify(spec)).toMatchObject({ status: 201 });
      expect((await call('GET', `${path}/${name}`)).body['spec']).toEqual(spec);
      const query = 'fieldManager=other&force=true&dryRun=All&fieldValidation=Strict';
      const applied = await call(
        'PATCH',
        `${path}/applied-${index}?${query}`,
        {
          ...manifest,
          metadata: { name: `applied-${index}` },
        },
        APPLY,
      );
      expect(applied.body['spec'], JSON.stringify(applied.body)).toEqual(spec);
    }
  });

  test.each(sample)('ok: the example of %s', async (_kind, mirror) => {
    for (const example of exampleOf(mirror.kind.name.replaceAll('_', '-'), mirror.kind)) {
      expect(await verdict(asMirror(mirror, example))).toBe('accepted');
    }
  });

  const NAME_FROM = { nameFrom: { secretKeyRef: { name: 'kept', key: 'token' } } };
  /** Tokens in locks are refused in plain text. */
  function withoutSecretText(spec: unknown): unknown {
    if (!isPlainObject(spec) || !isPlainObject(spec['target'])) return spec;
    const { join_token, ...target } = spec['target'];
    if (join_token === undefined) return spec;
    return { ...spec, target: { ...target, join_token: `sha256:${'0'.repeat(64)}` } };
  }
});

test('ok: a cluster with all that people may set on pods comes back with defaults and nothing less', async () => {
  const knobs = {
    config: { auth_service: { any: [1, { a: true }] } },
    serviceAccount: { annotations: { 'eks.amazonaws.com/role-arn': 'arn:aws:iam::123456789012:role/x' } },
    resources: { limits: { memory: '1Gi' } },
    nodeSelector: { disk: 'ssd' },
    tolerations: [{ key: 'a', operator: 'Exists' }],
    affinity: { podAntiAffinity: { requiredDuringSchedulingIgnoredDuringExecution: [{ topologyKey: 'x' }] } },
    topologySpreadConstraints: [
      { maxSkew: 1, topologyKey: 'zone', labelSelector: { matchLabels: { a: 'b' } } },
    ],
    env: [{ name: 'A', valueFrom: { secretKeyRef: { name: 'a', key: 'b' } } }],
    extraVolumes: [{ name: 'v', emptyDir: {} }],
    extraVolumeMounts: [{ name: 'v', mountPath: '/v' }],
  };
  const spec = {
    clusterName: 'gate.example.com',
    publicAddress: 'gate.example.com:443',
    authentication: { type: 'local', webauthn: { rp_id: 'x' } },
    auth: knobs,
    proxy: { ...knobs, tls: { certManager: { issuerRef: { name: 'le', kind: 'ClusterIssuer' } } } },
  };
  const { status, body } = await call(
    'POST',
    `${pathOf(CLUSTER.plural)}?fieldValidation=Strict`,
    object(CLUSTER.kind, { spec }),
  );
  expect(status).toBe(201);
  expect(body).toMatchObject({ deletionPolicy: 'Retain', spec });
  expect(body['spec']).toMatchObject({
    proxy: { replicas: 2, tls: { certManager: { issuerRef: { group: 'cert-manager.io' } } } },
  });
});

test('ok: generated clusters lose nothing', async () => {
  for (const value of fc.sample(valuesOf(clusterSpec), RUNS)) {
    const spec = withOneCertificate(value as Record<string, unknown>);
    const path = `${pathOf(CLUSTER.plural)}?fieldValidation=Strict&dryRun=All`;
    const created = await call('POST', path, {
      ...object(CLUSTER.kind, { spec }),
      metadata: { name: 'generated' },
    });
    expect(created, JSON.stringify(spec)).toMatchObject({ status: 201, body: { spec } });
  }
});

/** What the rules refuse is taken out: a certificate from two places or from none, and a port of nodes without one. */
function withOneCertificate(spec: Record<string, unknown>): Record<string, unknown> {
  if (!isPlainObject(spec['proxy'])) return spec;
  const { tls: _tls, service: _service, ...proxy } = spec['proxy'];
  return { ...spec, proxy: { ...proxy, tls: { secretName: 'web' } } };
}

const spec = (of: object): object => ({ spec: of });
const NAMED = { nameFrom: { secretKeyRef: { name: 'a', key: 'b' } } };
const CLUSTER_OK = { clusterName: 'a.b', publicAddress: 'a.b' };

test.each<[string, string, object, string]>([
  [
    'an unknown field',
    'GatehouseRole',
    spec({ allow: { login: ['a'] } }),
    'unknown field "spec.allow.login"',
  ],
  ['a map for a list', 'GatehouseRole', spec({ allow: { logins: { a: 'b' } } }), 'spec.allow.logins'],
  [
    'a map in a list',
    'GatehouseRole',
    spec({ allow: { logins: [{}] } }),
    'spec.allow.logins[0] in body must be of type string',
  ],
  [
    'an unknown word',
    'GatehouseRole',
    spec({ options: { cert_format: 'new' } }),
    'spec.options.cert_format: Unsupported value: "new": supported values: "standard"',
  ],
  [
    'a bad duration',
    'GatehouseRole',
    spec({ options: { max_session_ttl: 'soon' } }),
    'spec.options.max_session_ttl',
  ],
  [
    'a bad choice',
    'GatehouseRole',
    spec({ options: { client_idle_timeout: 'soon' } }),
    'spec.options.client_idle_timeout in body should match',
  ],
  ['no spec', 'GatehouseRole', {}, 'spec: Required value'],
  [
    'a version of the future',
    'GatehouseRole',
    { version: 'v99', ...spec({}) },
    'version: Unsupported value: "v99"',
  ],
  [
    'a bad resource name',
    'GatehouseUser',
    { resourceName: 'a b', ...spec({}) },
    'resourceName in body should match',
  ],
  [
    'R25 a password',
    'GatehouseUser',
    spec({ local_auth: 'secret' }),
    'spec.local_auth in body must be of type object',
  ],
  [
    'R25 a token without a Secret',
    'GatehouseToken',
    spec({ roles: ['node'] }),
    'nameFrom: Invalid value: "object": the name of a token of join method token is its secret',
  ],
  [
    'R25 a token in the open',
    'GatehouseToken',
    { nameFrom: 'abcdefgh', ...spec({ roles: ['node'] }) },
    'nameFrom in body must be of type object',
  ],
  [
    'two names',
    'GatehouseToken',
    { ...NAMED, resourceName: 'x', ...spec({ roles: ['node'] }) },
    'resourceName: Invalid value: "object": give resourceName or nameFrom, not both',
  ],
  [
    'R25 a token in a lock',
    'GatehouseLock',
    spec({ target: { join_token: 'abcdefgh' } }),
    'spec.target.join_token: Invalid value: "string": must be a digest',
  ],
  ['no cluster name', 'GatehouseCluster', spec({ publicAddress: 'a.b' }), 'spec.clusterName: Required value'],
  [
    'a bad cluster name',
    'GatehouseCluster',
    spec({ ...CLUSTER_OK, clusterName: 'a b' }),
    'spec.clusterName in body should match',
  ],
  [
    'two certificates',
    'GatehouseCluster',
    spec({ ...CLUSTER_OK, proxy: { tls: { secretName: 'a', certManager: { issuerRef: { name: 'b' } } } } }),
    'spec.proxy.tls: Invalid value: "object": give exactly one of secretName and certManager',
  ],
  [
    'no certificate',
    'GatehouseCluster',
    spec({ ...CLUSTER_OK, proxy: { tls: {} } }),
    'give exactly one of secretName and certManager',
  ],
  [
    'a port of nodes without one',
    'GatehouseCluster',
    spec({ ...CLUSTER_OK, proxy: { service: { type: 'ClusterIP', nodePort: 3000 } } }),
    'spec.proxy.service: Invalid value: "object": nodePort is for',
  ],
  [
    'R25 a password in the configuration',
    'GatehouseStorage',
    spec({ config: { conn_string: 'postgresql://a:b@c' } }),
    'spec.credentials.conn_string.secretKeyRef {name, key}',
  ],
  [
    'R25 a password as a credential',
    'GatehouseStorage',
    spec({ credentials: { conn_string: 'postgresql://a:b@c' } }),
    'spec.credentials.conn_string in body must be of type object',
  ],
  [
    'S37 a Secret of another namespace',
    'GatehouseStorage',
    spec({ credentials: { x: { secretKeyRef: { name: 'a', key: 'k', namespace: 'other' } } } }),
    'unknown field "spec.credentials.x.secretKeyRef.namespace"',
  ],
])('refuses: %s', async (_name, kind, more, says) => {
  expect(await verdict(object(kind, more))).toContain(says);
});

test.each<[string, object, object, string]>([
  [
    'the name of a cluster',
    object(CLUSTER.kind, spec(CLUSTER_OK)),
    { spec: { clusterName: 'c.d' } },
    'spec.clusterName: Invalid value: "string": cannot be changed',
  ],
  [
    'the name of a resource',
    object('GatehouseRole', spec({})),
    { resourceName: 'other' },
    'resourceName: Invalid value: "object": cannot be changed',
  ],
  [
    'the cluster of a resource',
    object('GatehouseRole', { clusterRef: { name: 'a' }, ...spec({}) }),
    { clusterRef: { name: 'b' } },
    'clusterRef: Invalid value: "object": cannot be changed',
  ],
])('refuses: a change of %s', async (_name, before, patch, says) => {
  const { kind } = before as { kind: string };
  const manifest = { ...before, metadata: { name: 'changed' } };
  await api.kubectl(['create', '-f', '-'], JSON.stringify(manifest));
  const change = api.kubectl(['patch', kind, 'changed', '--type=merge', '-p', JSON.stringify(patch)]);
  await expect(change).rejects.toThrow(says);
  await api.kubectl(['delete', kind, 'changed']);
});

test('ok: a cluster may be named where none was', async () => {
  await api.kubectl(
    ['create', '-f', '-'],
    JSON.stringify({ ...object('GatehouseRole', spec({})), metadata: { name: 'later' } }),
  );
  await api.kubectl(['patch', 'ghrole', 'later', '--type=merge', '-p', '{"clusterRef":{"name":"main"}}']);
  expect(await api.kubectl(['get', 'ghrole', 'later', '-o=jsonpath={.clusterRef.name}'])).toBe('main');
});

test('ok: words that YAML reads as booleans and numbers are taken as people write them', async () => {
  const documents = [
    'kind: GatehouseRole\nspec: {options: {create_host_user_mode: off, require_session_mfa: yes}, allow: {logins: root, node_labels: {"*": "*"}}}',
    'kind: GatehouseClusterNetworkingConfig\nspec: {proxy_listener_mode: 1}',
    'kind: GatehouseClusterAuthPreference\nspec: {second_factor: off}',
  ];
  for (const text of documents) {
    const manifest = `apiVersion: gatehouse.dev/v1\nmetadata: {name: words}\n${text}\n`;
    expect(await api.kubectl(['apply', '-f', '-'], manifest)).toContain('created');
    expect(await api.kubectl(['apply', '--server-side', '--force-conflicts', '-f', '-'], manifest)).toContain(
      'applied',
    );
  }
});

test('ok: what was applied shows no difference to what is there, by both ways of applying', async () => {
  const examples = MIRRORS.flatMap((mirror) =>
    exampleOf(mirror.kind.name.replaceAll('_', '-'), mirror.kind).map((example) => asMirror(mirror, example)),
  );
  const own = [object(CLUSTER.kind, spec(CLUSTER_OK)), object(STORAGE.kind, spec({}))].map((manifest) => ({
    ...manifest,
    metadata: { name: 'twice' },
  }));
  const items = [...examples, ...own];
  const list = JSON.stringify({ apiVersion: 'v1', kind: 'List', items });
  await api.kubectl(['apply', '-f', '-'], list);
  const versions = ['get', 'gatehouse', '-o=jsonpath={.items[*].metadata.resourceVersion}'];
  const before = await api.kubectl(versions);
  expect(await api.kubectl(['diff', '-f', '-'], list)).toBe('');
  await api.kubectl(['apply', '-f', '-'], list);
  expect(await api.kubectl(versions)).toBe(before);
  const asFlux = ['--server-side', '--force-conflicts', '--field-manager=flux'];
  await api.kubectl(['apply', ...asFlux, '-f', '-'], list);
  const after = await api.kubectl(versions);
  expect(await api.kubectl(['diff', ...asFlux, '-f', '-'], list)).toBe('');
  await api.kubectl(['apply', ...asFlux, '-f', '-'], list);
  expect(await api.kubectl(versions)).toBe(after);
});

test.each([
  ['a spec', { allow: { logins: ['a'] } }, {}],
  ['an object', { allow: { impersonate: { users: ['a'] } }, deny: {} }, { allow: {}, deny: {} }],
  ['a map', { allow: { node_labels: { env: 'a' } } }, { allow: { node_labels: {} } }],
  ['a choice', { options: { port_forwarding: { local: {} } } }, { options: { port_forwarding: {} } }],
])('ok: the manager of %s may empty it by server-side apply', async (what, full, empty) => {
  const role = (content: object): string =>
    JSON.stringify({
      ...object('GatehouseRole', spec(content)),
      metadata: { name: `emptied-${what.slice(-3)}` },
    });
  for (const content of [full, empty, empty]) {
    const said = await api.kubectl(
      ['apply', '--server-side', '--field-manager=flux', '-f', '-'],
      role(content),
    );
    expect(said).toContain('serverside-applied');
  }
});

test('ok: kubectl explains the fields, and lists all with their health', async () => {
  const about = await api.kubectl(['explain', 'gatehouserole.spec.options.max_session_ttl']);
  expect(about).toContain('Longest life of a certificate.');
  expect(await api.kubectl(['explain', 'ghrole.spec.allow.logins'])).toContain('Accounts on servers.');
  const role = {
    ...object('GatehouseRole', spec({ allow: { logins: ['root'] } })),
    metadata: { name: 'listed' },
  };
  await api.kubectl(['create', '-f', '-'], JSON.stringify(role));
  const ready = { type: 'Ready', status: 'False', reason: 'ClusterMissing', message: 'There is none.' };
  const status = { observedGeneration: 1, conditions: [ready] };
  const patched = await call(
    'PATCH',
    `${pathOf('gatehouseroles')}/listed/status`,
    { status },
    'application/merge-patch+json',
  );
  expect(patched).toMatchObject({ status: 200, body: { status } });
  const listed = await api.kubectl(['get', 'gatehouse']);
  expect(listed).toMatch(/listed +\["root"\] +False +ClusterMissing/);
});

test('ok: an older definition is upgraded under its objects, by both ways of applying', async () => {
  const [newest] = CRDS.filter(({ spec: { names } }) => names.plural === STORAGE.plural);
  const older = olderThan(newest as CrdManifest);
  await api.kubectl(['apply', '-f', '-'], JSON.stringify(older));
  const kept = { ...object(STORAGE.kind, spec({ type: 'sqlite' })), metadata: { name: 'kept' } };
  await api.kubectl(['create', '-f', '-'], JSON.stringify(kept));
  const file = join(import.meta.dirname, '..', '..', 'crds', 'gatehousestorages.gatehouse.dev.yaml');
  await api.kubectl(['apply', '-f', file]);
  const later = { spec: { auditEventsUri: ['stdout://'] } };
  const args = ['patch', STORAGE.plural, 'kept', '--type=merge', '-p', JSON.stringify(later)];
  const isKnown = async (): Promise<boolean> => {
    await api.kubectl(args);
    const found = await api.kubectl(['get', 'ghs', 'kept', '-o=jsonpath={.spec.auditEventsUri[0]}']);
    return found === 'stdout://';
  };
  await until('the new field to be kept', isKnown, 120_000);
  await api.kubectl(['apply', '--server-side', '--force-conflicts', '-f', '-'], readFileSync(file, 'utf8'));
  expect(await api.kubectl(['get', 'ghs', 'kept', '-o=jsonpath={.spec.type}'])).toBe('sqlite');
});

/** The definition before it had audit fields. */
function olderThan(crd: CrdManifest): object {
  const copy = JSON.parse(JSON.stringify(crd)) as {
    spec: {
      versions: {
        schema: { openAPIV3Schema: { properties: { spec: { properties: Record<string, unknown> } } } };
      }[];
    };
  };
  delete copy.spec.versions[0]!.schema.openAPIV3Schema.properties.spec.properties['auditEventsUri'];
  return copy;
}
