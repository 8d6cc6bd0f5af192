// Everything that the operator may do in Kubernetes, with the reason for it. The chart's roles are written from this table
// and tests run the operator with exactly these rights, so a call that needs another one fails where it is written.
import { CLUSTER } from './crds/cluster.ts';
import { MIRRORS } from './crds/mirror.ts';
import { STORAGE } from './crds/storage.ts';

export interface PolicyRule {
  readonly apiGroups: readonly string[];
  readonly resources: readonly string[];
  readonly verbs: readonly string[];
  readonly resourceNames?: readonly string[];
}

export interface Right extends PolicyRule {
  readonly why: string;
  /**
   * `cluster`: things without a namespace. `watched`: in the namespaces whose objects it looks at, all or one. `own`: in
   * the namespace it runs in. `ending`: cluster-wide, where only one namespace is watched, and limited to that by an
   * admission policy.
   */
  readonly where: 'cluster' | 'watched' | 'own' | 'ending';
}

/** Stands in `resourceNames` for the name of the operator's own ServiceAccount, which its installer knows. */
export const OWN_SERVICE_ACCOUNT = 'OWN_SERVICE_ACCOUNT';

const OURS = [CLUSTER, STORAGE, ...MIRRORS.map(({ type }) => type)].map(({ plural }) => plural);
/** What it makes goes with its owner, by Kubernetes: it removes next to nothing itself. */
const MAKE = ['get', 'list', 'watch', 'create', 'patch'];

export const RIGHTS: readonly Right[] = [
  {
    where: 'watched',
    apiGroups: ['gatehouse.dev'],
    resources: OURS,
    verbs: ['list', 'watch', 'patch'],
    why: 'what it brings about; patch is for finalizers',
  },
  {
    where: 'watched',
    apiGroups: ['gatehouse.dev'],
    resources: OURS.map((plural) => `${plural}/status`),
    verbs: ['patch'],
    why: 'conditions',
  },
  {
    where: 'watched',
    apiGroups: ['gatehouse.dev'],
    resources: [`${CLUSTER.plural}/finalizers`],
    verbs: ['update'],
    why: 'what it makes is owned by a GatehouseCluster, whose end waits for it',
  },
  {
    where: 'watched',
    apiGroups: ['apps'],
    resources: ['statefulsets'],
    verbs: MAKE,
    why: 'auth and proxies run in them',
  },
  {
    where: 'watched',
    apiGroups: [''],
    resources: ['services', 'serviceaccounts'],
    verbs: MAKE,
    why: 'what auth and proxies are reached by, and known as',
  },
  {
    where: 'watched',
    apiGroups: [''],
    resources: ['configmaps'],
    verbs: [...MAKE, 'delete'],
    why: 'what auth and proxies are configured with; files of revisions that nobody goes back to are removed',
  },
  {
    where: 'watched',
    apiGroups: ['policy'],
    resources: ['poddisruptionbudgets'],
    verbs: MAKE,
    why: 'a drained node must not take the last auth or proxy',
  },
  {
    where: 'watched',
    apiGroups: [''],
    resources: ['pods'],
    verbs: ['list', 'watch', 'delete'],
    why: 'whether a new version starts, and why it does not; it ends old pods itself, one at a time, so that some always serve',
  },
  {
    where: 'watched',
    apiGroups: [''],
    resources: ['secrets'],
    verbs: ['get', 'list', 'watch'],
    why: 'values that objects of the same namespace refer to by name; it lists and watches metadata only, which Kubernetes cannot grant apart',
  },
  {
    where: 'watched',
    apiGroups: ['cert-manager.io'],
    resources: ['certificates'],
    verbs: ['get', 'create', 'patch'],
    why: 'the certificate of the public address, where cert-manager makes it',
  },
  {
    where: 'watched',
    apiGroups: [''],
    resources: ['events'],
    verbs: ['create', 'patch'],
    why: 'events about the objects',
  },
  {
    where: 'ending',
    apiGroups: ['gatehouse.dev'],
    resources: OURS,
    verbs: ['patch'],
    why: 'a namespace that is deleted loses the rights given in it before its objects, which wait for their finalizers',
  },
  {
    where: 'own',
    apiGroups: ['coordination.k8s.io'],
    resources: ['leases'],
    verbs: ['get', 'create', 'update'],
    why: 'of several operators one acts',
  },
  {
    where: 'own',
    apiGroups: [''],
    resources: ['serviceaccounts/token'],
    resourceNames: [OWN_SERVICE_ACCOUNT],
    verbs: ['create'],
    why: 'tokens for itself, each for one GatehouseCluster, with which it joins',
  },
  {
    where: 'cluster',
    apiGroups: [''],
    resources: ['namespaces'],
    resourceNames: ['kube-system'],
    verbs: ['get'],
    why: 'its uid tells this Kubernetes cluster from others in the mark of ownership',
  },
  {
    where: 'cluster',
    apiGroups: ['rbac.authorization.k8s.io'],
    resources: ['clusterrolebindings'],
    verbs: ['get', 'create', 'patch', 'delete'],
    why: 'auth asks the API server whether a ServiceAccount token is good; Kubernetes refuses bindings to roles other than the one below',
  },
  {
    where: 'cluster',
    apiGroups: ['rbac.authorization.k8s.io'],
    resources: ['clusterroles'],
    resourceNames: ['system:auth-delegator'],
    verbs: ['bind'],
    why: 'the only role it may give, and that only allows to ask',
  },
];

/** The rules of one place as they stand in a Role or ClusterRole. */
export function rulesOf(where: Right['where']): readonly PolicyRule[] {
  return RIGHTS.filter((right) => right.where === where).map(
    ({ apiGroups, resources, resourceNames, verbs }) => ({
      apiGroups,
      resources,
      ...(resourceNames === undefined ? {} : { resourceNames }),
      verbs,
    }),
  );
}
