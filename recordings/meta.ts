// What a recording says about itself: who, where, when, and how it ended. Apart from the format because stores, lists
// and players speak of it without reading another frame. Read leniently: a newer writer may know more fields.
import { GatehouseError } from '#core/errors/error.ts';
import { check, formatProblem } from '#core/schema/check.ts';
import * as s from '#core/schema/schema.ts';

/** `exec` is a command without a terminal; `database` has queries, as events. */
export const RECORDING_KINDS = ['interactive', 'exec', 'database'] as const;
export type RecordingKind = (typeof RECORDING_KINDS)[number];

/** Why there is nothing after the end: `interrupted` when the recording host died and its spool was found later. */
export const END_REASONS = ['closed', 'interrupted', 'failed'] as const;
export type EndReason = (typeof END_REASONS)[number];

const SESSION_ID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;
/** Longer commands are cut; the audit event has the whole one. */
export const MAX_COMMAND_CHARACTERS = 8192;
const MAX_PARTICIPANTS = 100;
const MAX_SHOWN = 200;

const MAX_NAME = 512;
const MAX_SIZE = 16;

const name = s.string({ maxLength: MAX_NAME });
const sessionId = s.string({ format: { says: 'a UUID in lower case', accepts: isSessionId } });

/** What the caller of openRecorder knows. Names are those of audit events. */
const facts = {
  user: name,
  login: name,
  server_id: name,
  server_hostname: name,
  cluster_name: name,
  /** Id of the host that records: the node itself, or a proxy. */
  recorded_by: name,
  protocol: s.enumOf(['ssh', 'postgres', 'app']),
  /** Of databases: the resource, and the database within the server. */
  db_service: s.optional(name),
  db_name: s.optional(name),
  command: s.optional(s.string({ maxLength: MAX_COMMAND_CHARACTERS })),
  term: s.optional(name),
  /** Columns and rows at the start, as `80:25`. */
  size: s.optional(s.string({ maxLength: MAX_SIZE })),
  'addr.remote': s.optional(name),
};

export type SessionFacts = s.InferFields<typeof facts>;

const meta = s.object({
  ...facts,
  sid: sessionId,
  kind: s.enumOf(RECORDING_KINDS),
  started_at: s.timestamp(),
});

/** The first frame of a recording. */
export type RecordingMeta = s.Infer<typeof meta>;

/** What the caller of `end` knows. */
const outcome = {
  exit_code: s.optional(s.integer({ max: 255 })),
  exit_signal: s.optional(s.string({ maxLength: 32 })),
  participants: s.optional(s.list(name, { max: MAX_PARTICIPANTS })),
};

export type SessionOutcome = s.InferFields<typeof outcome>;

const end = s.object({
  ...outcome,
  reason: s.enumOf(END_REASONS),
  ended_at: s.timestamp(),
  /** How many segments there are, the one that holds this frame included. */
  segments: s.integer({ min: 1 }),
  /** What the session wrote. These three are not there when the recording was interrupted: nobody knows. */
  output_bytes: s.optional(s.integer()),
  stderr_bytes: s.optional(s.integer()),
  /** Of the bytes above, those that are not in the recording, by design or for want of space. */
  omitted_bytes: s.optional(s.integer()),
});

/** The last frame of a recording. */
export type RecordingEnd = s.Infer<typeof end>;

/** True for a UUID in lower case: such a text is also safe as a name of files and objects. */
export function isSessionId(text: string): boolean {
  return SESSION_ID.test(text);
}

/** BAD_REQUEST unless the text is one. */
export function requireSessionId(text: string): void {
  if (isSessionId(text)) return;
  throw new GatehouseError('BAD_REQUEST', `"${text.slice(0, MAX_SHOWN)}" is not a session id (a UUID)`);
}

/** CORRUPT when it is not what the first frame holds. */
export function readMeta(value: unknown): RecordingMeta {
  return read(meta, value, 'start');
}

/** CORRUPT when it is not what the last frame holds. */
export function readEnd(value: unknown): RecordingEnd {
  return read(end, value, 'end');
}

/** The facts with texts cut to what a recording takes. */
export function fitFacts(given: SessionFacts): SessionFacts {
  const cut = Object.entries(given).map(([key, value]) => [
    key,
    value?.slice(0, key === 'command' ? MAX_COMMAND_CHARACTERS : key === 'size' ? MAX_SIZE : MAX_NAME),
  ]);
  return Object.fromEntries(cut) as SessionFacts;
}

/** The outcome, with as many participants as a recording takes. */
export function fitOutcome(given: SessionOutcome): SessionOutcome {
  const { participants } = given;
  if (participants === undefined) return given;
  return {
    ...given,
    participants: participants.slice(0, MAX_PARTICIPANTS).map((who) => who.slice(0, MAX_NAME)),
  };
}

function read<T>(schema: s.Schema<T>, value: unknown, frame: string): T {
  const checked = check(schema, onlyKnown(schema, value));
  if (checked.ok) return checked.value;
  const [problem] = checked.problems;
  const what = problem === undefined ? 'is not understood' : formatProblem(problem);
  throw new GatehouseError('CORRUPT', `the ${frame} frame of the recording: ${what}`);
}

function onlyKnown(schema: s.Schema<unknown>, value: unknown): unknown {
  if (typeof value !== 'object' || value === null || schema.node.type !== 'object') return value;
  const { fields } = schema.node;
  return Object.fromEntries(Object.entries(value).filter(([key]) => Object.hasOwn(fields, key)));
}
