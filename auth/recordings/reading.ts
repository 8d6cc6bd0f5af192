// The calls by which people list, read, check and delete recordings. Everybody has those of their own sessions; of others
// a rule decides. That somebody reads what is not theirs is on record.
import { Readable } from 'node:stream';
import {
  deleteRecording,
  getRecording,
  listRecordings,
  readSegment,
  verifyRecording,
} from '#core/api/recordings.ts';
import { GatehouseError } from '#core/errors/error.ts';
import { identityName } from '#core/identity.ts';
import { RateLimit } from '#core/rate-limit.ts';
import type { AuditEvent } from '#events/catalogue.ts';
import { isSessionId } from '#recordings/meta.ts';
import type { RecordingEntry } from '#recordings/store.ts';
import { verifyRecording as verify } from '#recordings/verify.ts';
import type { Verb } from '../guard/access.ts';
import { actorOf, type Caller } from '../guard/caller.ts';
import { denial } from '../guard/refusals.ts';
import { handler, type StreamHandler } from '../routes/handler.ts';
import type { Route, ServerContext } from '../routes/server-context.ts';
import { contextOf, shownOf } from './shown.ts';

const READ = { to: 'resource', kind: 'session', verbs: ['list', 'read'] } as const;
/** One event for the reading of one recording by one person, not one for each segment. */
const ONE_ACCESS_MS = 10 * 60_000;
/** Verifying reads all of a recording. */
const VERIFIED_AT_ONCE = 2;

const listRoute: Route = handler({
  endpoint: listRecordings,
  access: READ,
  async handle(context: ServerContext, caller, { from, to, user, server_id, kind, limit, cursor }) {
    const page = await context.recordings.list({
      ...(from === undefined ? {} : { from: Date.parse(from) }),
      ...(to === undefined ? {} : { to: Date.parse(to) }),
      ...(user === undefined ? {} : { user }),
      ...(server_id === undefined ? {} : { serverId: server_id }),
      ...(kind === undefined ? {} : { kind }),
      ...(cursor === undefined ? {} : { cursor }),
      limit,
      accepts: (entry) => context.guard.maySeeSession(caller, 'session', contextOf(entry), 'list'),
    });
    const next = page.next === undefined ? {} : { next: page.next };
    return { recordings: page.recordings.map(shownOf), ...next };
  },
});

const getRoute: Route = handler({
  endpoint: getRecording,
  access: READ,
  async handle(context: ServerContext, caller, _request, params) {
    const entry = await requireEntry(context, caller, params['sid'], 'read');
    const segments = await context.recordings.source(entry.session).segments();
    return { recording: shownOf(entry), segments: segments.map(({ number, bytes }) => ({ number, bytes })) };
  },
});

const deleteRoute: Route = handler({
  endpoint: deleteRecording,
  access: { to: 'resource', kind: 'session', verbs: ['delete'] },
  async handle(context: ServerContext, caller, _request, params) {
    const entry = await requireEntry(context, caller, params['sid'], 'delete');
    const actor = actorOf(caller);
    const participants = [...contextOf(entry).participants];
    // First: what is gone for good must be on record.
    await context.audit.emitDurably({
      event: 'session.recording.delete',
      sid: entry.session,
      ...actor,
      participants,
    });
    await context.recordings.remove(entry.session);
    return {};
  },
});

/** What it remembers is of one server: make it once per server. */
export function readingRoutes(clock: ServerContext['clock']): readonly Route[] {
  const told = new RateLimit({ clock, burst: 1, refillMs: ONE_ACCESS_MS, maxAddresses: 10_000 });
  const segmentRoute: StreamHandler<object, ServerContext> = {
    endpoint: readSegment as StreamHandler<object, ServerContext>['endpoint'],
    access: READ,
    contentType: 'application/octet-stream',
    async stream(context, caller, _request, params) {
      const entry = await requireEntry(context, caller, params['sid'], 'read');
      const number = Number(params['number']);
      const source = context.recordings.source(entry.session);
      const found = (await source.segments()).find((segment) => segment.number === number);
      if (found === undefined) throw new GatehouseError('NOT_FOUND', 'the recording has no such segment');
      await tellAccess(context, caller, entry, told);
      return Readable.from(source.open(number), { objectMode: false });
    },
  };

  let verifying = 0;
  const verifyRoute: Route = handler({
    endpoint: verifyRecording,
    access: READ,
    async handle(context: ServerContext, caller, _request, params) {
      const entry = await requireEntry(context, caller, params['sid'], 'read');
      if (verifying >= VERIFIED_AT_ONCE) {
        throw new GatehouseError('LIMIT_EXCEEDED', 'other recordings are being verified; try again shortly');
      }
      verifying += 1;
      try {
        return await verifyEntry(context, entry);
      } finally {
        verifying -= 1;
      }
    },
  });
  return [listRoute, getRoute, segmentRoute as Route, verifyRoute, deleteRoute];
}

/** To those who may not see it, a recording that exists looks like one that does not; who may not delete it is told so. */
async function requireEntry(
  context: ServerContext,
  caller: Caller,
  sid: string | undefined,
  verb: Verb,
): Promise<RecordingEntry> {
  const { guard } = context;
  const entry = sid !== undefined && isSessionId(sid) ? await context.recordings.get(sid) : undefined;
  const mayRead = entry !== undefined && guard.maySeeSession(caller, 'session', contextOf(entry));
  if (entry === undefined || !mayRead) {
    throw new GatehouseError('NOT_FOUND', 'there is no recording of this session');
  }
  if (guard.maySeeSession(caller, 'session', contextOf(entry), verb)) return entry;
  const reasons = [`no rule allows ${verb} on this session`];
  throw denial(context, caller, { action: verb, resource: `session/${entry.session}`, reasons });
}

async function tellAccess(
  context: ServerContext,
  caller: Caller,
  entry: RecordingEntry,
  told: RateLimit,
): Promise<void> {
  const { identity } = caller;
  const who = identity === undefined ? '' : identityName(identity);
  const isOwn = identity?.kind === 'user' && identity.impersonator === undefined && who === entry.meta?.user;
  const key = `${who} ${entry.session}`;
  if (isOwn || !told.take(key)) return;
  try {
    await context.audit.emitDurably({
      event: 'session.recording.access',
      sid: entry.session,
      ...actorOf(caller),
      participants: [...contextOf(entry).participants],
    });
  } catch (error) {
    // Nobody reads it unless that is on record.
    told.giveBack(key);
    throw error;
  }
}

async function verifyEntry(context: ServerContext, entry: RecordingEntry) {
  const head = await uploadedHead(context, entry.session);
  const report = await verify(context.recordings.source(entry.session), head === undefined ? {} : { head });
  return {
    ok: report.ok,
    segments: report.segments,
    bytes: report.bytes,
    anchored: head !== undefined,
    findings: report.findings.map(({ kind, segment, message }) => ({ finding: kind, segment, message })),
  };
}

/** The last segment as the audit log remembers it. */
async function uploadedHead(context: ServerContext, session: string): Promise<string | undefined> {
  let cursor: string | undefined;
  do {
    const page = await context.audit.search({
      from: 0,
      to: Number.MAX_SAFE_INTEGER,
      types: ['session.upload'],
      search: session,
      limit: 10,
      order: 'asc',
      cursor,
    });
    const found = page.events.find((event) => (event as AuditEvent & { sid?: string }).sid === session);
    if (found !== undefined) return (found as AuditEvent & { head?: string }).head;
    cursor = page.next;
  } while (cursor !== undefined);
  return undefined;
}
