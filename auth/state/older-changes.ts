// Changes that the local copy no longer remembers, from the store: decoded anew for the one watch that asks.
import type { Kind } from '#core/kind.ts';
import type { Revision } from '#core/revision.ts';
import type { Backend, WatchEvent } from '#storage/backend.ts';
import { decodeRecord, splitKey } from './records.ts';
import type { StateBatch, StateEvent } from './state.ts';

export interface OlderChanges {
  readonly backend: Backend;
  readonly prefixes: readonly string[];
  readonly byPlural: ReadonlyMap<string, Kind>;
  readonly from: Revision;
  readonly signal: AbortSignal;
}

/** What was there before a change is not known here. REVISION_COMPACTED as in storage, CORRUPT for broken items. */
export async function* olderChanges(options: OlderChanges): AsyncIterable<StateBatch> {
  const { backend, prefixes, byPlural, from, signal } = options;
  for await (const { revision, events } of backend.watch({ prefixes, from, signal })) {
    yield { revision, events: events.flatMap((event) => eventOf(event, byPlural)) };
  }
}

function eventOf(event: WatchEvent, byPlural: ReadonlyMap<string, Kind>): StateEvent[] {
  const key = event.type === 'put' ? event.item.key : event.key;
  const { plural = '', name = '' } = splitKey(key) ?? {};
  const kind = byPlural.get(plural);
  if (kind === undefined) return [];
  if (event.type === 'delete') return [{ type: 'delete', kind: kind.name, name, revision: event.revision }];
  const { item } = event;
  const resource = decodeRecord(kind, item);
  return [{ type: 'put', kind: kind.name, name, resource, revision: item.revision }];
}
