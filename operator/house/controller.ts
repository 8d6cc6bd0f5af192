// Keeps the operator a member of each GatehouseCluster that is there. A controller of its own, so that neither the mirrors
// nor the reconciler of clusters has to.
import { isOfAnother } from '../cluster/claim.ts';
import type { ObjectType } from '../kube/kube.ts';
import type { Controller } from '../runtime/controller.ts';
import type { Houses } from './houses.ts';

export const HOUSE_CONTROLLER = 'house';

/**
 * `type` is that of GatehouseCluster, `operatorNamespace` says which of them are other operators'. The houses stay the
 * caller's to close.
 */
export function houseController(type: ObjectType, houses: Houses, operatorNamespace: string): Controller {
  return {
    name: HOUSE_CONTROLLER,
    type,
    async reconcile(key, cluster) {
      const isStaying =
        cluster !== undefined &&
        cluster.metadata.deletionTimestamp === undefined &&
        !isOfAnother(cluster, operatorNamespace);
      await (isStaying ? houses.open(cluster) : houses.leave(key));
      return {};
    },
  };
}
