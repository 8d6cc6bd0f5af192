// The cluster's resources as auth works with them: reads are local and decoded, writes go through here only.
// The contract; open.ts builds it from a storage backend and a replica.
import type { Kind, Reader } from '#core/kind.ts';
import type { Resource } from '#core/resource.ts';
import type { Revision } from '#core/revision.ts';

/**
 * One step of a write. `create` refuses what exists (ALREADY_EXISTS), `put` writes whatever was there (and honours
 * `metadata.revision` when the resource carries one: CONDITION_FAILED), `update` also requires presence
 * (NOT_FOUND), `delete` requires presence unless `ifPresent`.
 */
export type Change =
  | { readonly do: 'create' | 'put' | 'update'; readonly resource: Resource }
  | {
      readonly do: 'delete';
      readonly kind: string;
      readonly name: string;
      readonly revision?: Revision;
      readonly ifPresent?: boolean;
    };

export interface StateEvent {
  readonly type: 'put' | 'delete';
  readonly kind: string;
  readonly name: string;
  /** The resource after a put. */
  readonly resource?: Resource;
  /** What was there before, when it is known. */
  readonly before?: Resource;
  readonly revision: Revision;
}

export interface ClusterState extends Reader {
  /** Resolves when the local copy stands; reads before that are refused with UNAVAILABLE. */
  readonly ready: Promise<void>;
  /** False while the copy is being built or has lost its feed for longer than the grace time. */
  isReady(): boolean;
  /** Revision of the local copy. */
  revision(): Revision;
  /** From the local copy; `admin` and `presence` kinds only. Values are frozen. Expired resources are absent. */
  get(kind: string, name: string): Resource | undefined;
  list(kind: string): Iterable<Resource>;
  /** Straight from the store; the way to `internal` kinds, whose secrets are never held in the copy. */
  read<S>(kind: Kind<S>, name: string): Promise<Resource<S> | undefined>;
  /** All of the kind; with `namePrefix` only those whose names start with it. */
  readAll<S>(kind: Kind<S>, namePrefix?: string): AsyncIterable<Resource<S>>;
  /**
   * All changes or none. Resources must have passed `parseResource`; rules that cross kinds (checkWrite,
   * checkDelete) are run against the state after all changes, INVALID_RESOURCE or IN_USE when one fails.
   * Returns the resources as stored, with their revision (undefined for deletes), after the local copy has them.
   */
  write(changes: readonly Change[]): Promise<readonly (Resource | undefined)[]>;
  /** Runs the rules that `write` would run on the local copy, and writes nothing: for dry runs. */
  judge(changes: readonly Change[]): void;
  /** Each real change of the local copy, in order; the listener must not throw. Returns how to stop. */
  onChange(listener: (event: StateEvent) => void): () => void;
  /** Changes after `from`, for the watch route; `admin` and `presence` kinds only. REVISION_COMPACTED as in storage. */
  watch(kinds: readonly string[], from: Revision, signal: AbortSignal): AsyncIterable<StateBatch>;
  /** The resources of `kinds` and the revision they stand at, taken together. */
  snapshot(kinds: readonly string[]): {
    readonly revision: Revision;
    readonly resources: readonly Resource[];
  };
  close(): Promise<void>;
}

export interface StateBatch {
  readonly revision: Revision;
  readonly events: readonly StateEvent[];
}
