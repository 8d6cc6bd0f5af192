// Positions in a store's history. Pure, and here rather than in storage because replicas on the far side of a
// connection compare them too.

/** Position in the store's history: the decimal digits of a counter. Compare with `compareRevisions` only. */
export type Revision = string;

/** Negative when `a` is older than `b`, zero when equal. */
export function compareRevisions(a: Revision, b: Revision): number {
  return a.length === b.length ? (a < b ? -1 : a > b ? 1 : 0) : a.length - b.length;
}
