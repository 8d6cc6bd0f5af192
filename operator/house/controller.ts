// Keeps the operator a member of each GatehouseCluster that is there. A controller of its own, so that neither the mirrors
// nor the reconciler of clusters has to.
import type { ObjectType } from '../kube/kube.ts';
import type { Controller } from '../runtime/controller.ts';
import type { Houses } from './houses.ts';

export const HOUSE_CONTROLLER = 'house';

/** `type` is that of GatehouseCluster. The houses stay the caller's to close. */
export function houseController(type: ObjectType, houses: Houses): Controller {
  return {
    name: HOUSE_CONTROLLER,
    type,
    async reconcile(key, cluster) {
      const isStaying = cluster !== undefined && cluster.metadata.deletionTimestamp === undefined;
      await (isStaying ? houses.open(cluster) : houses.leave(key));
      return {};
    },
  };
}
