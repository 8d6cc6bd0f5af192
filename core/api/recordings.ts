// Calls on recordings of sessions: hosts upload segments, people list, read, check and delete.
import * as s from '../schema/schema.ts';
import { endpoint } from './endpoint.ts';

/** As the format has it: a segment is never larger. */
export const MAX_SEGMENT_UPLOAD = 8 * 1024 * 1024;
export const MAX_UPLOADED_WHOLE = 64;
/** 4 MiB of segments as base64, and what is around them. */
export const MAX_WHOLE_BODY = 6 * 1024 * 1024;

const sha256 = s.string({ minLength: 64, maxLength: 64 });
const sid = s.string({ maxLength: 64 });

export const putSegment = endpoint({
  method: 'PUT',
  path: '/v1/recordings/:sid/segments/:number',
  says: 'One segment of a recording, as the body; the fields are in the query. May be repeated; the first host owns the session.',
  body: 'bytes',
  request: s.object({ sha256 }),
  reply: s.object({}),
});

export const completeRecording = endpoint({
  method: 'POST',
  path: '/v1/recordings/:sid/complete',
  says: 'Says that nothing more of a recording comes. May be repeated.',
  request: s.object({
    segments: s.integer({ min: 1, max: 1_000_000 }),
    /** SHA-256 of the last segment. */
    head: sha256,
    /** Segments that are lost on the host. */
    missing: s.withDefault(s.list(s.integer({ min: 1, max: 1_000_000 }), { max: 10_000 }), []),
  }),
  reply: s.object({}),
});

export const putWholeRecordings = endpoint({
  method: 'POST',
  path: '/v1/recordings',
  says: 'Whole recordings of one segment each, as commands without a terminal have them. May be repeated.',
  request: s.object({
    recordings: s.list(
      s.object({ sid, sha256, segment: s.string({ maxLength: MAX_WHOLE_BODY, description: 'Base64.' }) }),
      { max: MAX_UPLOADED_WHOLE },
    ),
  }),
  reply: s.object({}),
});

const recording = s.object({
  sid: s.string(),
  /** `recording` while more may come; else how it ended: closed, interrupted or failed. */
  status: s.string(),
  /** Id of the host that uploaded it. */
  owner: s.string(),
  started: s.timestamp(),
  ended: s.optional(s.timestamp()),
  kind: s.optional(s.string()),
  user: s.optional(s.string()),
  login: s.optional(s.string()),
  server_id: s.optional(s.string()),
  server_hostname: s.optional(s.string()),
  command: s.optional(s.string()),
  participants: s.withDefault(s.list(s.string()), []),
  exit_code: s.optional(s.integer()),
  segments: s.integer(),
  bytes: s.integer(),
  missing: s.withDefault(s.list(s.integer()), []),
});
export type Recording = s.Infer<typeof recording>;

export const listRecordings = endpoint({
  method: 'GET',
  path: '/v1/recordings',
  says: 'Recordings that the caller may see, newest first: of its own sessions, and those that a rule on `session` shows.',
  request: s.object({
    from: s.optional(s.timestamp()),
    to: s.optional(s.timestamp()),
    user: s.optional(s.string({ maxLength: 253 })),
    server_id: s.optional(s.string({ maxLength: 253 })),
    /** `exec` is a command without a terminal. */
    kind: s.optional(s.enumOf(['interactive', 'exec', 'database'])),
    limit: s.withDefault(s.integer({ min: 1, max: 1000 }), 100),
    cursor: s.optional(s.string({ maxLength: 4096 })),
  }),
  reply: s.object({ recordings: s.list(recording, { max: 1000 }), next: s.optional(s.string()) }),
});

export const getRecording = endpoint({
  method: 'GET',
  path: '/v1/recordings/:sid',
  says: 'One recording, with the segments that are there.',
  request: s.object({}),
  reply: s.object({
    recording,
    segments: s.list(s.object({ number: s.integer(), bytes: s.integer() }), { max: 1_000_000 }),
  }),
});

export const readSegment = endpoint({
  method: 'GET',
  path: '/v1/recordings/:sid/segments/:number',
  says: 'The bytes of one segment. That somebody else’s session is read is on record.',
  request: s.object({}),
  reply: s.json() as s.Schema<unknown>,
});

export const verifyRecording = endpoint({
  method: 'POST',
  path: '/v1/recordings/:sid/verify',
  says: 'Checks that every segment is there and unchanged, up to the end, and the one that the audit log remembers.',
  request: s.object({}),
  reply: s.object({
    ok: s.boolean(),
    segments: s.integer(),
    bytes: s.integer(),
    /** Whether the audit log knows the last segment, so that a recording made anew as a whole is found. */
    anchored: s.boolean(),
    findings: s.list(s.object({ finding: s.string(), segment: s.integer(), message: s.string() })),
  }),
});

export const deleteRecording = endpoint({
  method: 'DELETE',
  path: '/v1/recordings/:sid',
  says: 'Removes a recording for good; that is on record.',
  request: s.object({}),
  reply: s.object({}),
});
