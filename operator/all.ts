// The controllers of the operator, in the order in which they begin. A new one is a line here.
import { clusterController } from './cluster/controller.ts';
import { CLUSTER } from './crds/cluster.ts';
import { MIRRORS } from './crds/mirror.ts';
import { STORAGE } from './crds/storage.ts';
import { houseController } from './house/controller.ts';
import type { Houses } from './house/houses.ts';
import type { ObjectType } from './kube/kube.ts';
import { mirrorControllers } from './mirror/controller.ts';
import type { Controller, OperatorContext } from './runtime/controller.ts';
import { storageController } from './storage/controller.ts';

/** The custom resources that they reconcile. */
export const OUR_TYPES: readonly ObjectType[] = [CLUSTER, STORAGE, ...MIRRORS.map(({ type }) => type)];

export interface ControllerParts {
  /** The caller closes it after the controllers. */
  readonly houses: Houses;
  /** Repository of the image when a GatehouseCluster names none. */
  readonly imageRepository: string;
}

export function allControllers(context: OperatorContext, parts: ControllerParts): readonly Controller[] {
  return [
    houseController(context, parts.houses),
    storageController(context),
    clusterController(context, parts),
    ...mirrorControllers(context, parts.houses),
  ];
}
