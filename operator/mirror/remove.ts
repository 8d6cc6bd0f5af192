// The end of an object: what it made goes, or is left to nobody, before the object itself may go. A cluster that is gone,
// or going, has nothing left to remove; one that cannot be reached is waited for.
import { isOfAnother } from '../cluster/claim.ts';
import { CLUSTER } from '../crds/cluster.ts';
import type { ObjectKey } from '../kube/kube.ts';
import { keyOf, keyText } from '../kube/object-types.ts';
import { refused, ownedBy, type Found, type Look } from './mirrored.ts';
import { statusOf } from './status.ts';
import { freeResource, removeResource } from './write.ts';

/** `done`: nothing keeps the object any more. */
export async function removeMade(look: Omit<Look, 'hold'>): Promise<'done' | Found> {
  const { envelope, houses } = look;
  const hasSpecSecrets = envelope.secretRefs.some(({ path }) => path[0] === 'spec');
  for (const key of clustersOf(look)) {
    const connection = houses.connection(key);
    const interest = { cluster: keyText(key), resources: [], isWaiting: true };
    if (connection.state === 'connecting') {
      const message = `cannot remove the resource yet: ${connection.message}`;
      return { finding: { is: 'waiting', reason: 'ClusterUnreachable', message }, interest };
    }
    try {
      for (const resource of ownedBy(connection.copy, look.kind, look.owner)) {
        if (!envelope.isRetained) await removeResource(connection.api, resource, look.owner.id);
        // Written back without its secrets, it would lose them: then the mark stays.
        else if (!hasSpecSecrets) await freeResource(connection.api, resource);
      }
    } catch (error) {
      return { ...refused(look, error), interest };
    }
  }
  return 'done';
}

/** Whether no cluster is left, or stays, in which it could have made something. */
export const hasNothingLeft = (look: Omit<Look, 'hold'>): boolean => clustersOf(look).length === 0;

/** Where this operator may have made something: the cluster it names or was last written to, else all of the namespace. */
function clustersOf({ context, object, envelope }: Omit<Look, 'hold'>): readonly ObjectKey[] {
  const { namespace } = object.metadata;
  const named = envelope.clusterName ?? statusOf(object).cluster;
  return context.cache
    .list(CLUSTER, namespace)
    .filter(({ metadata }) => metadata.deletionTimestamp === undefined)
    .filter((cluster) => !isOfAnother(cluster, context.operator.namespace))
    .filter(({ metadata }) => named === undefined || metadata.name === named)
    .map(keyOf);
}
