// Which of several operators a GatehouseCluster belongs to: two that build the same one would roll its pods back and forth.
// The name of its namespace stands on the object, written in a compare-and-swap; all operators look at it, and it is the
// users' to change. Pure.
import type { KubeObject } from '../kube/kube.ts';

/** The namespace of the operator that the object, and all objects of its namespace that mean it, belong to. */
export const OPERATOR_ANNOTATION = 'gatehouse.dev/operator';

/** Undefined: nobody's yet. */
export const claimOf = ({ metadata }: KubeObject): string | undefined =>
  metadata.annotations?.[OPERATOR_ANNOTATION] || undefined;

/**
 * Whether another operator than that of `namespace` has it. One that is going is nobody's: any operator may let it go, so
 * that it does not wait for one that was uninstalled.
 */
export function isOfAnother(object: KubeObject, namespace: string): boolean {
  if (object.metadata.deletionTimestamp !== undefined) return false;
  const claim = claimOf(object);
  return claim !== undefined && claim !== namespace;
}
