// What the objects of a cluster are called and marked with. One place, because services, pods, tokens and the operator's
// own connection to auth have to agree on them.
import type { ObjectKey, OwnerReference, KubeObject } from '../kube/kube.ts';
import type { Step } from './upgrade.ts';

export const MANAGER = 'gatehouse-operator';
/** Selects everything the operator made for clusters. */
export const MANAGED = `app.kubernetes.io/managed-by=${MANAGER}`;

export const INSTANCE_LABEL = 'app.kubernetes.io/instance';
export const COMPONENT_LABEL = 'app.kubernetes.io/component';
export const REVISION_LABEL = 'gatehouse.dev/revision';
/** Digest of an object as it was rendered, so that an unchanged one costs no call. */
export const RENDERED_ANNOTATION = 'gatehouse.dev/rendered';
export const PAUSED_ANNOTATION = 'gatehouse.dev/paused';
/** Another value tries again what has failed. */
export const RETRY_ANNOTATION = 'gatehouse.dev/retry';
export const CLUSTER_FINALIZER = 'gatehouse.dev/cluster';

export const AUTH_PORT = 3025;
export const WEB_PORT = 3080;
export const DIAG_PORT = 3000;
/** The user and group of all pods; the image has it. */
export const USER_ID = 65_532;

/** Longer ones make names of pods and their labels too long for Kubernetes. */
export const MAX_CLUSTER_NAME = 40;

export const stepName = (cluster: string, step: Step): string => `${cluster}-${step}`;
export const headlessName = (cluster: string, step: Step): string => `${cluster}-${step}-headless`;
/** Where the operator remembers revisions. */
export const memoryName = (cluster: string): string => `${cluster}-good`;
export const certificateName = (cluster: string): string => `${cluster}-proxy`;
export const certificateSecretName = (cluster: string): string => `${cluster}-proxy-tls`;

/** Of a cluster-scoped object, so both names are in it; neither can hold a colon. */
export const delegatorName = ({ namespace, name }: ObjectKey): string =>
  `gatehouse:${namespace ?? ''}:${name}:auth-delegator`;

/** Names of token resources; for method kubernetes they are no secret. */
export const operatorTokenName = (cluster: string): string => `${cluster}-operator`;
export const proxyTokenName = (cluster: string): string => `${cluster}-proxy`;

/** `host:port` under which auth is reached in the cluster. */
export const authAddress = ({ namespace, name }: ObjectKey): string =>
  `${stepName(name, 'auth')}.${namespace ?? ''}.svc:${AUTH_PORT}`;

export function labelsOf(cluster: string, step?: Step): Readonly<Record<string, string>> {
  return {
    'app.kubernetes.io/name': 'gatehouse',
    [INSTANCE_LABEL]: cluster,
    ...(step === undefined ? {} : { [COMPONENT_LABEL]: step }),
    'app.kubernetes.io/managed-by': MANAGER,
  };
}

/** What selects the pods of a step, and never changes. */
export function selectorOf(cluster: string, step: Step): Readonly<Record<string, string>> {
  return { 'app.kubernetes.io/name': 'gatehouse', [INSTANCE_LABEL]: cluster, [COMPONENT_LABEL]: step };
}

export function ownerOf(cluster: KubeObject): OwnerReference {
  return {
    apiVersion: cluster.apiVersion,
    kind: cluster.kind,
    name: cluster.metadata.name,
    uid: cluster.metadata.uid ?? '',
    controller: true,
    blockOwnerDeletion: true,
  };
}
