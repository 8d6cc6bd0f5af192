// The feed of local copies: a snapshot, and the changes after it, as JSON lines. Each resource is held against the
// access of the caller, and a feed ends at the moment its caller loses its standing.
import { endpoint } from '#core/api/endpoint.ts';
import { watchQuery } from '#core/api/resources.ts';
import { GatehouseError } from '#core/errors/error.ts';
import { withoutSecrets, type Kind } from '#core/kind.ts';
import type { Revision } from '#core/revision.ts';
import * as s from '#core/schema/schema.ts';
import { kindOf } from '#kinds/all.ts';
import type { Caller } from '../guard/caller.ts';
import type { Hold } from '../guard/hold.ts';
import type { StateBatch, StateEvent } from '../state/state.ts';
import { LineStream } from './line-stream.ts';
import type { StreamHandler } from './handler.ts';
import type { ServerContext } from './server-context.ts';

const LINES = 'application/x-ndjson';
const SIGN_OF_LIFE_MS = 10_000;
const MAX_KINDS = 32;

type WatchQuery = s.Infer<typeof watchQuery>;

/** Throws what is wrong with the query; what it returns sends the lines. */
type Begin = (
  context: ServerContext,
  caller: Caller,
  kinds: readonly Kind[],
  query: WatchQuery,
) => (lines: LineStream) => Promise<void>;

export const snapshotRoute = feedRoute({
  path: '/v1/snapshot',
  says: 'All resources of some kinds at one revision, one JSON value per line; the last line holds the revision.',
  begin: (context, caller, kinds) => {
    const { revision, resources } = context.state.snapshot(kinds.map((kind) => kind.name));
    return async (lines) => {
      for (const kind of kinds) {
        const all = resources.filter((resource) => resource.kind === kind.name);
        for (const resource of context.guard.visible(caller, kind.name, all)) {
          await lines.send({ resource: withoutSecrets(kind, resource) });
          if (lines.isEnded) return;
        }
      }
      await lines.send({ revision });
      lines.end();
    };
  },
});

export const watchRoute = feedRoute({
  path: '/v1/watch',
  says: 'Changes of some kinds after a revision, one JSON value per line, until the connection ends.',
  begin: (context, caller, kinds, query) => {
    const from = query.from ?? context.state.revision();
    if (!/^\d{1,64}$/.test(from))
      throw new GatehouseError('BAD_REQUEST', 'from: must be a revision of a snapshot');
    return (lines) => follow(context, caller, kinds, from, lines);
  },
});

function feedRoute(about: {
  readonly path: string;
  readonly says: string;
  readonly begin: Begin;
}): StreamHandler<WatchQuery, ServerContext> {
  const { path, says, begin } = about;
  return {
    endpoint: endpoint({ method: 'GET', path, says, request: watchQuery, reply: s.json() }),
    access: { to: 'each-resource' },
    contentType: LINES,
    async stream(context, caller, query) {
      const kinds = requireKinds(context, caller, query.kinds);
      const hold = context.guard.hold(caller);
      try {
        const feed = begin(context, caller, kinds, query);
        const lines = new LineStream(context);
        hold.signal.addEventListener('abort', () => lines.fail(hold.signal.reason), { once: true });
        lines.body.once('close', () => hold.release());
        void finish(feed(lines), lines, hold, context);
        return lines.body;
      } catch (error) {
        hold.release();
        throw error;
      }
    },
  };
}

async function follow(
  context: ServerContext,
  caller: Caller,
  kinds: readonly Kind[],
  from: Revision,
  lines: LineStream,
): Promise<void> {
  const stop = new AbortController();
  lines.body.once('close', () => stop.abort());
  let seen = from;
  const cancel = every(context, SIGN_OF_LIFE_MS, () => void lines.offer({ revision: seen, events: [] }));
  try {
    const names = kinds.map((kind) => kind.name);
    for await (const batch of context.state.watch(names, from, stop.signal)) {
      if (lines.isEnded) return;
      const events = batch.events.flatMap((event) => eventFor(context, caller, kinds, event));
      seen = batch.revision;
      if (isSignOfLife(batch) || events.length > 0) await lines.send({ revision: seen, events });
    }
    lines.end();
  } finally {
    cancel();
    stop.abort();
  }
}

const isSignOfLife = (batch: StateBatch): boolean => batch.events.length === 0;

/** The event as the caller may see it: a resource that it no longer may see is as good as deleted. */
function eventFor(
  context: ServerContext,
  caller: Caller,
  kinds: readonly Kind[],
  event: StateEvent,
): readonly object[] {
  const kind = kinds.find((candidate) => candidate.name === event.kind);
  if (kind === undefined) return [];
  const gone = { type: 'delete', kind: event.kind, name: event.name };
  if (context.guard.isUnfiltered(caller, kind.name)) {
    return event.resource === undefined
      ? [gone]
      : [{ type: 'put', resource: withoutSecrets(kind, event.resource) }];
  }
  if (event.resource !== undefined && isVisible(context, caller, kind, event.resource)) {
    return [{ type: 'put', resource: withoutSecrets(kind, event.resource) }];
  }
  if (event.before === undefined) {
    if (event.type === 'put') return [];
    // Whether the caller knew of it cannot be told, and its name is not for everybody.
    throw new GatehouseError(
      'REVISION_COMPACTED',
      'the change is too old to be filtered; take a new snapshot',
    );
  }
  return isVisible(context, caller, kind, event.before) ? [gone] : [];
}

function isVisible(
  { guard }: ServerContext,
  caller: Caller,
  kind: Kind,
  resource: NonNullable<StateEvent['resource']>,
): boolean {
  return guard.isUnfiltered(caller, kind.name) || guard.mayResource(caller, kind.name, 'read', resource);
}

/** The kinds by name, each open to the caller; internal kinds have no feed for anybody. */
function requireKinds(context: ServerContext, caller: Caller, list: string): readonly Kind[] {
  const words = [...new Set(list.split(',').map((word) => word.trim()))].filter((word) => word !== '');
  if (words.length === 0 || words.length > MAX_KINDS) {
    throw new GatehouseError('BAD_REQUEST', `kinds: must name 1 to ${MAX_KINDS} kinds, separated by commas`);
  }
  const kinds = [...new Set(words.map((word) => kindOf(word)))];
  for (const kind of kinds) {
    context.guard.requireResource(caller, kind.name, 'list');
    context.guard.requireResource(caller, kind.name, 'read');
    if (kind.audience === 'internal') {
      throw new GatehouseError('BAD_REQUEST', `kinds: ${kind.name} is internal and has no feed`);
    }
  }
  return kinds;
}

async function finish(
  work: Promise<void>,
  lines: LineStream,
  hold: Hold,
  context: ServerContext,
): Promise<void> {
  try {
    await work;
  } catch (error) {
    if (!(error instanceof GatehouseError)) context.log.error({ err: error }, 'a feed failed');
    lines.fail(error);
  } finally {
    hold.release();
  }
}

function every({ clock }: ServerContext, intervalMs: number, action: () => void): () => void {
  let timer = clock.after(intervalMs, tick);
  function tick(): void {
    timer = clock.after(intervalMs, tick);
    action();
  }
  return () => timer.cancel();
}
