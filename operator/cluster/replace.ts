// Which pod of a StatefulSet gives way to the revision that is wanted. Here and not left to Kubernetes, whose rolling update
// goes by ordinal: when the revision changes half-way it ends a pod that serves while another one does not.
import { isCode } from '#core/errors/error.ts';
import type { KubeObject } from '../kube/kube.ts';
import { PODS } from '../kube/object-types.ts';
import { REVISION_LABEL, selectorOf } from './names.ts';
import type { Step } from './upgrade.ts';
import type { Work } from './work.ts';

/** Ends at most one pod, and waits for nothing: the next look goes on. `set`: as the API server has it now. */
export async function replaceOne({ context, key, signal }: Work, step: Step, set: KubeObject): Promise<void> {
  const selector = selectorOf(key.name, step);
  const isOfStep = ({ metadata: { labels = {} } }: KubeObject): boolean =>
    Object.entries(selector).every(([label, value]) => labels[label] === value);
  const known = context.cache.list(PODS, key.namespace).filter(isOfStep);
  if (pickPod(set, known) === undefined) return;
  // The informers' copy may be behind by a pod that was ended a moment ago; that must not cost a second one.
  const labelSelector = Object.entries(selector)
    .map(([label, value]) => `${label}=${value}`)
    .join(',');
  const { items } = await context.kube.list(PODS, { namespace: key.namespace, labelSelector }, signal);
  const pod = pickPod(set, items);
  if (pod === undefined) return;
  const { name, uid } = pod.metadata;
  try {
    await context.kube.delete(PODS, { namespace: key.namespace, name }, { uid });
  } catch (error) {
    // Another pod of the name by now: its event is on the way.
    if (!isCode(error, 'CONDITION_FAILED')) throw error;
  }
}

/**
 * A pod of another revision than the StatefulSet's: one that does not serve at once, and one that serves only while all
 * the others do. Undefined: nothing to do, or not now.
 */
export function pickPod(set: KubeObject, all: readonly KubeObject[]): KubeObject | undefined {
  const uid = set.metadata.uid ?? '';
  const pods = all.filter(({ metadata }) =>
    (metadata.ownerReferences ?? []).some((owner) => owner.uid === uid),
  );
  if (pods.some(({ metadata }) => metadata.deletionTimestamp !== undefined)) return undefined;
  const revision = set.metadata.labels?.[REVISION_LABEL];
  const old = pods.filter(({ metadata }) => metadata.labels?.[REVISION_LABEL] !== revision);
  const idle = old.find((pod) => !isReady(pod));
  if (idle !== undefined) return idle;
  const { replicas = 1 } = set['spec'] as { replicas?: number };
  const { availableReplicas = 0 } = (set['status'] ?? {}) as { availableReplicas?: number };
  const doAllServe = pods.length >= replicas && pods.every(isReady) && availableReplicas >= replicas;
  return doAllServe ? old.sort((a, b) => ordinalOf(b) - ordinalOf(a))[0] : undefined;
}

function isReady(pod: KubeObject): boolean {
  const { conditions = [] } = (pod['status'] ?? {}) as { conditions?: { type: string; status: string }[] };
  return conditions.some(({ type, status }) => type === 'Ready' && status === 'True');
}

const ordinalOf = ({ metadata: { name } }: KubeObject): number =>
  Number(name.slice(name.lastIndexOf('-') + 1));
