// A store as the feed of a read copy (core/replica.ts).
import type { Feed, FeedBatch, Snapshot } from '#core/feed.ts';
import type { Backend, Revision, StoredItem } from './backend.ts';
import { compareRevisions } from './backend.ts';

/** Feeds everything under the prefixes. */
export function feedOf(backend: Backend, prefixes: readonly string[]): Feed<Uint8Array> {
  return {
    snapshot: (signal) => takeSnapshot(backend, prefixes, signal),
    tail: (from, signal) => backend.watch({ prefixes, from, signal }),
  };
}

/**
 * Pages are read one after the other while writes go on. Replaying every change made since the first page, up to the
 * revision of the last, brings all of them to one revision, whichever of the changes a page had seen already.
 */
async function takeSnapshot(
  backend: Backend,
  prefixes: readonly string[],
  signal: AbortSignal,
): Promise<Snapshot<Uint8Array>> {
  const items = new Map<string, StoredItem>();
  let first: Revision | undefined;
  let last: Revision = await backend.revision();
  for (const prefix of prefixes) {
    let after: string | undefined;
    do {
      signal.throwIfAborted();
      const page = await backend.range({ prefix, after });
      for (const item of page.items) items.set(item.key, item);
      first ??= page.revision;
      last = page.revision;
      after = page.next;
    } while (after !== undefined);
  }
  const revision =
    first === undefined || first === last
      ? last
      : await catchUp(backend, prefixes, items, first, last, signal);
  return { revision, entries: [...items.values()] };
}

async function catchUp(
  backend: Backend,
  prefixes: readonly string[],
  items: Map<string, StoredItem>,
  from: Revision,
  to: Revision,
  signal: AbortSignal,
): Promise<Revision> {
  for await (const batch of backend.watch({ prefixes, from, signal })) {
    applyBatch(items, batch);
    if (compareRevisions(batch.revision, to) >= 0) return batch.revision;
  }
  signal.throwIfAborted();
  return to;
}

function applyBatch(items: Map<string, StoredItem>, batch: FeedBatch<Uint8Array>): void {
  for (const event of batch.events) {
    if (event.type === 'put') items.set(event.item.key, event.item);
    else items.delete(event.key);
  }
}
