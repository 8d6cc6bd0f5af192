// The local copy as the rest of the state sees it: decoded resources by kind and name, at one revision at a time.
// The contract between open.ts, which feeds it from a replica, and the rules, writes and watches that read it.
import type { Kind } from '#core/kind.ts';
import type { Resource } from '#core/resource.ts';
import type { Revision } from '#core/revision.ts';

export interface Copy {
  /** UNAVAILABLE until the copy stands. */
  requireReady(): void;
  revision(): Revision;
  /** Resolves when the copy is at `revision` or beyond; UNAVAILABLE when that takes too long. */
  reached(revision: Revision): Promise<void>;
  /** Absent, or expired by the clock: undefined. */
  get(kind: Kind, name: string): Resource | undefined;
  /** In the order of names. */
  list(kind: Kind): Iterable<Resource>;
  /** Revision of the last write to the kind that a rule may depend on; undefined when there was none. */
  fence(kind: Kind): Revision | undefined;
}
