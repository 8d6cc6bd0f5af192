// The definitions of GatehouseCluster and GatehouseStorage, and the list of all. What their schemas cannot say is here:
// rules across fields, columns, and which fields Kubernetes checks more closely.
import * as s from '#core/schema/schema.ts';
import { CLUSTER, clusterSpec, clusterStatus } from './cluster.ts';
import { crdOf, type CrdManifest } from './crd.ts';
import { MIRRORS } from './mirror.ts';
import { openApiOf, type OpenApi, type Rule } from './openapi.ts';
import { STORAGE, storageSpec, storageStatus } from './storage.ts';

const NAME_STAYS: Rule = {
  rule: 'self == oldSelf',
  message: 'cannot be changed: every certificate of the cluster carries it; set up a new cluster instead',
};
const ONE_CERTIFICATE: Rule = {
  rule: 'has(self.secretName) != has(self.certManager)',
  message: 'give exactly one of secretName and certManager',
};
const NODE_PORT: Rule = {
  rule: "!has(self.nodePort) || !has(self.type) || self.type != 'ClusterIP'",
  message: 'nodePort is for the types NodePort and LoadBalancer',
};

const retention: OpenApi = {
  ...openApiOf(
    s.enumOf(['Delete', 'Retain'], {
      description: 'Whether the volumes with the state go with the object, or stay.',
    }),
    { defaults: false },
  ),
  default: 'Retain',
};

/** The definition of GatehouseCluster. */
export const CLUSTER_CRD: CrdManifest = crdOf({
  type: CLUSTER,
  description: 'A Gatehouse cluster: the auth service and the proxies.',
  shortNames: ['ghc'],
  spec: openApiOf(clusterSpec, {
    defaults: true,
    more: {
      clusterName: { 'x-kubernetes-validations': [NAME_STAYS] },
      'proxy.tls': { 'x-kubernetes-validations': [ONE_CERTIFICATE] },
      'proxy.service': { 'x-kubernetes-validations': [NODE_PORT] },
    },
  }),
  beside: { deletionPolicy: retention },
  status: clusterStatus,
  columns: [
    { name: 'Cluster', type: 'string', jsonPath: '.spec.clusterName' },
    { name: 'Version', type: 'string', jsonPath: '.status.version' },
  ],
  rules: [],
});

const inConfig = (field: string): Rule => ({
  rule: `!has(self.${field})`,
  message: `${field} holds a password: keep it in a Secret and point there with spec.credentials.${field}.secretKeyRef {name, key}`,
});
const text: OpenApi = { type: 'string', maxLength: 4096 };

/** The definition of GatehouseStorage. */
export const STORAGE_CRD: CrdManifest = crdOf({
  type: STORAGE,
  description: 'Where a Gatehouse cluster keeps its state and its audit log.',
  shortNames: ['ghs'],
  spec: openApiOf(storageSpec, {
    defaults: true,
    more: {
      '': { default: {} },
      config: {
        // Named so that the rules can see them: a rule knows no field that the schema does not.
        properties: { conn_string: text, change_feed_conn_string: text },
        'x-kubernetes-validations': [inConfig('conn_string'), inConfig('change_feed_conn_string')],
      },
    },
  }),
  beside: {},
  status: storageStatus,
  columns: [
    { name: 'Type', type: 'string', jsonPath: '.spec.type' },
    { name: 'Used By', type: 'integer', jsonPath: '.status.usedBy' },
  ],
  rules: [],
});

/** Every definition, in the order in which a person meets them. */
export const CRDS: readonly CrdManifest[] = [CLUSTER_CRD, STORAGE_CRD, ...MIRRORS.map(({ crd }) => crd)];
