// What a read copy is fed by: a snapshot with its revision, and every change after it. The store in this process and
// the auth service at the other end of a connection both are one.
import type { Revision } from './revision.ts';

export interface FeedEntry<Raw> {
  readonly key: string;
  readonly value: Raw;
  readonly revision: Revision;
  /** Milliseconds since the epoch; from then on the entry does not count. */
  readonly expires?: number | undefined;
}

export type FeedEvent<Raw> =
  | { readonly type: 'put'; readonly item: FeedEntry<Raw> }
  | { readonly type: 'delete'; readonly key: string; readonly revision: Revision };

/** All changes of one revision; without events, a sign that everything up to `revision` has been told. */
export interface FeedBatch<Raw> {
  readonly revision: Revision;
  readonly events: readonly FeedEvent<Raw>[];
}

export interface Snapshot<Raw> {
  /** The entries are exactly those at this revision. */
  readonly revision: Revision;
  readonly entries: readonly FeedEntry<Raw>[];
}

export interface Feed<Raw> {
  snapshot(signal: AbortSignal): Promise<Snapshot<Raw>>;
  /**
   * Changes after `from`, in order, on to the live tail; must end or throw soon after `signal`. Throws
   * REVISION_COMPACTED when `from` is no longer known. Any other end means: ask again from where it stopped.
   */
  tail(from: Revision, signal: AbortSignal): AsyncIterable<FeedBatch<Raw>>;
}
