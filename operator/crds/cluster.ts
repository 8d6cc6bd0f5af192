// GatehouseCluster: a whole Gatehouse cluster, its auth and proxy pods and what they need. The schema that the CRD, the
// reconciler and the reference page are made from.
import { clusterNameFormat } from '#core/cluster-settings.ts';
import { check, type Checked } from '#core/schema/check.ts';
import * as s from '#core/schema/schema.ts';
import { annotations, nameRef, objectName, ownType, podKnobs } from './fields.ts';

/** `GatehouseCluster`. */
export const CLUSTER = ownType('GatehouseCluster', 'gatehouseclusters');

/** Of most sessions the rest; upgrades wait for it. */
const DRAIN_SECONDS = 300;
const PORT = { min: 1, max: 65_535 };
const secretName = s.string({
  minLength: 1,
  maxLength: 253,
  format: objectName,
  description: 'A TLS Secret of this namespace.',
});

const image = s.object(
  {
    repository: s.optional(
      s.string({ minLength: 1, maxLength: 1024, description: "Default: the operator's own image." }),
    ),
    tag: s.optional(s.string({ minLength: 1, maxLength: 128, description: 'Default: the version.' })),
    pullPolicy: s.withDefault(s.enumOf(['IfNotPresent', 'Always', 'Never']), 'IfNotPresent'),
    pullSecrets: s.withDefault(
      s.list(nameRef('A Secret that opens the registry.'), { max: 16, description: 'For the registry.' }),
      [],
    ),
  },
  { description: 'Which image the pods run.' },
);

const auth = s.object(
  {
    replicas: s.withDefault(
      s.integer({ max: 16, description: 'More than one needs a storage that several servers can share.' }),
      1,
    ),
    ...podKnobs,
  },
  { description: 'The pods of the auth service.' },
);

const service = s.object(
  {
    type: s.withDefault(s.enumOf(['LoadBalancer', 'NodePort', 'ClusterIP']), 'LoadBalancer'),
    annotations: annotations('Annotations of the Service, such as those of a load balancer.'),
    port: s.withDefault(s.integer({ ...PORT, description: 'Port of the Service.' }), 443),
    nodePort: s.optional(s.integer({ ...PORT, description: 'Port of the nodes; chosen when left out.' })),
  },
  { description: 'How the proxies are reached.' },
);

const certManager = s.object(
  {
    issuerRef: s.object({
      name: s.string({ minLength: 1, maxLength: 253, description: 'Name of the issuer.' }),
      kind: s.withDefault(s.enumOf(['Issuer', 'ClusterIssuer']), 'Issuer'),
      group: s.withDefault(s.string({ minLength: 1, maxLength: 253 }), 'cert-manager.io'),
    }),
  },
  { description: 'A certificate of cert-manager is asked for.' },
);

const proxy = s.object(
  {
    replicas: s.withDefault(s.integer({ max: 64, description: 'How many proxies.' }), 2),
    service: s.withDefault(service, { type: 'LoadBalancer', port: 443 }),
    drainSeconds: s.withDefault(
      s.integer({
        max: 86_400,
        description:
          'How long sessions through a proxy that is replaced may go on before they are cut; it ends as soon as there are none.',
      }),
      DRAIN_SECONDS,
    ),
    tls: s.optional(
      s.object(
        { secretName: s.optional(secretName), certManager: s.optional(certManager) },
        {
          description:
            'The certificate of the public address: one of the two. Without it the proxies show a certificate of the cluster, which browsers do not know.',
        },
      ),
    ),
    ...podKnobs,
  },
  { description: 'The pods of the proxy.' },
);

const upgrade = s.object(
  {
    timeoutSeconds: s.withDefault(
      s.integer({
        min: 30,
        max: 86_400,
        description: 'How long the pods of a step may take until they are ready.',
      }),
      600,
    ),
    rollback: s.withDefault(
      s.boolean({ description: 'A step that fails goes back to the last good revision.' }),
      true,
    ),
  },
  { description: 'How a new version or configuration is brought in: auth first, then the proxies.' },
);

/** The `spec` of a GatehouseCluster. */
export const clusterSpec = s.object({
  clusterName: s.string({
    maxLength: 190,
    format: clusterNameFormat,
    description: 'The name of the cluster. It is in every certificate, so it cannot be changed.',
  }),
  publicAddress: s.string({
    minLength: 1,
    maxLength: 512,
    description: 'Where people and agents reach the proxy: host or host:port. Default port: 443.',
  }),
  version: s.optional(
    s.string({ minLength: 1, maxLength: 128, description: "Version to run. Default: the operator's own." }),
  ),
  image: s.withDefault(image, { pullPolicy: 'IfNotPresent', pullSecrets: [] }),
  storageRef: s.optional(
    nameRef(
      'The GatehouseStorage that says where the state is kept. Without it: SQLite on a volume of 10Gi.',
    ),
  ),
  authentication: s.optional(
    s.map(s.json(), {
      max: 64,
      description: 'How users prove who they are, as auth_service.authentication of the config file.',
    }),
  ),
  auth: s.withDefault(auth, { replicas: 1 }),
  proxy: s.withDefault(proxy, {
    replicas: 2,
    service: { type: 'LoadBalancer', port: 443 },
    drainSeconds: DRAIN_SECONDS,
  }),
  upgrade: s.withDefault(upgrade, { timeoutSeconds: 600, rollback: true }),
});

export type ClusterSpec = s.Infer<typeof clusterSpec>;

/** Checks the `spec` of an object, with defaults filled in. Paths of problems start below `spec`. */
export const parseClusterSpec = (spec: unknown): Checked<ClusterSpec> => check(clusterSpec, spec);

/** The `status` of a GatehouseCluster beside `conditions` and `observedGeneration`, as the operator writes it. */
export const clusterStatus = {
  version: s.optional(s.string({ maxLength: 128, description: 'The version that runs.' })),
  revision: s.optional(s.string({ maxLength: 128, description: 'What is being rolled out.' })),
  lastGoodRevision: s.optional(s.string({ maxLength: 128, description: 'What a failed step goes back to.' })),
  auth: s.optional(pods('The pods of the auth service.')),
  proxy: s.optional(pods('The pods of the proxy.')),
  caPins: s.optional(
    s.list(s.string({ maxLength: 256 }), { max: 16, description: 'Pins of the host authority, for agents.' }),
  ),
  publicAddress: s.optional(s.string({ maxLength: 512, description: 'Where the proxies are reached.' })),
};

function pods(description: string) {
  return s.object(
    {
      replicas: s.optional(s.integer({ description: 'How many there should be.' })),
      ready: s.optional(s.integer({ description: 'How many serve.' })),
    },
    { description },
  );
}
