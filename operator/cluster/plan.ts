// What the builders of a cluster's objects need to know, gathered and checked: no builder reads anything else. A type
// of its own so that gather.ts and the builders do not know each other.
import type { ClusterSpec } from '../crds/cluster.ts';
import type { StorageSpec } from '../crds/storage.ts';
import type { KubeObject, ObjectKey } from '../kube/kube.ts';
import type { Step } from './upgrade.ts';

export type Volume = StorageSpec['sqlite']['volume'];

export interface ClusterPlan {
  readonly key: ObjectKey & { readonly namespace: string };
  /** The GatehouseCluster itself, for owner references. */
  readonly object: KubeObject;
  readonly spec: ClusterSpec;
  readonly storage: StorageSpec;
  /** The version to run. */
  readonly version: string;
  /** Repository and tag. */
  readonly image: string;
  /** `host:port` of the proxies, from outside. */
  readonly publicAddress: string;
  /** The Secret with the certificate of the public address. */
  readonly tlsSecret?: string | undefined;
  /** Of auth: as it was made, once it is there. */
  readonly volume: Volume;
  /** Whether the volumes go with the cluster. */
  readonly deletesVolumes: boolean;
  /** `namespace:name` of the operator's ServiceAccount. */
  readonly operatorAccount: string;
  /** Pins of the host authority, once they are known. */
  readonly caPins: readonly string[];
}

/** A template of pods with the files it reads, under a name that is a digest of both. */
export interface Revision {
  readonly name: string;
  readonly version: string;
  readonly template: Readonly<Record<string, unknown>>;
  readonly files: Readonly<Record<string, string>>;
}

export type Revisions = Readonly<Record<Step, Revision>>;
