// The types of object that come with Kubernetes and that the operator handles, and how an object's own words lead to its
// type. In one file so that a plural is written once; types of custom resources are added by who makes them.
import { GatehouseError } from '#core/errors/error.ts';
import type { KubeObject, ObjectKey, ObjectType } from './kube.ts';

function type(group: string, version: string, kind: string, plural: string, isNamespaced = true): ObjectType {
  return { group, version, kind, plural, isNamespaced };
}

export const NAMESPACES = type('', 'v1', 'Namespace', 'namespaces', false);
export const PODS = type('', 'v1', 'Pod', 'pods');
export const SERVICES = type('', 'v1', 'Service', 'services');
export const CONFIG_MAPS = type('', 'v1', 'ConfigMap', 'configmaps');
export const SECRETS = type('', 'v1', 'Secret', 'secrets');
export const SERVICE_ACCOUNTS = type('', 'v1', 'ServiceAccount', 'serviceaccounts');
export const VOLUME_CLAIMS = type('', 'v1', 'PersistentVolumeClaim', 'persistentvolumeclaims');
export const EVENTS = type('', 'v1', 'Event', 'events');
export const STATEFUL_SETS = type('apps', 'v1', 'StatefulSet', 'statefulsets');
export const DISRUPTION_BUDGETS = type('policy', 'v1', 'PodDisruptionBudget', 'poddisruptionbudgets');
export const LEASES = type('coordination.k8s.io', 'v1', 'Lease', 'leases');
export const CRDS = type(
  'apiextensions.k8s.io',
  'v1',
  'CustomResourceDefinition',
  'customresourcedefinitions',
  false,
);
export const ROLE_BINDINGS = type('rbac.authorization.k8s.io', 'v1', 'RoleBinding', 'rolebindings');
export const CLUSTER_ROLE_BINDINGS = type(
  'rbac.authorization.k8s.io',
  'v1',
  'ClusterRoleBinding',
  'clusterrolebindings',
  false,
);
export const CERTIFICATES = type('cert-manager.io', 'v1', 'Certificate', 'certificates');

/** All of the above. */
export const BUILT_IN_TYPES: readonly ObjectType[] = [
  NAMESPACES,
  PODS,
  SERVICES,
  CONFIG_MAPS,
  SECRETS,
  SERVICE_ACCOUNTS,
  VOLUME_CLAIMS,
  EVENTS,
  STATEFUL_SETS,
  DISRUPTION_BUDGETS,
  LEASES,
  CRDS,
  ROLE_BINDINGS,
  CLUSTER_ROLE_BINDINGS,
  CERTIFICATES,
];

/** `apps/v1`; `v1` for the core. */
export function apiVersionOf({ group, version }: ObjectType): string {
  return group === '' ? version : `${group}/${version}`;
}

export const keyOf = ({ metadata: { namespace, name } }: KubeObject): ObjectKey => ({ namespace, name });

/** One text per key: `namespace/name`. */
export const keyText = ({ namespace = '', name }: ObjectKey): string => `${namespace}/${name}`;

/** One text per type: `apps/v1/StatefulSet`. */
export function typeKey(of: ObjectType): string {
  return `${apiVersionOf(of)}/${of.kind}`;
}

export type TypeOf = (object: Pick<KubeObject, 'apiVersion' | 'kind'>) => ObjectType;

/** From the words of an object to its type, among those built in and `types`. INTERNAL when it is none of them. */
export function typeTable(types: readonly ObjectType[]): TypeOf {
  const table = new Map([...BUILT_IN_TYPES, ...types].map((one) => [typeKey(one), one]));
  return ({ apiVersion, kind }) => {
    const found = table.get(`${apiVersion}/${kind}`);
    if (found !== undefined) return found;
    throw new GatehouseError('INTERNAL', `the operator has no type of object for ${apiVersion} ${kind}`);
  };
}
