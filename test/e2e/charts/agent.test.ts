// The chart of agents: what a person writes in values becomes a configuration that our own loader accepts, pods that can
// do no more than they need, and, where values do not fit together, a message that says what to do.
import { beforeAll, expect, test } from 'vitest';
import { readConfig, type ReadConfig } from '#config/read.ts';
import { SECRET_RULES } from '#client/kube-secrets.ts';
import { KUBE_START_MS, kubePrograms } from '#test/kit/kube-programs.ts';
import { at, only, refusal, render, type RenderSetup, type Rendered, type Values } from './render.ts';

const CHART = 'gatehouse-kube-agent';
const NODE: Values = { proxyAddr: 'gate.example.com:443', roles: 'node' };
const PIN = `sha256:${'7e'.repeat(32)}`;

/** As the guide to AWS prints them. */
const DOCUMENTED = `
authToken: abcd123-insecure-do-not-use-this
proxyAddr: example.teleport.sh:443
roles: app
apps:
- name: "awsconsole"
  # The public AWS Console is used after authenticating the user
  uri: "https://console.aws.amazon.com/ec2/v2/home"
`;

beforeAll(async () => void (await kubePrograms('helm')), KUBE_START_MS);

const agent = (values: Values | string, setup?: RenderSetup): Promise<readonly Rendered[]> =>
  render(CHART, values, setup);

const configText = (objects: readonly Rendered[]): string =>
  String(at(only(objects, 'ConfigMap'), 'data', 'gatehouse.yaml'));

/** Our own loader is the judge of what the chart writes. */
const load = (objects: readonly Rendered[]): ReadConfig =>
  readConfig(configText(objects), { source: 'gatehouse.yaml', hostname: 'agent-0' });

const podOf = (objects: readonly Rendered[]): unknown =>
  at(only(objects, 'StatefulSet'), 'spec', 'template', 'spec');
const containerOf = (objects: readonly Rendered[]): unknown => at(podOf(objects), 'containers', 0);
const named = (list: unknown, name: string): unknown =>
  (list as readonly { readonly name: string }[]).find((entry) => entry.name === name);

test('ok: the values of the documents, as printed, give the pod that they show', async () => {
  const objects = await agent(DOCUMENTED, { release: 'teleport-kube-agent', namespace: 'teleport-agent' });
  const set = only(objects, 'StatefulSet');
  expect(set.metadata).toMatchObject({ name: 'teleport-kube-agent', namespace: 'teleport-agent' });
  expect(at(set, 'spec', 'replicas')).toBe(1);
  expect(at(podOf(objects), 'serviceAccountName')).toBe('teleport-kube-agent');
  expect(only(objects, 'ServiceAccount').metadata.name).toBe('teleport-kube-agent');
  expect(load(objects).config).toMatchObject({
    proxyServer: { host: 'example.teleport.sh', port: 443 },
    join: { method: 'token', token: { path: '/etc/gatehouse-join/auth-token' } },
  });
  expect(configText(objects)).toContain('uri: https://console.aws.amazon.com/ec2/v2/home');
  expect(at(only(objects, 'Secret'), 'stringData')).toEqual({
    'auth-token': 'abcd123-insecure-do-not-use-this',
  });
});

test('ok: the token is in its Secret and nowhere else', async () => {
  const objects = await agent({ ...NODE, authToken: 'only-in-the-secret' });
  const others = objects.filter(({ kind }) => kind !== 'Secret');
  expect(JSON.stringify(others)).not.toContain('only-in-the-secret');
  const mount = named(at(containerOf(objects), 'volumeMounts'), 'join-token');
  expect(mount).toMatchObject({ mountPath: '/etc/gatehouse-join', readOnly: true });
  expect(named(at(podOf(objects), 'volumes'), 'join-token')).toMatchObject({
    secret: { secretName: 'agent-join-token', defaultMode: 0o440 },
  });
});

test('ok: secretName is where a given token is put, and else names a Secret that is there', async () => {
  const made = await agent({ ...NODE, authToken: 'given', secretName: 'mine' });
  expect(only(made, 'Secret').metadata.name).toBe('mine');
  const found = await agent({ ...NODE, secretName: 'mine' });
  expect(found.filter(({ kind }) => kind === 'Secret')).toEqual([]);
  for (const objects of [made, found]) {
    expect(named(at(podOf(objects), 'volumes'), 'join-token')).toMatchObject({
      secret: { secretName: 'mine' },
    });
  }
});

test('ok: without a token the pod proves itself by a ServiceAccount token for the cluster, and there is no Secret', async () => {
  const objects = await agent(NODE);
  expect(objects.filter(({ kind }) => kind === 'Secret')).toEqual([]);
  expect(load(objects).config.join).toMatchObject({
    method: 'kubernetes',
    tokenName: 'agent',
    rejoin: false,
  });
  const volume = named(at(podOf(objects), 'volumes'), 'join-sa-token');
  expect(at(volume, 'projected', 'sources', 0, 'serviceAccountToken')).toEqual({
    path: 'join-sa-token',
    expirationSeconds: 600,
    audience: 'gate.example.com',
  });
  expect(named(at(containerOf(objects), 'volumeMounts'), 'join-sa-token')).toMatchObject({
    mountPath: '/var/run/secrets/tokens',
  });
});

test.each([
  [{ proxyAddr: '[2001:db8::1]:443' }, '[2001:db8::1]'],
  [{ proxyAddr: 'gate.example.com' }, 'gate.example.com'],
  [{ teleportClusterName: 'old.example.com' }, 'old.example.com'],
  [{ clusterName: 'new.example.com', teleportClusterName: 'old.example.com' }, 'new.example.com'],
])('ok: %j makes the token for %s', async (values, audience) => {
  const volume = named(at(podOf(await agent({ ...NODE, ...values })), 'volumes'), 'join-sa-token');
  expect(at(volume, 'projected', 'sources', 0, 'serviceAccountToken', 'audience')).toBe(audience);
});

test('ok: everything that can be served is in the configuration, and the loader accepts it', async () => {
  const objects = await agent({
    proxyAddr: 'gate.example.com:443',
    roles: 'App, db,kube , node',
    caPin: [PIN],
    labels: { env: 'prod', rank: 3 },
    kubeClusterName: 'eks-1',
    apps: [
      {
        name: 'aws',
        uri: 'https://console.aws.amazon.com/ec2/v2/home',
        labels: { aws_account_id: '0987654321' },
      },
    ],
    appResources: [{ labels: { team: 'a' } }],
    databases: [
      { name: 'aurora', protocol: 'postgres', uri: 'db.example.com:5432', static_labels: { env: 'dev' } },
    ],
    databaseResources: [{ labels: { '*': '*' } }],
    awsDatabases: [{ types: ['rds'], regions: ['eu-central-1'], tags: { '*': '*' } }],
    log: { level: 'debug', output: 'stdout', format: 'json', extraFields: ['level'] },
  });
  const { config, notices } = load(objects);
  expect(config).toMatchObject({
    caPins: [PIN],
    diagAddr: { host: '0.0.0.0', port: 3000 },
    log: { severity: 'debug', output: 'stdout', format: 'json', extraFields: ['level'] },
    ssh: { labels: { env: 'prod', rank: '3' } },
  });
  expect(config.auth).toBeUndefined();
  expect(config.proxy).toBeUndefined();
  const text = configText(objects);
  for (const word of ['eks-1', 'aurora', "'*': '*'", '- eu-central-1', 'aws_account_id: "0987654321"'])
    expect(text).toContain(word);
  // What this release does not serve yet is told by the agent and stops nothing.
  for (const { message } of notices) expect(message).toContain('not part of this release');
});

test('ok: roles are taken as a list as well', async () => {
  const asText = await agent({ ...NODE, roles: 'node,kube', kubeClusterName: 'k' });
  const asList = await agent({ ...NODE, roles: ['node', 'kube'], kubeClusterName: 'k' });
  expect(asList).toEqual(asText);
});

test('ok: overlays win, also with no, and take the section under both names', async () => {
  const objects = await agent({
    ...NODE,
    labels: { env: 'prod', team: 'a' },
    teleportConfig: {
      teleport: { log: { severity: 'ERROR' }, nodename: 'first' },
      ssh_service: { labels: { env: 'dev' } },
    },
    gatehouseConfig: { gatehouse: { nodename: 'second' }, ssh_service: { ssh_file_copy: false } },
  });
  expect(load(objects).config).toMatchObject({
    nodename: 'second',
    log: { severity: 'error', output: 'stderr' },
    ssh: { labels: { env: 'dev', team: 'a' }, fileCopy: false },
  });
});

test('S31 ok: a cluster that was replaced is joined anew only by its pin', async () => {
  const rejoin = async (values: object): Promise<unknown> =>
    load(await agent({ ...NODE, ...values })).config.join?.rejoin;
  expect(await rejoin({ caPin: [PIN] })).toBe(true);
  expect(await rejoin({ caPin: [PIN], joinParams: { rejoin: false } })).toBe(false);
  expect(await rejoin({ caPin: [PIN], authToken: 'a-token' })).toBe(false);
  expect(await rejoin({ caPin: [PIN], authToken: 'a-token', joinParams: { rejoin: true } })).toBe(true);
});

test('ok: an overlay of false, zero and empty values is not lost', async () => {
  const objects = await agent({
    ...NODE,
    caPin: [PIN],
    gatehouseConfig: {
      gatehouse: { join_params: { rejoin: false } },
      ssh_service: { x11: { enabled: false, display_offset: 0 } },
    },
  });
  const { config } = load(objects);
  expect(config.join).toMatchObject({ rejoin: false });
  expect(config.ssh?.x11.displayOffset).toBe(0);
});

test('ok: a change of the configuration rolls the pods, and the version of the chart does not', async () => {
  const checksum = async (values: Values): Promise<unknown> =>
    at(
      only(await agent(values), 'StatefulSet'),
      'spec',
      'template',
      'metadata',
      'annotations',
      'checksum/config',
    );
  const first = await checksum(NODE);
  expect(first).toMatch(/^[0-9a-f]{64}$/);
  expect(await checksum(NODE)).toBe(first);
  expect(await checksum({ ...NODE, labels: { env: 'dev' } })).not.toBe(first);
  const labels = at(only(await agent(NODE), 'StatefulSet'), 'spec', 'template', 'metadata', 'labels');
  expect(JSON.stringify(labels)).not.toContain('chart');
});

test('ok: replicas have names, keep apart and are counted', async () => {
  const objects = await agent({
    ...NODE,
    highAvailability: { replicaCount: 2, podDisruptionBudget: { enabled: true, minAvailable: 1 } },
  });
  expect(at(only(objects, 'StatefulSet'), 'spec', 'replicas')).toBe(2);
  const wish = 'preferredDuringSchedulingIgnoredDuringExecution';
  expect(at(podOf(objects), 'affinity', 'podAntiAffinity', wish)).toHaveLength(1);
  expect(at(only(objects, 'PodDisruptionBudget'), 'spec', 'minAvailable')).toBe(1);
  const env = at(containerOf(objects), 'env');
  expect(named(env, 'GATEHOUSE_REPLICA_NAME')).toMatchObject({
    valueFrom: { fieldRef: { fieldPath: 'metadata.name' } },
  });
  expect(named(env, 'KUBE_NAMESPACE')).toMatchObject({
    valueFrom: { fieldRef: { fieldPath: 'metadata.namespace' } },
  });
  expect(named(env, 'RELEASE_NAME')).toMatchObject({ value: 'agent' });
});

test.each([1, 3])('ok: %i replicas may touch their own Secrets and nothing else', async (replicaCount) => {
  const objects = await agent({ ...NODE, highAvailability: { replicaCount } });
  const replicas = Array.from({ length: replicaCount }, (_, index) => `agent-${index}`);
  const wanted = SECRET_RULES.map((rule) => ({
    ...rule,
    ...('resourceNames' in rule
      ? { resourceNames: replicas.map((replica) => rule.resourceNames[0].replace('{replica}', replica)) }
      : {}),
  }));
  const sorted = (rules: readonly object[]): string[] =>
    rules.map((rule) => JSON.stringify(Object.entries(rule).sort())).sort();
  expect(sorted(only(objects, 'Role')['rules'] as object[])).toEqual(sorted(wanted));
  expect(objects.filter(({ kind }) => kind.startsWith('Cluster'))).toEqual([]);
});

test('ok: pods cannot become more than they are, and only their folders can be written', async () => {
  const objects = await agent(NODE);
  expect(at(podOf(objects), 'securityContext')).toMatchObject({
    runAsNonRoot: true,
    seccompProfile: { type: 'RuntimeDefault' },
  });
  expect(at(containerOf(objects), 'securityContext')).toEqual({
    allowPrivilegeEscalation: false,
    readOnlyRootFilesystem: true,
    capabilities: { drop: ['ALL'] },
  });
  const mounts = at(containerOf(objects), 'volumeMounts') as readonly {
    readOnly?: boolean;
    mountPath: string;
  }[];
  expect(mounts.filter(({ readOnly }) => readOnly !== true).map(({ mountPath }) => mountPath)).toEqual([
    '/var/lib',
    '/tmp',
  ]);
});

test('ok: storage gives each replica a volume; existingDataVolume takes one that is there', async () => {
  const stored = await agent({
    ...NODE,
    storage: { enabled: true, storageClassName: 'fast', requests: '1Gi' },
  });
  expect(at(only(stored, 'StatefulSet'), 'spec', 'volumeClaimTemplates', 0)).toMatchObject({
    metadata: { name: 'data' },
    spec: { storageClassName: 'fast', resources: { requests: { storage: '1Gi' } } },
  });
  const given = await agent({
    ...NODE,
    existingDataVolume: 'mine',
    extraVolumes: [{ name: 'mine', persistentVolumeClaim: { claimName: 'c' } }],
  });
  for (const objects of [stored, given]) expect(named(at(podOf(objects), 'volumes'), 'data')).toBeUndefined();
  expect(named(at(containerOf(given), 'volumeMounts'), 'mine')).toMatchObject({
    mountPath: '/var/lib',
  });
});

test.each([
  [{}, 'gatehouse:0.1.0'],
  [{ image: 'registry.example.com:5000/gatehouse' }, 'registry.example.com:5000/gatehouse:0.1.0'],
  [{ image: 'registry.example.com/gatehouse:1' }, 'registry.example.com/gatehouse:1'],
  [{ image: `gatehouse@sha256:${'a'.repeat(64)}` }, `gatehouse@sha256:${'a'.repeat(64)}`],
  [{ teleportVersionOverride: '0.2.0' }, 'gatehouse:0.2.0'],
  [{ gatehouseVersionOverride: '0.3.0', teleportVersionOverride: '0.2.0' }, 'gatehouse:0.3.0'],
])('ok: %j runs %s', async (values, image) => {
  expect(at(containerOf(await agent({ ...NODE, ...values })), 'image')).toBe(image);
});

test('ok: an account that is there is used and not made', async () => {
  const objects = await agent({
    ...NODE,
    serviceAccount: { create: false, name: 'aws' },
    rbac: { create: false },
  });
  expect(objects.map(({ kind }) => kind).sort()).toEqual(['ConfigMap', 'StatefulSet']);
  expect(at(podOf(objects), 'serviceAccountName')).toBe('aws');
});

test.each([
  [{ roles: 'app', apps: [{ name: 'a', uri: 'http://a' }] }, 1, 60, 0],
  [{ roles: 'app', apps: [{ name: 'a', uri: 'http://a' }] }, 2, 60, 30_000],
  [{ roles: 'app', apps: [{ name: 'a', uri: 'http://a' }] }, 2, 630, 600_000],
  [{ roles: 'app', apps: [{ name: 'a', uri: 'http://a' }] }, 2, 20, 0],
  [{ roles: 'node' }, 2, 60, 0],
])(
  'ok: sessions may end by themselves where other replicas serve the same: %j, %i replicas, %i s',
  async (values, replicaCount, seconds, wanted) => {
    const objects = await agent({
      ...NODE,
      ...values,
      highAvailability: { replicaCount },
      terminationGracePeriodSeconds: seconds,
    });
    expect(load(objects).config.drainTimeoutMs).toBe(wanted);
  },
);

const ROLE = 'arn:aws:iam::123456789012:role/agent';
const AWS: Values = { ...NODE, serviceAccount: { annotations: { 'eks.amazonaws.com/role-arn': ROLE } } };
const AWS_FOLDER = '/var/run/secrets/eks.amazonaws.com/serviceaccount';

test('ok: a role of AWS by annotation alone leaves token and variables to the webhook of EKS', async () => {
  const objects = await agent({ ...AWS, aws: { region: 'eu-central-1' } });
  expect(only(objects, 'ServiceAccount').metadata.annotations).toEqual({
    'eks.amazonaws.com/role-arn': ROLE,
  });
  expect(named(at(podOf(objects), 'volumes'), 'aws-iam-token')).toBeUndefined();
  const env = at(containerOf(objects), 'env');
  expect(named(env, 'AWS_ROLE_ARN')).toBeUndefined();
  for (const name of ['AWS_REGION', 'AWS_DEFAULT_REGION']) {
    expect(named(env, name)).toEqual({ name, value: 'eu-central-1' });
  }
});

test('ok: without a webhook the chart gives the pods token and variables, by the names of EKS', async () => {
  const objects = await agent({ ...AWS, aws: { projectToken: true } });
  const source = ['projected', 'sources', 0, 'serviceAccountToken'];
  expect(at(named(at(podOf(objects), 'volumes'), 'aws-iam-token'), ...source)).toEqual({
    audience: 'sts.amazonaws.com',
    expirationSeconds: 86_400,
    path: 'token',
  });
  expect(named(at(containerOf(objects), 'volumeMounts'), 'aws-iam-token')).toEqual({
    name: 'aws-iam-token',
    mountPath: AWS_FOLDER,
    readOnly: true,
  });
  const env = at(containerOf(objects), 'env');
  expect(named(env, 'AWS_ROLE_ARN')).toMatchObject({ value: ROLE });
  expect(named(env, 'AWS_WEB_IDENTITY_TOKEN_FILE')).toMatchObject({ value: `${AWS_FOLDER}/token` });
  const own = await agent({
    ...NODE,
    aws: { projectToken: true },
    serviceAccount: {
      annotations: {
        'eks.amazonaws.com/role-arn': ROLE,
        'eks.amazonaws.com/audience': 'sts.amazonaws.com.cn',
        'eks.amazonaws.com/token-expiration': '3600',
      },
    },
  });
  expect(at(named(at(podOf(own), 'volumes'), 'aws-iam-token'), ...source)).toMatchObject({
    audience: 'sts.amazonaws.com.cn',
    expirationSeconds: 3600,
  });
});

test.each([
  [
    'a token for no role',
    { ...NODE, aws: { projectToken: true } },
    'aws.projectToken needs a role: set eks.amazonaws.com/role-arn in serviceAccount.annotations',
  ],
  [
    'a token of no length',
    {
      ...NODE,
      aws: { projectToken: true },
      serviceAccount: {
        annotations: { 'eks.amazonaws.com/role-arn': ROLE, 'eks.amazonaws.com/token-expiration': '1h' },
      },
    },
    'eks.amazonaws.com/token-expiration is the number of seconds',
  ],
  ['a region that is none', { ...NODE, aws: { region: 'Frankfurt' } }, "at '/aws/region'"],
  ['no proxy', { roles: 'node' }, 'proxyAddr is missing: set it to the address of the proxy'],
  ['no roles', { proxyAddr: 'a:443' }, 'roles is missing: name what the agent serves'],
  [
    'a role that is none',
    { ...NODE, roles: 'node,windows' },
    'roles: "windows" is not something this agent can be',
  ],
  ['apps without their role', { ...NODE, apps: [{ name: 'a' }] }, 'apps is set, but roles does not name app'],
  [
    'a role without its apps',
    { ...NODE, roles: 'app' },
    'roles names app, which needs at least one of apps, appResources',
  ],
  [
    'databases without their role',
    { ...NODE, awsDatabases: [{ types: [], regions: [] }] },
    'awsDatabases is set, but roles does not name db',
  ],
  ['kube without a name', { ...NODE, roles: 'kube' }, 'roles names kube, which needs kubeClusterName'],
  [
    'no verification',
    { ...NODE, insecureSkipProxyTLSVerify: true },
    'is not offered: the proxy is always verified. Set caPin',
  ],
  [
    'two tokens',
    { ...NODE, authToken: 'a', joinParams: { tokenName: 'b' } },
    'authToken and joinParams.tokenName are both set',
  ],
  [
    'a token for method kubernetes',
    { ...NODE, authToken: 'a', joinParams: { method: 'kubernetes' } },
    'authToken and joinParams.method kubernetes do not go together',
  ],
  [
    'a Secret for method kubernetes',
    { ...NODE, secretName: 'a', joinParams: { method: 'kubernetes' } },
    'secretName holds a token, which joinParams.method kubernetes does not need',
  ],
  [
    'method token without one',
    { ...NODE, joinParams: { method: 'token' } },
    'joinParams.method token needs a token: set authToken',
  ],
  [
    'another method',
    { ...NODE, joinParams: { method: 'iam' } },
    "at '/joinParams/method': value must be one of '', 'kubernetes', 'token'",
  ],
  [
    'joining a replaced cluster without a pin',
    { ...NODE, joinParams: { rejoin: true } },
    'joinParams.rejoin needs caPin, because any cluster that answers at proxyAddr could be joined otherwise',
  ],
  [
    'the same in an overlay',
    { ...NODE, gatehouseConfig: { gatehouse: { join_params: { rejoin: true } } } },
    'joinParams.rejoin needs caPin',
  ],
  [
    'a pin that is none',
    { ...NODE, caPin: ['sha256:abc'] },
    "at '/caPin/0': 'sha256:abc' does not match pattern",
  ],
  ['a misspelt value', { ...NODE, authTokn: 'a' }, "additional properties 'authTokn' not allowed"],
  [
    'a misspelt value deeper down',
    { ...NODE, log: { levle: 'a' } },
    "at '/log': additional properties 'levle' not allowed",
  ],
  ['a value of another type', { ...NODE, apps: 'a' }, "at '/apps': got string, want array"],
  [
    'a database without protocol',
    { ...NODE, databases: [{ name: 'a', uri: 'b' }] },
    "at '/databases/0': missing property 'protocol'",
  ],
  [
    'two volumes',
    { ...NODE, existingDataVolume: 'a', storage: { enabled: true } },
    'storage.enabled and existingDataVolume are both set',
  ],
  [
    'two affinities',
    { ...NODE, affinity: { nodeAffinity: {} }, highAvailability: { requireAntiAffinity: true } },
    'affinity and highAvailability.requireAntiAffinity are both set',
  ],
  [
    'two sections',
    { ...NODE, gatehouseConfig: { gatehouse: {}, teleport: {} } },
    'has the section teleport or the section gatehouse, not both',
  ],
])('refuses: %s', async (_, values, message) => {
  expect(await refusal(CHART, values)).toContain(message);
});
