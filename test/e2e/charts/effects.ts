// For each value of each chart, one setting that must change what is rendered; where it needs others beside it, they are
// the row's `with`. charts.test.ts fails for a value without a row, so no value does nothing.
import type { Chart, Values } from './render.ts';

export interface Effect {
  /** As in values.yaml, with dots. */
  readonly path: string;
  readonly value: unknown;
  /** Laid under the value, on both sides of the comparison. */
  readonly with?: Values;
}

/** The least with which the chart renders. */
export const LEAST: Readonly<Record<Chart, Values>> = {
  'gatehouse-kube-agent': { proxyAddr: 'gate.example.com:443', roles: 'node' },
  // Without its custom resources, which take helm the most of its time.
  'gatehouse-operator': { crds: { install: false } },
  'gatehouse-cluster': { clusterName: 'gate.example.com' },
};

const MAP = { example: 'yes' };
const APP: Values = { roles: 'app', apps: [{ name: 'first' }] };
const DB: Values = { roles: 'db', databases: [{ name: 'first', protocol: 'postgres', uri: 'a:1' }] };

const row = (path: string, value: unknown, beside?: Values): Effect =>
  beside === undefined ? { path, value } : { path, value, with: beside };

const POD_KNOBS: readonly Effect[] = [
  row('image', 'registry.example.com/gatehouse'),
  row('gatehouseVersionOverride', '9.9.9'),
  row('imagePullPolicy', 'Always'),
  row('imagePullSecrets', [{ name: 'registry' }]),
  row('serviceAccount.create', false),
  row('serviceAccount.name', 'other'),
  row('serviceAccount.annotations', MAP),
  row('rbac.create', false),
  row('extraArgs', ['--debug']),
  row('extraEnv', [{ name: 'A', value: 'b' }]),
  row('extraVolumes', [{ name: 'a', emptyDir: {} }]),
  row('extraVolumeMounts', [{ name: 'tmp', mountPath: '/var/tmp' }]),
  row('resources.requests.cpu', '1'),
  row('resources.requests.memory', '1Gi'),
  row('podSecurityContext.runAsNonRoot', false),
  row('podSecurityContext.runAsUser', 1000),
  row('podSecurityContext.runAsGroup', 1000),
  row('podSecurityContext.fsGroup', 1000),
  row('podSecurityContext.seccompProfile.type', 'Unconfined'),
  row('securityContext.allowPrivilegeEscalation', true),
  row('securityContext.readOnlyRootFilesystem', false),
  row('securityContext.capabilities.drop', []),
  row('priorityClassName', 'high'),
  row('nodeSelector', MAP),
  row('tolerations', [{ operator: 'Exists' }]),
  row('affinity', { nodeAffinity: {} }),
  row('topologySpreadConstraints', [{ maxSkew: 1 }]),
  row('probeTimeoutSeconds', 7),
  row('terminationGracePeriodSeconds', 7),
];

const withExtra = (name: string): Values =>
  name === 'secret'
    ? { authToken: 'a-token' }
    : name === 'podDisruptionBudget'
      ? { highAvailability: { podDisruptionBudget: { enabled: true } } }
      : {};

const AGENT: readonly Effect[] = [
  ...POD_KNOBS,
  row('proxyAddr', 'other.example.com:443'),
  row('roles', 'node,kube', { kubeClusterName: 'a' }),
  row('joinParams.method', 'token', { secretName: '', joinParams: { tokenName: 'a-token' } }),
  row('joinParams.tokenName', 'other'),
  row('joinParams.rejoin', false, { caPin: [`sha256:${'7e'.repeat(32)}`] }),
  row('authToken', 'a-token'),
  row('secretName', 'mine'),
  row('clusterName', 'other.example.com'),
  row('teleportClusterName', 'other.example.com'),
  row('caPin', [`sha256:${'7e'.repeat(32)}`]),
  row('apps', [{ name: 'second' }], APP),
  row('appResources', [{ labels: { a: 'b' } }], APP),
  row('databases', [{ name: 'second', protocol: 'postgres', uri: 'a:1' }], DB),
  row('databaseResources', [{ labels: { a: 'b' } }], DB),
  row('awsDatabases', [{ types: ['rds'], regions: ['eu-central-1'] }], DB),
  row('kubeClusterName', 'b', { roles: 'kube', kubeClusterName: 'a' }),
  row('labels', MAP),
  row('gatehouseConfig', { gatehouse: { nodename: 'a' } }),
  row('teleportConfig', { teleport: { nodename: 'a' } }),
  row('aws.region', 'eu-central-1'),
  row('aws.projectToken', true, {
    serviceAccount: { annotations: { 'eks.amazonaws.com/role-arn': 'arn:aws:iam::123456789012:role/a' } },
  }),
  row('log.level', 'DEBUG'),
  row('log.output', 'stdout'),
  row('log.format', 'json'),
  row('log.extraFields', ['level']),
  row('tls.existingCASecretName', 'ca'),
  row('tls.existingCASecretKeyName', 'other.pem', { tls: { existingCASecretName: 'ca' } }),
  row('teleportVersionOverride', '9.9.9'),
  row('highAvailability.replicaCount', 3),
  row('highAvailability.requireAntiAffinity', true),
  row('highAvailability.podDisruptionBudget.enabled', true),
  row('highAvailability.podDisruptionBudget.minAvailable', 2, withExtra('podDisruptionBudget')),
  row('storage.enabled', true),
  row('storage.storageClassName', 'fast', { storage: { enabled: true } }),
  row('storage.requests', '1Gi', { storage: { enabled: true } }),
  row('existingDataVolume', 'mine'),
  ...['config', 'deployment', 'pod', 'secret', 'serviceAccount'].map((name) =>
    row(`annotations.${name}`, MAP, withExtra(name)),
  ),
  ...[
    'config',
    'deployment',
    'pod',
    'podDisruptionBudget',
    'role',
    'roleBinding',
    'secret',
    'serviceAccount',
  ].map((name) => row(`extraLabels.${name}`, MAP, withExtra(name))),
  row('initContainers', [{ name: 'first', image: 'busybox' }]),
  row('dnsPolicy', 'None'),
  row('dnsConfig', { nameservers: ['192.0.2.1'] }),
  row('hostAliases', [{ ip: '192.0.2.1', hostnames: ['a'] }]),
];

const OPERATOR: readonly Effect[] = [
  ...POD_KNOBS,
  row('replicaCount', 2),
  row('watchNamespace', 'team-a'),
  row('crds.install', true),
  row('log.level', 'debug'),
  row('log.format', 'text'),
  row('metrics.service.enabled', false),
  row('metrics.service.annotations', MAP),
  row('podDisruptionBudget.enabled', true),
  row('podDisruptionBudget.minAvailable', 2, { podDisruptionBudget: { enabled: true } }),
  row('extraLabels', MAP),
  row('podLabels', MAP),
  row('podAnnotations', MAP),
];

const ISSUER: Values = { highAvailability: { certManager: { enabled: true, issuerName: 'ca' } } };
const NAMED = [{ name: 'first', spec: { roles: ['a'] } }];

const CLUSTER: readonly Effect[] = [
  row('clusterName', 'other.example.com'),
  row('publicAddr', 'gate.example.com:8443'),
  row('version', '9.9.9'),
  row('image', { tag: 'a' }),
  row('authentication', { second_factor: 'otp' }),
  row('highAvailability.replicaCount', 5),
  row('highAvailability.certManager.enabled', true, {
    highAvailability: { certManager: { issuerName: 'ca' } },
  }),
  row('highAvailability.certManager.issuerName', 'other', ISSUER),
  row('highAvailability.certManager.issuerKind', 'ClusterIssuer', ISSUER),
  row('highAvailability.certManager.issuerGroup', 'other.example.com', ISSUER),
  row('tls.existingSecretName', 'gate-tls'),
  row('service.type', 'NodePort'),
  row('service.port', 8443),
  row('service.nodePort', 30_443),
  row('service.annotations', MAP),
  row('persistence.size', '1Gi'),
  row('persistence.storageClassName', 'fast'),
  row('storage', { sqlite: { sync: 'FULL' } }),
  row('storageRef', 'main'),
  row('deletionPolicy', 'Delete'),
  row('paused', true),
  row('cluster', { auth: { replicas: 2 } }),
  row('roles', NAMED),
  row('users', NAMED),
  row('tokens', NAMED),
];

export const EFFECTS: Readonly<Record<Chart, readonly Effect[]>> = {
  'gatehouse-kube-agent': AGENT,
  'gatehouse-operator': OPERATOR,
  'gatehouse-cluster': CLUSTER,
};

/** Values that do nothing but be refused, and what the refusal says. */
export const REFUSED: readonly {
  readonly chart: Chart;
  readonly path: string;
  readonly value: unknown;
  readonly says: string;
}[] = [
  {
    chart: 'gatehouse-kube-agent',
    path: 'insecureSkipProxyTLSVerify',
    value: true,
    says: 'the proxy is always verified',
  },
];
