// One look at one cluster, as the parts of a reconcile hand it on, and how they apply an object of it.
import type { KubeObject } from '../kube/kube.ts';
import { typeTable } from '../kube/object-types.ts';
import type { OperatorContext } from '../runtime/controller.ts';
import { bringAbout } from './apply.ts';
import type { ClusterKey, Gathering } from './gather.ts';

export interface Work {
  readonly context: OperatorContext;
  readonly key: ClusterKey;
  /** The GatehouseCluster. */
  readonly object: KubeObject;
  readonly gathering: Gathering;
  readonly signal: AbortSignal;
}

const typeOf = typeTable([]);
/** Types of which the informers have all that is ours. */
const CACHED: ReadonlySet<string> = new Set([
  'ConfigMap',
  'Service',
  'ServiceAccount',
  'PodDisruptionBudget',
]);

/** `live`: as the API server has it now, when somebody has just asked. Result and errors are those of bringAbout. */
export async function applyOwn(work: Work, object: KubeObject, live?: KubeObject): Promise<KubeObject> {
  const { context, object: owner, signal } = work;
  const { kube, cache } = context;
  const type = typeOf(object);
  const { namespace, name } = object.metadata;
  const cached = CACHED.has(type.kind) ? cache.get(type, { namespace, name }) : 'unknown';
  return bringAbout(object, { kube, type, seen: live ?? cached, ownerUid: owner.metadata.uid ?? '', signal });
}
