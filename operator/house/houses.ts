// All Gatehouse clusters that the operator is a member of: one house per GatehouseCluster, and who hears of what in it.
import type { Clock } from '#core/clock.ts';
import type { Kind } from '#core/kind.ts';
import type { Log } from '#core/log.ts';
import type { Change } from '#core/replica.ts';
import type { Resource } from '#core/resource.ts';
import { authAddress } from '../cluster/names.ts';
import type { KubeObject, ObjectKey } from '../kube/kube.ts';
import { keyOf, keyText } from '../kube/object-types.ts';
import { Budget } from './budget.ts';
import { House, type Connection, type Proof } from './house.ts';

/** What happened to the cluster of `key`; without changes it is the connection that changed. */
export type HouseListener = (key: ObjectKey, changes: readonly Change<Resource>[]) => void;

export interface Houses {
  /** Never waits. A cluster that was not opened is `connecting`. */
  connection(key: ObjectKey): Connection;
  /** Begins to be a member of what this GatehouseCluster makes; again when it is another object of the name. */
  open(cluster: KubeObject): Promise<void>;
  /** Ends the connection; nothing happens when there is none. */
  leave(key: ObjectKey): Promise<void>;
  /** Returns how to stop. */
  onChange(listener: HouseListener): () => void;
  close(): Promise<void>;
}

export interface HousesOptions {
  readonly kinds: readonly Kind[];
  /** How the operator proves itself to the cluster of this GatehouseCluster; asked anew for each house. */
  proof(key: ObjectKey): Proof;
  /** Default: the Service of auth in the namespace of the object. Never anything that the object says. */
  readonly addressOf?: (key: ObjectKey) => string;
  readonly nodeName: string;
  readonly clock: Clock;
  readonly log: Log;
}

/** Opens nothing by itself; the caller closes it. */
export function openHouses(options: HousesOptions): Houses {
  const open = new Map<string, { readonly uid: string | undefined; readonly house: House }>();
  const listeners = new Set<HouseListener>();
  const budget = new Budget();
  const tell: HouseListener = (key, changes) => {
    for (const listener of listeners) listener(key, changes);
  };
  const leave = async (key: ObjectKey): Promise<void> => {
    const found = open.get(keyText(key));
    open.delete(keyText(key));
    await found?.house.close();
  };
  return {
    connection: (key) =>
      open.get(keyText(key))?.house.connection() ?? {
        state: 'connecting',
        message: 'the operator has not made the Service of auth yet; see the GatehouseCluster',
      },
    async open(cluster) {
      const { uid } = cluster.metadata;
      const key = keyOf(cluster);
      const found = open.get(keyText(key));
      if (found?.uid === uid && found !== undefined) return;
      await leave(key);
      open.set(keyText(key), { uid, house: startHouse({ ...options, budget }, key, pinsOf(cluster), tell) });
    },
    leave,
    onChange(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    async close() {
      listeners.clear();
      await Promise.all(Array.from(open.values(), ({ house }) => house.close()));
      open.clear();
    },
  };
}

function startHouse(
  options: HousesOptions & { readonly budget: Budget },
  key: ObjectKey,
  caPins: readonly string[],
  tell: HouseListener,
): House {
  const { kinds, proof, addressOf = authAddress, nodeName, clock, log, budget } = options;
  return new House({
    budget,
    address: addressOf(key),
    caPins,
    proof: proof(key),
    nodeName,
    kinds,
    clock,
    log: log.child({ cluster: keyText(key) }),
    onChange: (changes) => tell(key, changes),
    onState: () => tell(key, []),
  });
}

/** Who may write the status of a GatehouseCluster could write its StatefulSets: people write `spec` only. */
function pinsOf(cluster: KubeObject): readonly string[] {
  const { caPins } = (cluster['status'] ?? {}) as { readonly caPins?: unknown };
  return Array.isArray(caPins) ? caPins.filter((pin): pin is string => typeof pin === 'string') : [];
}
