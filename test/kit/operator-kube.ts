// A real API server with our definitions, and an operator on it that joins a real auth service by its ServiceAccount and has
// exactly the rights of operator/rbac.ts. For slow tests and the benchmark of mirrors.
import { join } from 'node:path';
import { systemClock } from '#core/clock.ts';
import { Secret } from '#core/secret.ts';
import { CLUSTER } from '#operator/crds/cluster.ts';
import { MIRRORS } from '#operator/crds/mirror.ts';
import { operatorAudience } from '#operator/house/audience.ts';
import { serviceAccountProof } from '#operator/house/proof.ts';
import { connectKube, type ConnectedKube } from '#operator/kube/connect.ts';
import { OWN_SERVICE_ACCOUNT, rulesOf, type PolicyRule } from '#operator/rbac.ts';
import type { TestAuth } from './auth-server.ts';
import { startKubeApi, type KubeApi } from './kube-api.ts';
import {
  addressOfAuth,
  clusterObject,
  NAMESPACE,
  startAuthForOperators,
  startOperatorUnderTest,
  type OperatorUnderTest,
} from './operator-house.ts';

const OPERATORS = 'operators';
const ACCOUNT = 'operator';
const POD = 'operator-0';

export interface OperatorOnKube {
  readonly api: KubeApi;
  readonly auth: TestAuth;
  readonly operator: OperatorUnderTest;
  /** As a cluster admin. */
  readonly person: ConnectedKube;
  /** Calls of the operator so far: `patch gatehouseroles 200`. */
  readonly calls: readonly string[];
  close(): Promise<void>;
}

/** Resolves when the operator is at work; there is a GatehouseCluster `main` in NAMESPACE. The caller closes it. */
export async function startOperatorOnKube(): Promise<OperatorOnKube> {
  const api = await startKubeApi();
  await api.kubectl(['apply', '-f', join(import.meta.dirname, '..', '..', 'crds')]);
  await api.kubectl(['wait', '--for=condition=established', 'crd', '--all', '--timeout=120s']);
  for (const namespace of [OPERATORS, NAMESPACE]) await api.kubectl(['create', 'namespace', namespace]);
  await api.kubectl(
    ['apply', '-f', '-'],
    JSON.stringify({ apiVersion: 'v1', kind: 'List', items: installation() }),
  );
  const person = await connect(api, api.adminToken, () => {});
  const calls: string[] = [];
  const token = await api.kubectl(['create', 'token', ACCOUNT, '-n', OPERATORS, '--duration=2h']);
  const kube = await connect(api, token.trim(), (call) => calls.push(call));
  const auth = await startAuthForOperators();
  await auth.put('token', 'main-operator', {
    roles: ['operator'],
    join_method: 'kubernetes',
    kubernetes: {
      type: 'static_jwks',
      audience: operatorAudience({ namespace: NAMESPACE, name: 'main' }),
      allow: [{ service_account: `${OPERATORS}:${ACCOUNT}` }],
      static_jwks: { jwks: await api.kubectl(['get', '--raw', '/openid/v1/jwks']) },
    },
  });
  const serviceAccount = { namespace: OPERATORS, name: ACCOUNT };
  const operator = await startOperatorUnderTest({
    kube,
    addressOf: () => addressOfAuth(auth),
    proof: (key) => serviceAccountProof({ kube, serviceAccount, podName: POD }, key),
  });
  await person.create(clusterObject('main'));
  return {
    api,
    auth,
    operator,
    person,
    calls,
    async close() {
      await operator.close();
      kube.close();
      person.close();
      await auth.close();
      await api.close();
    },
  };
}

const connect = (api: KubeApi, token: string, note: (call: string) => void): Promise<ConnectedKube> =>
  connectKube({
    clock: systemClock,
    environment: {},
    types: [CLUSTER, ...MIRRORS.map(({ type }) => type)],
    version: '0.0.0-test',
    observe: ({ verb, resource, code }) => note(`${verb} ${resource} ${code}`),
    server: {
      host: '127.0.0.1',
      port: api.port,
      basePath: '',
      credentials: async () => ({ authorization: new Secret(`Bearer ${token}`), ca: api.caPem }),
    },
  });

/** What the chart installs, as far as an API server alone can have it. */
function installation(): readonly object[] {
  const metadata = { name: ACCOUNT, namespace: OPERATORS };
  const rbac = 'rbac.authorization.k8s.io/v1';
  const subjects = [{ kind: 'ServiceAccount', ...metadata }];
  const roleRef = (kind: string) => ({ apiGroup: 'rbac.authorization.k8s.io', kind, name: ACCOUNT });
  const own = rulesOf('own').map(withOwnName);
  return [
    { apiVersion: 'v1', kind: 'ServiceAccount', metadata },
    {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { ...metadata, name: POD },
      spec: { serviceAccountName: ACCOUNT, containers: [{ name: 'operator', image: 'none' }] },
    },
    {
      apiVersion: rbac,
      kind: 'ClusterRole',
      metadata: { name: ACCOUNT },
      rules: [...rulesOf('watched'), ...rulesOf('cluster')],
    },
    {
      apiVersion: rbac,
      kind: 'ClusterRoleBinding',
      metadata: { name: ACCOUNT },
      subjects,
      roleRef: roleRef('ClusterRole'),
    },
    { apiVersion: rbac, kind: 'Role', metadata, rules: own },
    { apiVersion: rbac, kind: 'RoleBinding', metadata, subjects, roleRef: roleRef('Role') },
  ];
}

const withOwnName = (rule: PolicyRule): PolicyRule =>
  rule.resourceNames === undefined
    ? rule
    : {
        ...rule,
        resourceNames: rule.resourceNames.map((name) => (name === OWN_SERVICE_ACCOUNT ? ACCOUNT : name)),
      };
