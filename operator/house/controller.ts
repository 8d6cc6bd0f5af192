// Keeps the operator a member of each GatehouseCluster that is there. A controller of its own, so that neither the mirrors
// nor the reconciler of clusters has to.
import { isOurs } from '../cluster/apply.ts';
import { isOfAnother } from '../cluster/claim.ts';
import { INSTANCE_LABEL, MANAGED, stepName } from '../cluster/names.ts';
import { CLUSTER } from '../crds/cluster.ts';
import type { KubeObject } from '../kube/kube.ts';
import { SERVICES } from '../kube/object-types.ts';
import type { Controller, OperatorContext } from '../runtime/controller.ts';
import type { Houses } from './houses.ts';

export const HOUSE_CONTROLLER = 'house';

/**
 * Nobody is spoken to before the operator itself has made the Service of auth for this object: a name that somebody else
 * has, or that no Service can have, would lead to somebody else. The houses stay the caller's to close.
 */
export function houseController(
  { cache, operator }: Pick<OperatorContext, 'cache' | 'operator'>,
  houses: Houses,
): Controller {
  const hasService = ({ metadata: { namespace, name, uid = '' } }: KubeObject): boolean => {
    const service = cache.get(SERVICES, { namespace, name: stepName(name, 'auth') });
    return service !== undefined && isOurs(service, SERVICES, uid);
  };
  return {
    name: HOUSE_CONTROLLER,
    type: CLUSTER,
    related: [
      {
        type: SERVICES,
        selection: { labelSelector: MANAGED },
        keysOf({ metadata: { namespace, labels } }) {
          const name = labels?.[INSTANCE_LABEL];
          return name === undefined ? [] : [{ namespace, name }];
        },
      },
    ],
    async reconcile(key, cluster) {
      const isStaying =
        cluster !== undefined &&
        cluster.metadata.deletionTimestamp === undefined &&
        !isOfAnother(cluster, operator.namespace) &&
        hasService(cluster);
      await (isStaying ? houses.open(cluster) : houses.leave(key));
      return {};
    },
  };
}
