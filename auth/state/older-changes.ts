// Changes that the local copy no longer remembers, from the store: decoded anew for the one watch that asks.
import { isCode } from '#core/errors/error.ts';
import type { Kind } from '#core/kind.ts';
import type { Log } from '#core/log.ts';
import type { Revision } from '#core/revision.ts';
import type { Backend, WatchEvent } from '#storage/backend.ts';
import { decodeRecord, splitKey, titleOf } from './records.ts';
import type { StateBatch, StateEvent } from './state.ts';

export interface OlderChanges {
  readonly backend: Backend;
  readonly prefixes: readonly string[];
  readonly byPlural: ReadonlyMap<string, Kind>;
  readonly log: Log;
  readonly from: Revision;
  readonly signal: AbortSignal;
}

/**
 * What was there before a change is not known here, and what cannot be read is passed over as in the local copy: a
 * watch that failed there would fail again at each attempt. REVISION_COMPACTED as in storage.
 */
export async function* olderChanges(options: OlderChanges): AsyncIterable<StateBatch> {
  const { backend, prefixes, from, signal } = options;
  for await (const { revision, events } of backend.watch({ prefixes, from, signal })) {
    yield { revision, events: events.flatMap((event) => eventOf(event, options)) };
  }
}

function eventOf(event: WatchEvent, { byPlural, log }: OlderChanges): StateEvent[] {
  const key = event.type === 'put' ? event.item.key : event.key;
  const { plural = '', name = '' } = splitKey(key) ?? {};
  const kind = byPlural.get(plural);
  if (kind === undefined) return [];
  if (event.type === 'delete') return [{ type: 'delete', kind: kind.name, name, revision: event.revision }];
  const { item } = event;
  try {
    const resource = decodeRecord(kind, item);
    return [{ type: 'put', kind: kind.name, name, resource, revision: item.revision }];
  } catch (error) {
    if (!isCode(error, 'CORRUPT')) throw error;
    log.error({ resource: titleOf(kind.name, name), err: error }, 'a stored resource cannot be read');
    return [];
  }
}
