// A plan of a GatehouseCluster for tests of builders: small, or with everything a person can set.
import type { ClusterPlan } from '#operator/cluster/plan.ts';
import { parseClusterSpec, type ClusterSpec } from '#operator/crds/cluster.ts';
import { parseStorageSpec } from '#operator/crds/storage.ts';
import { clusterObject, NAMESPACE, OPERATOR, PIN } from './cluster-bench.ts';

export function samplePlan(
  spec: Readonly<Record<string, unknown>> = {},
  more: Partial<ClusterPlan> = {},
): ClusterPlan {
  const object = clusterObject(spec);
  const storage = parseStorageSpec({});
  if (!storage.ok) throw new Error('the storage of the sample is wrong');
  return {
    key: { namespace: NAMESPACE, name: 'main' },
    object: { ...object, metadata: { ...object.metadata, uid: '11111111-2222-4333-8444-555555555555' } },
    spec: parsed(object['spec']),
    storage: storage.value,
    volume: storage.value.sqlite.volume,
    version: OPERATOR.version,
    image: `registry.test/gatehouse:${OPERATOR.version}`,
    publicAddress: 'gate.example.com:443',
    deletesVolumes: false,
    operatorAccount: `${OPERATOR.namespace}:${OPERATOR.serviceAccount}`,
    caPins: [PIN],
    ...more,
  };
}

function parsed(spec: unknown): ClusterSpec {
  const checked = parseClusterSpec(spec);
  if (checked.ok) return checked.value;
  throw new Error(`the spec of the sample is wrong: ${JSON.stringify(checked.problems)}`);
}

/** Every knob there is. */
export const FULL_SPEC = {
  version: '0.2.0',
  image: { repository: 'r.test/g', tag: 'x', pullPolicy: 'Always', pullSecrets: [{ name: 'pull' }] },
  authentication: { second_factor: 'otp', locking_mode: 'strict' },
  auth: {
    config: { gatehouse: { log: { severity: 'DEBUG' } }, auth_service: { client_idle_timeout: '30m' } },
    serviceAccount: { annotations: { 'eks.amazonaws.com/role-arn': 'arn:aws:iam::1:role/auth' } },
    resources: { requests: { cpu: '1000m', memory: '1Gi' }, limits: { memory: '2Gi' } },
    nodeSelector: { pool: 'access' },
    tolerations: [{ key: 'dedicated', operator: 'Equal', value: 'access', effect: 'NoSchedule' }],
    priorityClassName: 'system-cluster-critical',
    podAnnotations: { 'prometheus.io/scrape': 'true' },
    podLabels: { team: 'platform', 'app.kubernetes.io/instance': 'not-theirs-to-set' },
    env: [{ name: 'HTTPS_PROXY', value: 'http://proxy.test:3128' }],
    extraVolumes: [{ name: 'ca', configMap: { name: 'corporate-ca' } }],
    extraVolumeMounts: [{ name: 'ca', mountPath: '/etc/ssl/corporate', readOnly: true }],
  },
  proxy: {
    replicas: 3,
    service: { type: 'NodePort', annotations: { a: 'b' }, port: 8443, nodePort: 30_443 },
    affinity: {
      podAntiAffinity: {
        preferredDuringSchedulingIgnoredDuringExecution: [
          {
            weight: 100,
            podAffinityTerm: {
              topologyKey: 'topology.kubernetes.io/zone',
              labelSelector: { matchLabels: { a: 'b' } },
            },
          },
        ],
      },
    },
    topologySpreadConstraints: [
      {
        maxSkew: 1,
        topologyKey: 'topology.kubernetes.io/zone',
        whenUnsatisfiable: 'DoNotSchedule',
        labelSelector: { matchLabels: { a: 'b' } },
      },
    ],
  },
};
