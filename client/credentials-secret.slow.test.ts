// The identity in a Secret of a real API server, with exactly the rights that SECRET_RULES names.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { GatehouseError } from '#core/errors/error.ts';
import { silentLog } from '#core/log.ts';
import { startKubeApi, type KubeApi } from '#test/kit/kube-api.ts';
import { KUBE_START_MS } from '#test/kit/kube-programs.ts';
import { credentialConformance } from './conformance/credentials.ts';
import { recordOf, selfSigned } from './conformance/sample.ts';
import { openCredentialSecret } from './credentials-secret.ts';
import type { CredentialStore } from './credentials.ts';
import { openKubeSecrets, SECRET_RULES, type KubeSecrets } from './kube-secrets.ts';

const NAMESPACE = 'agents';
const REPLICAS = Array.from({ length: 12 }, (_, n) => `web-${n}`);
const first = recordOf('a0f0f0d8-0000-4000-8000-000000000000', selfSigned('the authority').certificate);

let api: KubeApi;
let setUid: string;
const accounts: string[] = [];
beforeAll(async () => {
  api = await startKubeApi();
  await api.kubectl(['create', 'namespace', NAMESPACE]);
  await apply(...roleObjects(), statefulSet());
  setUid = await uidOf('statefulset', 'web');
}, KUBE_START_MS);
afterAll(async () => {
  for (const folder of accounts) rmSync(folder, { recursive: true, force: true });
  await api?.close();
});

const apply = (...objects: object[]): Promise<string> =>
  api.kubectl(['apply', '-f', '-'], objects.map((one) => JSON.stringify(one)).join('\n---\n'));
const uidOf = async (resource: string, name: string): Promise<string> =>
  (await api.kubectl(['-n', NAMESPACE, 'get', resource, name, '-o', 'jsonpath={.metadata.uid}'])).trim();
const metadata = (name: string): object => ({ name, namespace: NAMESPACE });

function roleObjects(): object[] {
  const rules = SECRET_RULES.map((rule) => ({
    ...rule,
    ...('resourceNames' in rule
      ? {
          resourceNames: REPLICAS.flatMap((replica) =>
            rule.resourceNames.map((name) => name.replace('{replica}', replica)),
          ),
        }
      : {}),
  }));
  const account = { apiVersion: 'v1', kind: 'ServiceAccount', metadata: metadata('agent') };
  const role = {
    apiVersion: 'rbac.authorization.k8s.io/v1',
    kind: 'Role',
    metadata: metadata('agent'),
    rules,
  };
  const binding = {
    apiVersion: 'rbac.authorization.k8s.io/v1',
    kind: 'RoleBinding',
    metadata: metadata('agent'),
    roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'Role', name: 'agent' },
    subjects: [{ kind: 'ServiceAccount', name: 'agent', namespace: NAMESPACE }],
  };
  return [account, role, binding];
}

const podSpec = { containers: [{ name: 'agent', image: 'agent' }], serviceAccountName: 'agent' };

function statefulSet(): object {
  const labels = { app: 'web' };
  const template = { metadata: { labels }, spec: podSpec };
  const spec = { serviceName: 'web', replicas: 1, selector: { matchLabels: labels }, template };
  return { apiVersion: 'apps/v1', kind: 'StatefulSet', metadata: metadata('web'), spec };
}

/** A pod of the StatefulSet as its controller makes it, and what its kubelet would give it. */
async function startPod(name: string): Promise<KubeSecrets> {
  const owner = { apiVersion: 'apps/v1', kind: 'StatefulSet', name: 'web', uid: setUid };
  const ownerReferences = [{ ...owner, controller: true, blockOwnerDeletion: true }];
  await apply({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { ...metadata(name), ownerReferences },
    spec: podSpec,
  });
  const uid = await uidOf('pod', name);
  const token = await api.kubectl([
    '-n',
    NAMESPACE,
    'create',
    'token',
    'agent',
    '--bound-object-kind=Pod',
    `--bound-object-name=${name}`,
    `--bound-object-uid=${uid}`,
  ]);
  const accountDir = mkdtempSync(join(tmpdir(), 'gatehouse-account-'));
  accounts.push(accountDir);
  writeFileSync(join(accountDir, 'token'), token);
  writeFileSync(join(accountDir, 'ca.crt'), api.caPem);
  return openKubeSecrets({ host: '127.0.0.1', port: api.port, namespace: NAMESPACE, accountDir });
}

const deletePod = (name: string): Promise<string> =>
  api.kubectl(['-n', NAMESPACE, 'delete', 'pod', name, '--force', '--grace-period=0']);
const storeOf = (secrets: KubeSecrets, replica: string): CredentialStore =>
  openCredentialSecret({ secrets, name: `${replica}-state`, log: silentLog });
const codeOf = (promise: Promise<unknown> | undefined): Promise<string> =>
  Promise.resolve(promise).then(
    () => 'ok',
    (error: GatehouseError) => error.code,
  );
const readSecret = async (name: string): Promise<{ data: Record<string, string>; metadata: object }> =>
  JSON.parse(await api.kubectl(['-n', NAMESPACE, 'get', 'secret', name, '-o', 'json'])) as never;

let next = 0;
credentialConformance({
  name: 'a Secret of a real API server',
  async place() {
    const replica = REPLICAS[next++] ?? '';
    const name = `${replica}-state`;
    const secrets = await startPod(replica);
    return {
      open: () => storeOf(secrets, replica),
      async read() {
        const { data } = await readSecret(name);
        return Buffer.from(data['record'] ?? '', 'base64').toString('utf8');
      },
      async write(text) {
        const record = Buffer.from(text).toString('base64');
        await api.kubectl([
          '-n',
          NAMESPACE,
          'patch',
          'secret',
          name,
          '-p',
          JSON.stringify({ data: { record } }),
        ]);
      },
      remove: async () => void (await api.kubectl(['-n', NAMESPACE, 'delete', 'secret', name])),
    };
  },
});

it('R11 ok: the Secret belongs to the StatefulSet, and of two pods of one name the later one has it', async () => {
  const replica = 'web-10';
  const old = storeOf(await startPod(replica), replica);
  await old.create(first);
  expect((await readSecret(`${replica}-state`)).metadata).toMatchObject({
    labels: { 'app.kubernetes.io/managed-by': 'gatehouse' },
    ownerReferences: [{ apiVersion: 'apps/v1', kind: 'StatefulSet', name: 'web', uid: setUid }],
  });
  await deletePod(replica);
  // The API server takes no token of a pod that is gone, as soon as it has noticed.
  const young = storeOf(await startPod(replica), replica);
  expect(await young.claim?.()).toEqual(first);
  expect(await codeOf(old.replace({ ...first, generation: 2 }))).toMatch(/NAME_CONFLICT|ACCESS_DENIED/);
  await young.replace({ ...first, generation: 2 });
  expect(await codeOf(young.check?.(first.certificates.host_id))).toBe('ok');
});

it('S37 refuses: other Secrets, other namespaces, lists, deletes', async () => {
  const secrets = await startPod('web-11');
  await api.kubectl(['-n', NAMESPACE, 'create', 'secret', 'generic', 'theirs', '--from-literal=a=b']);
  expect(await codeOf(secrets.get('theirs'))).toBe('ACCESS_DENIED');
  const seen = await secrets.get('web-11-state');
  expect(seen).toBeUndefined();
  const theirs = { labels: {}, annotations: {}, finalizers: [], owners: [], data: {}, name: 'theirs' };
  expect(await codeOf(secrets.replace(theirs))).toBe('ACCESS_DENIED');
  const as = ['--as', `system:serviceaccount:${NAMESPACE}:agent`];
  for (const verb of ['list', 'watch', 'delete', 'patch']) {
    const answer = await api
      .kubectl(['-n', NAMESPACE, 'auth', 'can-i', verb, 'secrets', ...as])
      .catch((error: unknown) => String(error));
    expect(answer).toMatch(/no/);
  }
});

it('R1 ok: an API server that goes away and comes back', async () => {
  const replica = 'web-9';
  const store = storeOf(await startPod(replica), replica);
  await store.create(first);
  await api.stop();
  expect(await codeOf(store.replace({ ...first, generation: 2 }))).toBe('UNAVAILABLE');
  await api.restart();
  await store.replace({ ...first, generation: 2 });
  expect((await store.load())?.generation).toBe(2);
});
