// Which GatehouseCluster an object belongs to: always one of its own namespace. Pure.
import { isOfAnother } from '../cluster/claim.ts';
import type { KubeObject } from '../kube/kube.ts';

export type Choice =
  | { readonly cluster: KubeObject }
  | { readonly reason: 'ClusterNotFound' | 'ClusterAmbiguous'; readonly message: string };

/** `clusters`: all of the namespace. One that is being deleted is not there. */
export function chooseCluster(wanted: string | undefined, clusters: readonly KubeObject[]): Choice {
  const there = clusters.filter(({ metadata }) => metadata.deletionTimestamp === undefined);
  const names = there.map(({ metadata }) => metadata.name).sort();
  if (wanted !== undefined) {
    const found = there.find(({ metadata }) => metadata.name === wanted);
    if (found !== undefined) return { cluster: found };
    return {
      reason: 'ClusterNotFound',
      message: `clusterRef.name: there is no GatehouseCluster "${wanted}" in this namespace${listed(names)}`,
    };
  }
  const [only, ...more] = there;
  if (only === undefined) {
    return { reason: 'ClusterNotFound', message: 'there is no GatehouseCluster in this namespace' };
  }
  if (more.length === 0) return { cluster: only };
  return {
    reason: 'ClusterAmbiguous',
    message: `clusterRef.name: must say which GatehouseCluster is meant${listed(names)}`,
  };
}

/** Whether every cluster that could be meant is another operator's, and with it the object. `clusters` as above. */
export function belongsToAnother(
  wanted: string | undefined,
  clusters: readonly KubeObject[],
  operatorNamespace: string,
): boolean {
  const meant = clusters.filter(({ metadata }) => wanted === undefined || metadata.name === wanted);
  return meant.length > 0 && meant.every((cluster) => isOfAnother(cluster, operatorNamespace));
}

const listed = (names: readonly string[]): string =>
  names.length === 0 ? '' : `; there are: ${names.slice(0, 10).join(', ')}`;
