// The storage contract: a revisioned map of bytes. Resources live above it (auth/state), products below it
// (one folder each). Every implementation passes storage/conformance unchanged.
//
// Keys are strings of printable ASCII without NUL, ordered by byte, at most 1,024 bytes; the parts of a key are
// joined by "/". Values are at most 1 MiB. A revision is opaque to callers except that the store gives every
// change a greater one, comparable with `compareRevisions`; all parts of one atomic write share one revision. A store
// that was wiped, or restored from a backup, starts above every revision it gave out before, so that a position in
// the lost history is refused and never silently continued.
import type { Revision } from '#core/revision.ts';

export { compareRevisions, type Revision } from '#core/revision.ts';

/** Bytes handed in are copied before the call returns; bytes handed out must not be written to. */
export interface Item {
  readonly key: string;
  readonly value: Uint8Array;
  /**
   * Milliseconds since the epoch, a positive integer; from then on the item is gone for every read and condition. A
   * delete event follows within seconds, unless a write to the key comes first.
   */
  readonly expires?: number | undefined;
}

export interface StoredItem extends Item {
  readonly revision: Revision;
}

/** What must hold for one key at the moment of the write. */
export type Condition =
  | { readonly is: 'any' }
  | { readonly is: 'absent' }
  | { readonly is: 'present' }
  | { readonly is: 'revision'; readonly revision: Revision };

export type Action =
  | { readonly do: 'put'; readonly value: Uint8Array; readonly expires?: number | undefined }
  | { readonly do: 'delete' }
  | { readonly do: 'check' };

export interface AtomicStep {
  readonly key: string;
  readonly condition: Condition;
  readonly action: Action;
}

export interface RangeQuery {
  /** Keys that start with this. */
  readonly prefix: string;
  /** Only keys greater than this one: pass the last key of the page before. */
  readonly after?: string | undefined;
  /** Page size, 1 to 10,000; default 1,000. A page ends early when its values exceed 16 MiB; `next` tells. */
  readonly limit?: number | undefined;
}

export interface RangePage {
  readonly items: readonly StoredItem[];
  /** Set when more follow: pass as `after`. */
  readonly next?: string | undefined;
  /** The store's revision at which this page was read; a watch from it misses nothing of the page. */
  readonly revision: Revision;
}

export type WatchEvent =
  | { readonly type: 'put'; readonly item: StoredItem }
  | { readonly type: 'delete'; readonly key: string; readonly revision: Revision };

/**
 * All changes of one revision, in one piece, so that a consumer never stops half-way through an atomic write.
 * A batch without events is a sign of life: everything up to `revision` has been seen. One comes when the watch has
 * caught up, and after changes that match no prefix (one may stand for many), so that a consumer always learns how
 * far it has read.
 */
export interface WatchBatch {
  readonly revision: Revision;
  readonly events: readonly WatchEvent[];
}

export interface WatchQuery {
  /** Only keys that start with one of these; at least one. `['']` watches everything. */
  readonly prefixes: readonly string[];
  /** Changes after this revision. */
  readonly from: Revision;
  /** Ends the iteration (it returns, it does not throw). */
  readonly signal: AbortSignal;
}

/**
 * Errors, by code: ALREADY_EXISTS and CONDITION_FAILED from conditions (with `details.key`), NOT_FOUND from
 * `get`-like calls that require presence, BAD_REQUEST for keys and values out of bounds, REVISION_COMPACTED from
 * `watch`, UNAVAILABLE after `close`, STORAGE_FULL, STORAGE_FAILED and CORRUPT from below. A write that throws has not been applied, unless the code
 * is STORAGE_FAILED from a networked store, where the outcome is unknown and the caller reads back.
 */
export interface Backend {
  /** The item, or undefined when absent or expired. */
  get(key: string): Promise<StoredItem | undefined>;
  range(query: RangeQuery): Promise<RangePage>;
  /** ALREADY_EXISTS when present. */
  create(item: Item): Promise<Revision>;
  /** Writes whatever was there. */
  put(item: Item): Promise<Revision>;
  /** CONDITION_FAILED unless the item is present at `revision`. */
  update(item: Item, revision: Revision): Promise<Revision>;
  /** NOT_FOUND when absent; CONDITION_FAILED when `revision` is given and differs. */
  delete(key: string, revision?: Revision): Promise<Revision>;
  /**
   * All steps or none, as one revision. 1 to 1,000 steps and 8 MiB of values (a bootstrap of more is the caller's to
   * split), each key once. Steps that change nothing make no revision; the store's newest is returned. The first condition that fails, in order, decides the error: `absent` → ALREADY_EXISTS, `present` →
   * NOT_FOUND, `revision` → CONDITION_FAILED.
   */
  atomicWrite(steps: readonly AtomicStep[]): Promise<Revision>;
  /** The revision of the newest change, expiries included. */
  revision(): Promise<Revision>;
  /**
   * Changes in order, each exactly once, starting right after `from`; batches of the live tail follow without a gap.
   * Throws REVISION_COMPACTED when `from` is older than what is kept, or newer than the store (a restored backup).
   * A consumer that falls too far behind gets REVISION_COMPACTED too; it never makes a writer wait.
   */
  watch(query: WatchQuery): AsyncIterable<WatchBatch>;
  /**
   * Only on stores that are files of this machine: a copy of one moment, made while writes go on, in a new file at
   * `path` (ALREADY_EXISTS when there is one), complete and on disk when this resolves. Opening it restores it.
   */
  backup?(path: string): Promise<BackupInfo>;
  /** Waits for writes under way, ends watches; safe to call twice. */
  close(): Promise<void>;
}

export interface BackupInfo {
  readonly path: string;
  readonly bytes: number;
  /** The copy holds exactly the store as it was at this revision. */
  readonly revision: Revision;
}
