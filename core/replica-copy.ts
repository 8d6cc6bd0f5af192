// The entries of a read copy: how a batch or a snapshot changes them, and what changed for listeners. Pure, apart from
// replica.ts, which keeps it fed.
import { GatehouseError } from './errors/error.ts';
import type { FeedBatch, FeedEntry, Snapshot } from './feed.ts';
import { OrderedMap } from './ordered-map.ts';
import { compareRevisions, type Revision } from './revision.ts';

export type Change<T> =
  | { readonly type: 'put'; readonly key: string; readonly value: T; readonly before: T | undefined }
  | { readonly type: 'delete'; readonly key: string; readonly before: T | undefined };

interface Kept<T> {
  readonly key: string;
  /** Undefined when the entry cannot be decoded. */
  readonly decoded: { readonly value: T } | undefined;
  readonly revision: Revision;
  readonly expires: number | undefined;
}

export interface CopyOptions<Raw, T> {
  readonly decode: (entry: FeedEntry<Raw>) => T;
  /** Told of an entry that cannot be decoded. */
  readonly broken: (key: string, error: unknown) => void;
}

export class ReplicaCopy<Raw, T> {
  readonly #options: CopyOptions<Raw, T>;
  #kept = new OrderedMap<Kept<T>>();
  #revision: Revision | undefined;

  constructor(options: CopyOptions<Raw, T>) {
    this.#options = options;
  }

  /** Undefined before the first snapshot. */
  get revision(): Revision | undefined {
    return this.#revision;
  }

  get(key: string, now: number): T | undefined {
    const kept = this.#kept.get(key);
    return kept === undefined || isExpired(kept, now) ? undefined : valueOf(kept);
  }

  list(prefix: string, now: number, skipBroken: boolean): T[] {
    const values: T[] = [];
    for (const [, kept] of this.#kept.entries(prefix)) {
      if (isExpired(kept, now) || (skipBroken && kept.decoded === undefined)) continue;
      values.push(valueOf(kept));
    }
    return values;
  }

  /** Whether there was anything new in it; a batch that was told before is passed over. */
  apply(batch: FeedBatch<Raw>): readonly Change<T>[] {
    if (this.#revision !== undefined && compareRevisions(batch.revision, this.#revision) <= 0) return [];
    const changes: Change<T>[] = [];
    for (const event of batch.events) {
      const change = event.type === 'put' ? this.#put(event.item) : this.#delete(event.key);
      if (change !== undefined) changes.push(change);
    }
    this.#revision = batch.revision;
    return changes;
  }

  /** Makes the copy equal to the snapshot; only real differences count as changes. */
  replace(snapshot: Snapshot<Raw>): readonly Change<T>[] {
    const changes: Change<T>[] = [];
    const named = new Set(snapshot.entries.map((entry) => entry.key));
    const gone = Array.from(this.#kept.entries(), ([key]) => key).filter((key) => !named.has(key));
    for (const key of gone) {
      const change = this.#delete(key);
      if (change !== undefined) changes.push(change);
    }
    for (const entry of snapshot.entries) {
      const kept = this.#kept.get(entry.key);
      if (kept !== undefined && kept.revision === entry.revision) continue;
      const change = this.#put(entry);
      if (change !== undefined) changes.push(change);
    }
    this.#revision = snapshot.revision;
    return changes;
  }

  #put(entry: FeedEntry<Raw>): Change<T> | undefined {
    const { key, revision, expires } = entry;
    const before = this.#kept.get(key)?.decoded?.value;
    let decoded: { readonly value: T } | undefined;
    try {
      decoded = { value: this.#options.decode(entry) };
    } catch (error) {
      this.#options.broken(key, error);
    }
    this.#kept.set(key, { key, decoded, revision, expires });
    return decoded && { type: 'put', key, value: decoded.value, before };
  }

  #delete(key: string): Change<T> | undefined {
    const kept = this.#kept.get(key);
    if (kept === undefined) return undefined;
    this.#kept.delete(key);
    return { type: 'delete', key, before: kept.decoded?.value };
  }
}

function isExpired(kept: Kept<unknown>, now: number): boolean {
  return kept.expires !== undefined && kept.expires <= now;
}

function valueOf<T>(kept: Kept<T>): T {
  if (kept.decoded !== undefined) return kept.decoded.value;
  throw new GatehouseError('CORRUPT', `the stored "${kept.key}" cannot be read; restore it from a backup`, {
    details: { key: kept.key },
  });
}
