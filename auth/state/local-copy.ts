// What the replica of the store keeps, and how the rest of the state reads it. Apart from open.ts, which connects it.
import type { FeedEntry } from '#core/feed.ts';
import { GatehouseError } from '#core/errors/error.ts';
import type { Kind } from '#core/kind.ts';
import type { Log } from '#core/log.ts';
import type { Change, Replica } from '#core/replica.ts';
import type { Resource } from '#core/resource.ts';
import type { Revision } from '#core/revision.ts';
import type { Copy } from './copy.ts';
import {
  decodeRecord,
  FENCE_PREFIX,
  fenceKey,
  recordKey,
  recordPrefix,
  splitKey,
  titleOf,
} from './records.ts';
import type { StateBatch, StateEvent } from './state.ts';

/** How long a write waits for the local copy to hold it. */
const REACH_MS = 10_000;

/** What the copy keeps of an item: a fence, a resource, or why it cannot be read. */
export type Entry =
  | { readonly is: 'fence'; readonly revision: Revision }
  | { readonly is: 'resource'; readonly kind: Kind; readonly resource: Resource }
  | { readonly is: 'broken'; readonly kind: Kind; readonly name: string; readonly error: unknown };

/** UNAVAILABLE until the replica has its first snapshot. */
export function copyOf(replica: Replica<Entry>): Copy {
  const requireReady = (): Revision => {
    if (replica.revision === undefined) throw notReady();
    return replica.revision;
  };
  return {
    requireReady,
    revision: requireReady,
    reached: (revision) => replica.reached(revision, REACH_MS),
    get: (kind, name) => resourceOf(replica.get(recordKey(kind, name))),
    list(kind) {
      const found = replica.list(recordPrefix(kind)).filter(isReadable(kind));
      const resources = found.map(resourceOf).filter((resource) => resource !== undefined);
      return resources.sort((one, other) => (one.metadata.name < other.metadata.name ? -1 : 1));
    },
    fence(kind) {
      const entry = replica.get(fenceKey(kind));
      return entry?.is === 'fence' ? entry.revision : undefined;
    },
  };
}

/** One machine's unreadable presence must not hide all others; of what decides on access, nothing may be missing. */
function isReadable(kind: Kind): (entry: Entry) => boolean {
  return (entry) => entry.is !== 'broken' || kind.audience !== 'presence';
}

function resourceOf(entry: Entry | undefined): Resource | undefined {
  if (entry?.is === 'broken') throw entry.error;
  return entry?.is === 'resource' ? entry.resource : undefined;
}

/** A resource that cannot be read is logged and kept as such: reading it throws, it is never taken as absent. */
export function decodeEntry(
  entry: FeedEntry<Uint8Array>,
  byPlural: ReadonlyMap<string, Kind>,
  log: Log,
): Entry {
  if (entry.key.startsWith(FENCE_PREFIX)) return { is: 'fence', revision: entry.revision };
  const { plural = '', name = '' } = splitKey(entry.key) ?? {};
  const kind = byPlural.get(plural);
  if (kind === undefined) throw new GatehouseError('CORRUPT', `a stored item is of no known kind: ${plural}`);
  try {
    return { is: 'resource', kind, resource: decodeRecord(kind, entry) };
  } catch (error) {
    log.error({ resource: titleOf(kind.name, name), err: error }, 'a stored resource cannot be read');
    return { is: 'broken', kind, name, error };
  }
}

/**
 * The changes to resources among those of the replica. Of a resource that cannot be read nothing is told until it can,
 * or is deleted: who holds what was there before keeps it.
 */
export function batchOf(changes: readonly Change<Entry>[], revision: Revision): StateBatch {
  return { revision, events: changes.flatMap((change) => eventOf(change, revision)) };
}

function eventOf(change: Change<Entry>, revision: Revision): StateEvent[] {
  const entry = change.type === 'put' ? change.value : change.before;
  if (entry === undefined || entry.is === 'fence') return [];
  const before = change.before?.is === 'resource' ? { before: change.before.resource } : {};
  const kind = entry.kind.name;
  if (change.type === 'delete') {
    const name = entry.is === 'broken' ? entry.name : entry.resource.metadata.name;
    return [{ type: 'delete', kind, name, revision, ...before }];
  }
  if (entry.is === 'broken') return [];
  const { resource } = entry;
  return [{ type: 'put', kind, name: resource.metadata.name, revision, ...before, resource }];
}

export function notReady(): GatehouseError {
  return new GatehouseError('UNAVAILABLE', 'the auth service is still reading its state; try again');
}
