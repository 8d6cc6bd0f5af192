// Opens the cluster's state: the local copy of a store, the reads, writes and watches on it. One per auth server; the
// only way from the rest of auth to the resources.
import type { Clock } from '#core/clock.ts';
import { GatehouseError } from '#core/errors/error.ts';
import type { Kind } from '#core/kind.ts';
import type { Log } from '#core/log.ts';
import { startReplica, type Replica } from '#core/replica.ts';
import type { Resource } from '#core/resource.ts';
import { compareRevisions, type Revision } from '#core/revision.ts';
import type { Backend } from '#storage/backend.ts';
import { feedOf } from '#storage/feed.ts';
import { openChangeFeed, type ChangeFeed } from './change-feed.ts';
import type { Copy } from './copy.ts';
import { startHealth } from './health.ts';
import { batchOf, copyOf, decodeEntry, notReady, type Entry } from './local-copy.ts';
import { olderChanges } from './older-changes.ts';
import { decodeRecord, FENCE_PREFIX, recordKey, recordPrefix } from './records.ts';
import type { ClusterState, StateBatch, StateEvent } from './state.ts';
import { planWrite } from './write-plan.ts';
import { writeChanges } from './write.ts';

export interface StateOptions {
  /** Stays the caller's to close, after the state. */
  readonly backend: Backend;
  readonly kinds: readonly Kind[];
  readonly clock: Clock;
  readonly log: Log;
  /** Changes that watches can be resumed over without asking the store; default 20,000. */
  readonly maxEvents?: number;
}

const DEFAULT_MAX_EVENTS = 20_000;

/** Starts at once; `ready` tells when reads are answered. The caller closes it, then the backend. */
export function openState(options: StateOptions): ClusterState {
  const { backend, clock, log } = options;
  const kinds = kindTable(options.kinds);
  const replica = startReplica<Uint8Array, Entry>({
    feed: feedOf(backend, kinds.prefixes),
    decode: (entry) => decodeEntry(entry, kinds.byPlural, log),
    clock,
    log,
  });
  const copy = copyOf(replica);
  const health = startHealth({ backend, replica, clock, log });
  const changes = followChanges(options, kinds, replica, copy);
  const requireCopied = (name: string): Kind => {
    copy.requireReady();
    const kind = kinds.named(name);
    if (kind.audience !== 'internal') return kind;
    throw new GatehouseError('INTERNAL', `the internal kind ${name} is not in the local copy`);
  };

  return {
    ready: changes.ready,
    isReady: () => health.isGood(),
    revision: () => copy.revision(),
    get: (kind, name) => copy.get(requireCopied(kind), name),
    list: (kind) => copy.list(requireCopied(kind)),
    read: (kind, name) => readRecord(backend, kind, name),
    readAll: (kind, namePrefix) => readRecords(backend, kind, namePrefix),
    write: (steps) => writeChanges(steps, { backend, copy, log, kindNamed: kinds.named }),
    judge(steps) {
      copy.requireReady();
      planWrite(steps, copy, kinds.named);
    },
    onChange: changes.onChange,
    watch(names, from, signal) {
      for (const name of names) requireCopied(name);
      return changes.watch(names, from, signal);
    },
    snapshot(names) {
      const resources = names.flatMap((name) => [...copy.list(requireCopied(name))]);
      return { revision: copy.revision(), resources };
    },
    async close() {
      health.stop();
      changes.close();
      await replica.close();
    },
  };
}

interface KindTable {
  /** BAD_REQUEST when there is none. */
  readonly named: (name: string) => Kind;
  /** The kinds of the local copy. */
  readonly byPlural: ReadonlyMap<string, Kind>;
  readonly prefixes: readonly string[];
}

function kindTable(kinds: readonly Kind[]): KindTable {
  const byName = new Map(kinds.map((kind) => [kind.name, kind]));
  const copied = kinds.filter((kind) => kind.audience !== 'internal');
  return {
    named(name) {
      const kind = byName.get(name);
      if (kind !== undefined) return kind;
      throw new GatehouseError('BAD_REQUEST', `"${name.slice(0, 64)}" is not a known kind`);
    },
    byPlural: new Map(copied.map((kind) => [kind.plural, kind])),
    prefixes: [FENCE_PREFIX, ...copied.map(recordPrefix)],
  };
}

type Changes = Pick<ClusterState, 'ready' | 'onChange' | 'watch'> & { close(): void };

/** The changes of the copy, to listeners and watches. */
function followChanges(
  { backend, clock, log, maxEvents = DEFAULT_MAX_EVENTS }: StateOptions,
  { prefixes, byPlural }: KindTable,
  replica: Replica<Entry>,
  copy: Copy,
): Changes {
  const listeners = new Set<(event: StateEvent) => void>();
  let feed: ChangeFeed | undefined;
  const start = async (): Promise<void> => {
    await replica.ready;
    const older = (from: Revision, signal: AbortSignal): AsyncIterable<StateBatch> =>
      olderChanges({ backend, prefixes, byPlural, log, from, signal });
    const requireKnown = (from: Revision): Promise<void> => requireKnownTo(backend, from);
    feed = openChangeFeed({ newest: copy.revision, clock, maxEvents, older, requireKnown });
    replica.onChange((changes, revision) => {
      const batch = batchOf(changes, revision);
      if (batch.events.length === 0) return;
      for (const event of batch.events) for (const listener of listeners) tell(listener, event, log);
      feed?.append(batch);
    });
  };
  const ready = start();
  ready.catch(() => {});
  return {
    ready,
    onChange(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    watch(kinds, from, signal) {
      if (feed === undefined) throw notReady();
      return feed.watch(kinds, from, signal);
    },
    close: () => feed?.close(),
  };
}

/** REVISION_COMPACTED unless a watch of the store can start there. */
async function requireKnownTo(backend: Backend, from: Revision): Promise<void> {
  if (compareRevisions(from, await backend.revision()) > 0) {
    throw new GatehouseError(
      'REVISION_COMPACTED',
      'the revision is newer than the store; take a new snapshot',
    );
  }
  const { signal } = new AbortController();
  const watch = backend.watch({ prefixes: [''], from, signal })[Symbol.asyncIterator]();
  await watch.next();
  await watch.return?.();
}

async function readRecord<S>(
  backend: Backend,
  kind: Kind<S>,
  name: string,
): Promise<Resource<S> | undefined> {
  const item = await backend.get(recordKey(kind, name));
  return item && decodeRecord(kind, item);
}

async function* readRecords<S>(backend: Backend, kind: Kind<S>, namePrefix = ''): AsyncIterable<Resource<S>> {
  // Names are escaped byte by byte, so the key of a name's beginning is the beginning of its key.
  const prefix = namePrefix === '' ? recordPrefix(kind) : recordKey(kind, namePrefix);
  let after: string | undefined;
  do {
    const page = await backend.range({ prefix, after });
    for (const item of page.items) yield decodeRecord(kind, item);
    after = page.next;
  } while (after !== undefined);
}

function tell(listener: (event: StateEvent) => void, event: StateEvent, log: Log): void {
  try {
    listener(event);
  } catch (error) {
    log.error({ kind: event.kind, err: error }, 'a listener of state changes failed');
  }
}
