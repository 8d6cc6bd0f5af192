// Values as different people write them. Each is rendered, and taken by a real API server; the first few are kept as golden
// renders.
import type { Chart, RenderSetup, Values } from './render.ts';

export interface Case {
  readonly name: string;
  readonly chart: Chart;
  readonly values: Values;
  readonly setup: RenderSetup;
}

const PIN = `sha256:${'7e'.repeat(32)}`;
const SYSTEM: RenderSetup = { release: 'gatehouse-operator', namespace: 'gatehouse-system' };
const APPS: RenderSetup = { release: 'agent', namespace: 'apps' };
const ACCESS: RenderSetup = { release: 'gate', namespace: 'access' };

export const GOLDEN: readonly Case[] = [
  {
    name: 'agent-of-the-documents',
    chart: 'gatehouse-kube-agent',
    setup: { release: 'teleport-kube-agent', namespace: 'teleport-agent' },
    values: {
      authToken: 'abcd123-insecure-do-not-use-this',
      proxyAddr: 'example.teleport.sh:443',
      roles: 'app',
      apps: [{ name: 'awsconsole', uri: 'https://console.aws.amazon.com/ec2/v2/home' }],
    },
  },
  {
    name: 'agent-without-secret',
    chart: 'gatehouse-kube-agent',
    setup: APPS,
    values: {
      proxyAddr: 'gate.example.com:443',
      roles: 'node',
      caPin: [PIN],
      labels: { env: 'prod' },
      highAvailability: { replicaCount: 2, podDisruptionBudget: { enabled: true } },
      storage: { enabled: true },
      serviceAccount: {
        annotations: { 'eks.amazonaws.com/role-arn': 'arn:aws:iam::123456789012:role/agent' },
      },
    },
  },
  {
    name: 'operator-of-one-namespace',
    chart: 'gatehouse-operator',
    setup: SYSTEM,
    values: { watchNamespace: 'access', crds: { install: false }, replicaCount: 2 },
  },
  {
    name: 'cluster',
    chart: 'gatehouse-cluster',
    setup: ACCESS,
    values: {
      clusterName: 'gate.example.com',
      tls: { existingSecretName: 'gate-tls' },
      roles: [
        { name: 'access', spec: { allow: { logins: ['{{internal.logins}}'], node_labels: { '*': '*' } } } },
      ],
      users: [{ name: 'joe@example.com', spec: { roles: ['access'], traits: { logins: ['joe'] } } }],
    },
  },
];

const POD_KNOBS: Values = {
  imagePullSecrets: [{ name: 'registry' }],
  extraArgs: ['--debug'],
  extraEnv: [{ name: 'HTTPS_PROXY', value: 'http://proxy.example.com:3128' }],
  extraVolumes: [{ name: 'extra', emptyDir: { sizeLimit: '1Mi' } }],
  extraVolumeMounts: [{ name: 'extra', mountPath: '/extra' }],
  resources: { limits: { memory: '256Mi' } },
  nodeSelector: { 'kubernetes.io/os': 'linux' },
  tolerations: [{ key: 'dedicated', operator: 'Equal', value: 'access', effect: 'NoSchedule' }],
  affinity: {
    nodeAffinity: {
      requiredDuringSchedulingIgnoredDuringExecution: {
        nodeSelectorTerms: [{ matchExpressions: [{ key: 'arch', operator: 'Exists' }] }],
      },
    },
  },
  topologySpreadConstraints: [
    {
      maxSkew: 1,
      topologyKey: 'zone',
      whenUnsatisfiable: 'ScheduleAnyway',
      labelSelector: { matchLabels: { a: 'b' } },
    },
  ],
};

export const MATRIX: readonly Case[] = [
  ...GOLDEN,
  {
    name: 'operator',
    chart: 'gatehouse-operator',
    setup: SYSTEM,
    values: { podDisruptionBudget: { enabled: true } },
  },
  {
    name: 'operator with all knobs',
    chart: 'gatehouse-operator',
    setup: SYSTEM,
    values: { ...POD_KNOBS, crds: { install: false } },
  },
  {
    name: 'agent with all knobs',
    chart: 'gatehouse-kube-agent',
    setup: APPS,
    values: {
      ...POD_KNOBS,
      proxyAddr: 'gate.example.com:443',
      roles: ['app', 'db', 'node', 'kube'],
      authToken: 'a-token-of-some-length',
      kubeClusterName: 'eks-1',
      apps: [{ name: 'grafana', uri: 'http://grafana.monitoring:3000' }],
      databases: [{ name: 'aurora', protocol: 'postgres', uri: 'aurora.example.com:5432' }],
      awsDatabases: [{ types: ['rds'], regions: ['eu-central-1'] }],
      tls: { existingCASecretName: 'ca' },
      initContainers: [{ name: 'wait', image: 'busybox', command: ['true'] }],
      dnsPolicy: 'None',
      dnsConfig: { nameservers: ['192.0.2.53'] },
      hostAliases: [{ ip: '192.0.2.1', hostnames: ['gate.example.com'] }],
      annotations: { config: { a: 'b' }, deployment: { a: 'b' }, pod: { a: 'b' }, secret: { a: 'b' } },
      extraLabels: { config: { a: 'b' }, deployment: { a: 'b' }, pod: { a: 'b' }, role: { a: 'b' } },
    },
  },
  {
    name: 'agents far apart',
    chart: 'gatehouse-kube-agent',
    setup: APPS,
    values: {
      proxyAddr: 'gate.example.com:443',
      roles: 'node',
      highAvailability: { replicaCount: 3, requireAntiAffinity: true },
    },
  },
  {
    name: 'cluster with all values',
    chart: 'gatehouse-cluster',
    setup: ACCESS,
    values: {
      clusterName: 'gate.example.com',
      publicAddr: 'gate.example.com:8443',
      version: '0.1.0',
      image: { repository: 'registry.example.com/gatehouse', pullSecrets: [{ name: 'registry' }] },
      authentication: { second_factor: 'otp' },
      highAvailability: {
        certManager: { enabled: true, issuerName: 'letsencrypt', issuerKind: 'ClusterIssuer' },
      },
      service: { type: 'NodePort', nodePort: 30_443, annotations: { a: 'b' } },
      persistence: { size: '50Gi', storageClassName: 'fast' },
      storage: { sqlite: { sync: 'FULL' } },
      deletionPolicy: 'Delete',
      paused: true,
      cluster: { auth: { resources: { requests: { cpu: '1' } } } },
      roles: [{ name: 'Auditor', description: 'Looks on', labels: { team: 'a' }, spec: { allow: {} } }],
      tokens: [
        {
          name: 'agents',
          spec: {
            roles: ['node'],
            join_method: 'kubernetes',
            kubernetes: { type: 'in_cluster', allow: [{ service_account: 'apps:agent' }] },
          },
        },
        {
          name: 'secret',
          nameFrom: { secretKeyRef: { name: 'join', key: 'token' } },
          spec: { roles: ['node'] },
        },
      ],
    },
  },
];
