// Keeps the status of a GatehouseStorage true: whether a cluster can use it, and how many do. It makes nothing itself; a
// cluster reads it. A storage that is in use stays until no cluster refers to it any more.
import { CLUSTER } from '../crds/cluster.ts';
import { parseStorageSpec, STORAGE } from '../crds/storage.ts';
import { covers } from '../cluster/apply.ts';
import { conditionsFor, conditionsOf, transitions, type Verdict } from '../cluster/conditions.ts';
import type { KubeObject, ObjectKey } from '../kube/kube.ts';
import type { Controller, OperatorContext, Outcome } from '../runtime/controller.ts';
import { storageProblem } from './checks.ts';

export const STORAGE_CONTROLLER = 'storage';
/** Without it a storage could go while a cluster that is restarted still has to be told where its state is. */
export const STORAGE_FINALIZER = 'gatehouse.dev/storage';

/** Made once per process. */
export function storageController(context: OperatorContext): Controller {
  return {
    name: STORAGE_CONTROLLER,
    type: STORAGE,
    related: [
      {
        type: CLUSTER,
        keysOf({ metadata: { namespace } }, cache) {
          // All of the namespace, because a cluster that names another one now has left one.
          return cache.list(STORAGE, namespace).map(({ metadata: { name } }) => ({ namespace, name }));
        },
      },
    ],
    reconcile: (key, object) => reconcile(context, key, object),
  };
}

async function reconcile(
  context: OperatorContext,
  key: ObjectKey,
  object: KubeObject | undefined,
): Promise<Outcome> {
  if (object === undefined) return {};
  const users = usersOf(context, key);
  const isGoing = object.metadata.deletionTimestamp !== undefined;
  if (isGoing && users.length === 0) {
    await setFinalizer(context, key, object, false);
    return {};
  }
  const current = isGoing ? object : await setFinalizer(context, key, object, true);
  await tell(context, key, current, users);
  return {};
}

/** Names of the clusters that refer to it. */
function usersOf({ cache }: OperatorContext, { namespace, name }: ObjectKey): readonly string[] {
  return cache
    .list(CLUSTER, namespace)
    .filter((cluster) => {
      const { storageRef } = (cluster['spec'] ?? {}) as { storageRef?: { name?: string } };
      return storageRef?.name === name;
    })
    .map(({ metadata }) => metadata.name)
    .sort();
}

async function setFinalizer(
  { kube }: OperatorContext,
  key: ObjectKey,
  object: KubeObject,
  isWanted: boolean,
): Promise<KubeObject> {
  const { finalizers = [], resourceVersion } = object.metadata;
  if (finalizers.includes(STORAGE_FINALIZER) === isWanted) return object;
  const others = finalizers.filter((finalizer) => finalizer !== STORAGE_FINALIZER);
  const next = isWanted ? [...others, STORAGE_FINALIZER] : others;
  return kube.patch(STORAGE, key, { metadata: { finalizers: next, resourceVersion } });
}

async function tell(
  context: OperatorContext,
  key: ObjectKey,
  object: KubeObject,
  users: readonly string[],
): Promise<void> {
  const conditions = conditionsFor(object, verdictsOf(object, users), context.clock.now());
  const status = { conditions, observedGeneration: object.metadata.generation ?? 0, usedBy: users.length };
  const before = conditionsOf(object);
  if (covers(object['status'], status) && before.length === conditions.length) return;
  const { apiVersion, kind } = object;
  const { name, namespace = '' } = key;
  await context.kube.applyStatus(
    { apiVersion, kind, metadata: { name, namespace }, status },
    { force: true },
  );
  for (const { type, status: value, reason, message } of transitions(before, conditions)) {
    if (type === 'Stalled') continue;
    context.record(object, { type: value === 'True' ? 'Normal' : 'Warning', reason, message });
  }
}

function verdictsOf(object: KubeObject, users: readonly string[]): readonly Verdict[] {
  const verdict = (type: string, status: 'True' | 'False', reason: string, message: string): Verdict => ({
    type,
    status,
    reason,
    message,
  });
  const problem = storageProblem(parseStorageSpec(object['spec']));
  if (problem !== undefined) {
    const { reason, message } = problem;
    return [verdict('Ready', 'False', reason, message), verdict('Stalled', 'True', reason, message)];
  }
  if (object.metadata.deletionTimestamp !== undefined) {
    const message = `it is used by ${users.join(', ')}; it goes when no GatehouseCluster refers to it`;
    return [verdict('Ready', 'True', 'InUse', message)];
  }
  return [
    verdict(
      'Ready',
      'True',
      'Valid',
      users.length === 0 ? 'no cluster uses it' : `used by ${users.join(', ')}`,
    ),
  ];
}
