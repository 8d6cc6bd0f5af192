// For whom the operator's tokens are. Apart because the token resource that lets it join (operator/cluster) and the
// request for such a token (here) must say the same.
import type { ObjectKey } from '../kube/kube.ts';

/**
 * The audience of the ServiceAccount token with which the operator joins the Gatehouse cluster that this
 * GatehouseCluster makes. Not the cluster's name: that is free text of whoever writes the object, and a token for a
 * name could be taken by one cluster and used at another that has the same. Namespace and name cannot be taken.
 */
export function operatorAudience({ namespace = '', name }: ObjectKey): string {
  return `gatehouse.dev/${namespace}/${name}`;
}
