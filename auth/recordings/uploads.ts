// The calls by which hosts upload recordings. What a segment is, and whose, the store learns from its bytes; the host is
// known by its certificate. That a recording is complete is an event, with the hash that vouches for all of it.
import { createHash } from 'node:crypto';
import {
  completeRecording,
  MAX_SEGMENT_UPLOAD,
  MAX_WHOLE_BODY,
  putSegment,
  putWholeRecordings,
} from '#core/api/recordings.ts';
import { GatehouseError, isCode } from '#core/errors/error.ts';
import type { SystemRole } from '#core/identity.ts';
import { timestampOf } from '#core/timestamp.ts';
import type { EventInput } from '#events/catalogue.ts';
import type { RecordingEntry } from '#recordings/store.ts';
import type { Caller } from '../guard/caller.ts';
import { denial } from '../guard/refusals.ts';
import type { KnownEvents } from '../reports/known.ts';
import { handler, type UploadHandler } from '../routes/handler.ts';
import type { Route, ServerContext } from '../routes/server-context.ts';

const RECORDERS: readonly SystemRole[] = ['node', 'proxy', 'app', 'db'];
/** Of 8 MiB each. */
const SEGMENTS_AT_ONCE = 16;

const segmentRoute: UploadHandler<{ readonly sha256: string }, object, ServerContext> = {
  endpoint: putSegment,
  access: { to: 'host', roles: RECORDERS },
  bodyLimit: MAX_SEGMENT_UPLOAD,
  mostAtOnce: SEGMENTS_AT_ONCE,
  async upload(context, caller, { sha256 }, params, bytes) {
    const session = params['sid'] ?? '';
    const upload = { session, number: numberOf(params['number']), sha256, bytes };
    await asOwner(context, caller, session, (owner) => context.recordings.putSegment(owner, upload));
    return {};
  },
};

/** `known` is what the server has told already. */
export function uploadRoutes(known: (context: ServerContext) => KnownEvents): readonly Route[] {
  const tell = async (context: ServerContext, entries: readonly RecordingEntry[]): Promise<void> => {
    const events = known(context);
    await events.ready();
    const fresh = entries.map(uploadedEvent).filter(({ uid }) => !events.has(uid));
    await Promise.all(fresh.map((event) => context.audit.emitDurably(event)));
    for (const { uid } of fresh) events.add(uid);
  };

  const completeRoute = handler({
    endpoint: completeRecording,
    access: { to: 'host', roles: RECORDERS },
    async handle(context: ServerContext, caller, request, params) {
      const session = params['sid'] ?? '';
      const entry = await asOwner(context, caller, session, (owner) =>
        context.recordings.complete(owner, { session, ...request }),
      );
      await tell(context, [entry]);
      return {};
    },
  });

  const wholeRoute = handler({
    endpoint: putWholeRecordings,
    access: { to: 'host', roles: RECORDERS },
    bodyLimit: MAX_WHOLE_BODY,
    async handle(context: ServerContext, caller, { recordings }) {
      const uploads = recordings.map(({ sid, sha256, segment }) => ({
        session: sid,
        sha256,
        bytes: Buffer.from(segment, 'base64'),
      }));
      const sessions = uploads.map(({ session }) => session).join(' ');
      const entries = await asOwner(context, caller, sessions, (owner) =>
        context.recordings.putWhole(owner, uploads),
      );
      await tell(context, entries);
      return {};
    },
  });

  return [segmentRoute as Route, completeRoute as Route, wholeRoute as Route];
}

/** ACCESS_DENIED of the store is a denial like any other: the host learns its id, an admin the reason. */
async function asOwner<T>(
  context: ServerContext,
  caller: Caller,
  session: string,
  work: (owner: string) => Promise<T>,
): Promise<T> {
  const { identity } = caller;
  if (identity?.kind !== 'host') throw new GatehouseError('ACCESS_DENIED', 'only hosts upload recordings');
  try {
    return await work(identity.host_id);
  } catch (error) {
    if (!isCode(error, 'ACCESS_DENIED')) throw error;
    const resource = `session/${session.slice(0, 64)}`;
    throw denial(context, caller, { action: 'upload', resource, reasons: [error.message] });
  }
}

function numberOf(text: string | undefined): number {
  if (text !== undefined && /^[1-9]\d{0,6}$/.test(text)) return Number(text);
  throw new GatehouseError('BAD_REQUEST', 'the number of a segment is a whole number from 1');
}

/** Always the same for the same recording: however often it is told, it is kept once. */
function uploadedEvent(entry: RecordingEntry): EventInput & { readonly uid: string } {
  const { session, owner, status, meta, participants, started, ended, segments, bytes, head } = entry;
  const about =
    meta === undefined
      ? {}
      : {
          user: meta.user,
          login: meta.login,
          server_id: meta.server_id,
          server_hostname: meta.server_hostname,
          interactive: meta.kind === 'interactive',
        };
  return {
    event: 'session.upload',
    uid: uidOf(session, head ?? ''),
    sid: session,
    ...about,
    participants,
    start_time: timestampOf(started),
    ...(ended === undefined ? {} : { end_time: timestampOf(ended) }),
    segments,
    len: bytes,
    head,
    reason: status,
    reported_by: owner,
  };
}

function uidOf(session: string, head: string): string {
  const hash = createHash('sha256').update(`session.upload ${session} ${head}`).digest('hex');
  return [
    hash.slice(0, 8),
    hash.slice(8, 12),
    `8${hash.slice(13, 16)}`,
    `8${hash.slice(17, 20)}`,
    hash.slice(20, 32),
  ].join('-');
}
