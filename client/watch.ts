// The feed of a read copy from the auth service at the other end of a connection: a snapshot and the changes after it,
// as lines of JSON. core/replica.ts does the resuming.
import { fromErrorBody, GatehouseError } from '#core/errors/error.ts';
import type { Feed, FeedBatch, FeedEntry, FeedEvent, Snapshot } from '#core/feed.ts';
import type { Kind } from '#core/kind.ts';
import type { Resource } from '#core/resource.ts';
import type { Revision } from '#core/revision.ts';
import { isPlainObject } from '#core/schema/check.ts';
import type { Api } from './api.ts';

/** The server gives a sign of life every 10 s; a feed that is silent for longer than this is dead. */
export const FEED_SILENCE_MS = 35_000;

/** Entries are keyed `<kind>/<name>`; give the replica `idleTimeoutMs: FEED_SILENCE_MS`. The API stays open. */
export function openWatchFeed(api: Pick<Api, 'stream'>, kinds: readonly Kind[]): Feed<Resource> {
  const query = `kinds=${encodeURIComponent(kinds.map(({ name }) => name).join(','))}`;
  return {
    async snapshot(signal) {
      const reader = new SnapshotReader();
      for await (const line of api.stream(`/v1/snapshot?${query}`, signal)) reader.take(line);
      return reader.end();
    },
    async *tail(from, signal) {
      const path = `/v1/watch?${query}&from=${encodeURIComponent(from)}`;
      for await (const line of api.stream(path, signal)) yield readBatch(line);
    },
  };
}

/** The key of a resource in a copy that is fed by `openWatchFeed`; the prefix of a kind is `<kind>/`. */
export const feedKey = (kind: string, name: string): string => `${kind}/${name}`;

/** Lines in, the snapshot out; UNAVAILABLE unless it is whole. */
export class SnapshotReader {
  readonly #entries: FeedEntry<Resource>[] = [];
  #revision: Revision | undefined;

  take(line: unknown): void {
    const { resource, revision } = requireLine(line);
    if (this.#revision !== undefined) throw strange('a snapshot goes on after its end');
    if (resource !== undefined) this.#entries.push(entryOf(resource));
    else if (isRevision(revision)) this.#revision = revision;
    else throw strange('a snapshot holds a line that is not known');
  }

  end(): Snapshot<Resource> {
    if (this.#revision === undefined) throw strange('a snapshot broke off');
    return { revision: this.#revision, entries: this.#entries };
  }
}

/** One line of a watch; throws the error it carries, if it does. */
export function readBatch(line: unknown): FeedBatch<Resource> {
  const { revision, events } = requireLine(line);
  if (!isRevision(revision) || !Array.isArray(events)) throw strange('a change is of an unknown form');
  return { revision, events: events.map((event) => eventOf(event, revision)) };
}

function eventOf(event: unknown, revision: Revision): FeedEvent<Resource> {
  if (isPlainObject(event)) {
    const { type, resource, kind, name } = event;
    if (type === 'put') return { type, item: { ...entryOf(resource), revision } };
    if (type === 'delete' && typeof kind === 'string' && typeof name === 'string') {
      return { type, key: feedKey(kind, name), revision };
    }
  }
  throw strange('a change is of an unknown form');
}

function entryOf(value: unknown): FeedEntry<Resource> {
  if (!isPlainObject(value) || typeof value['kind'] !== 'string' || !isPlainObject(value['metadata'])) {
    throw strange('what should be a resource is none');
  }
  const { name, revision, expires } = value['metadata'];
  if (typeof name !== 'string') throw strange('a resource has no name');
  const end = typeof expires === 'string' ? Date.parse(expires) : Number.NaN;
  return {
    key: feedKey(value['kind'], name),
    value: value as unknown as Resource,
    revision: isRevision(revision) ? revision : '0',
    ...(Number.isNaN(end) ? {} : { expires: end }),
  };
}

/** An error that came up after the start of the answer is its last line. */
function requireLine(line: unknown): Record<string, unknown> {
  if (!isPlainObject(line)) throw strange('a line of the feed is not an object');
  if (line['error'] !== undefined) throw fromErrorBody(line['error']);
  return line;
}

const isRevision = (value: unknown): value is Revision =>
  typeof value === 'string' && /^\d{1,64}$/.test(value);

function strange(what: string): GatehouseError {
  return new GatehouseError('UNAVAILABLE', `the feed of the auth service is not understood: ${what}`);
}
