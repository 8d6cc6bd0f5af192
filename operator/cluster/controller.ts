// The controller of GatehouseClusters: what it watches, and which cluster a change concerns.
import { CLUSTER } from '../crds/cluster.ts';
import { STORAGE } from '../crds/storage.ts';
import type { Houses } from '../house/houses.ts';
import type { KubeObject, ObjectKey, ObjectType } from '../kube/kube.ts';
import {
  CONFIG_MAPS,
  DISRUPTION_BUDGETS,
  PODS,
  SECRETS,
  SERVICE_ACCOUNTS,
  SERVICES,
  STATEFUL_SETS,
} from '../kube/object-types.ts';
import type { Cache, Controller, OperatorContext, Related } from '../runtime/controller.ts';
import { certificateSecretName, INSTANCE_LABEL, MANAGED } from './names.ts';
import { ClusterReconciler } from './reconcile.ts';

export const CLUSTER_CONTROLLER = 'cluster';

export interface ClusterControllerOptions {
  /** Stays the caller's to close. */
  readonly houses: Pick<Houses, 'connection' | 'onChange'>;
  /** Repository of the image when a GatehouseCluster names none. */
  readonly imageRepository: string;
}

/** Made once per process. */
export function clusterController(context: OperatorContext, options: ClusterControllerOptions): Controller {
  const { houses, imageRepository } = options;
  const reconciler = new ClusterReconciler({ context, houses, imageRepository });
  // The connection to auth is part of a gate. The listener ends with the houses.
  houses.onChange((key, changes) => {
    if (changes.length === 0) context.enqueue(CLUSTER_CONTROLLER, key);
  });
  return {
    name: CLUSTER_CONTROLLER,
    type: CLUSTER,
    // Each asks an auth service that may be anybody's, and waits for its answer.
    concurrency: 16,
    concurrencyPerNamespace: 4,
    related: [
      ...[STATEFUL_SETS, PODS, CONFIG_MAPS, SERVICES, SERVICE_ACCOUNTS, DISRUPTION_BUDGETS].map(managed),
      { type: STORAGE, keysOf: clustersOfStorage },
      { type: SECRETS, selection: { isMetadataOnly: true }, keysOf: clustersOfSecret },
    ],
    reconcile: (key, object, about) => reconciler.reconcile(key, object, about),
  };
}

function managed(type: ObjectType): Related {
  return {
    type,
    selection: { labelSelector: MANAGED },
    keysOf({ metadata: { namespace, labels } }) {
      const name = labels?.[INSTANCE_LABEL];
      return name === undefined ? [] : [{ namespace, name }];
    },
  };
}

function clustersOfStorage(storage: KubeObject, cache: Cache): readonly ObjectKey[] {
  return clustersThat(storage, cache, ({ storageRef }) => storageRef?.name === storage.metadata.name);
}

function clustersOfSecret(secret: KubeObject, cache: Cache): readonly ObjectKey[] {
  return clustersThat(secret, cache, ({ proxy }, name) => {
    const { secretName = certificateSecretName(name) } = proxy?.tls ?? {};
    return proxy?.tls !== undefined && secretName === secret.metadata.name;
  });
}

/** Unchecked: as much of a spec as leads to what it refers to. */
interface References {
  readonly storageRef?: { readonly name?: string };
  readonly proxy?: { readonly tls?: { readonly secretName?: string } };
}

function clustersThat(
  { metadata: { namespace } }: KubeObject,
  cache: Cache,
  refers: (spec: References, name: string) => boolean,
): readonly ObjectKey[] {
  return cache
    .list(CLUSTER, namespace)
    .filter((cluster) => refers((cluster['spec'] ?? {}) as References, cluster.metadata.name))
    .map(({ metadata: { name } }) => ({ namespace, name }));
}
