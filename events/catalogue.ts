// The event catalogue: every type there is, and the TypeScript types made from it. A new event is one entry in the
// file of its theme; the reference page, the checks and the types follow.
import { CLUSTER_EVENTS } from './catalogue-cluster.ts';
import { IDENTITY_EVENTS } from './catalogue-identity.ts';
import { SESSION_EVENTS } from './catalogue-session.ts';
import { TARGET_EVENTS } from './catalogue-target.ts';
import { FIELDS, type EventSpec, type FieldName, type FieldSpec, type FieldValue } from './fields.ts';

export const CATALOGUE = {
  ...IDENTITY_EVENTS,
  ...SESSION_EVENTS,
  ...TARGET_EVENTS,
  ...CLUSTER_EVENTS,
} as const;

type Catalogue = typeof CATALOGUE;

export type EventType = keyof Catalogue;

/** What an emitter may add to any event. */
export interface EmitFields {
  /** Index within the session; 0 when left out. */
  readonly ei?: number | undefined;
  /** When it happened on the agent (RFC 3339), for events that reach the log later than that. */
  readonly occurred?: string | undefined;
  /** UUID the event already has: a relay that sends an event again passes the same, and the log keeps one. */
  readonly uid?: string | undefined;
  /** Id of the host that an event came from; set by auth alone. */
  readonly reported_by?: string | undefined;
}

/** What the emitter of an event of type `T` passes; the log adds the rest. */
export type EventInputOf<T extends EventType> = { readonly event: T } & EmitFields & {
    readonly [N in Catalogue[T]['fields'][number]]: FieldValue<N>;
  } & { readonly [N in Catalogue[T]['optional'][number]]?: FieldValue<N> | undefined };

export type EventInput = { [T in EventType]: EventInputOf<T> }[EventType];

/** What the log adds to each event. */
export interface Envelope {
  readonly code: string;
  /** UUID; unique for ever. */
  readonly uid: string;
  /** When the log took the event: RFC 3339 in UTC with milliseconds. */
  readonly time: string;
  readonly ei: number;
  readonly cluster_name: string;
  /** Who keeps this chain: the id of the auth server. */
  readonly writer: string;
  /** Number within the writer's chain, from 1, without gaps. */
  readonly seq: number;
  /** `hash` of the writer's event before this one; 64 zeros for the first. */
  readonly prev: string;
  /** SHA-256 (hex) over the canonical JSON of the event without this field. */
  readonly hash: string;
}

export type AuditEventOf<T extends EventType> = Omit<EventInputOf<T>, 'ei' | 'uid'> & Envelope;

/** An event as kept and as found by a search; discriminated by `event`. */
export type AuditEvent = { [T in EventType]: AuditEventOf<T> }[EventType];

export function isEventType(type: string): type is EventType {
  return Object.hasOwn(CATALOGUE, type);
}

/** The code an event gets: the failure code when it says `success: false` and its type has one. */
export function codeOf(event: { readonly event: EventType; readonly success?: unknown }): string {
  const codes: EventSpec['codes'] = CATALOGUE[event.event].codes;
  return event.success === false ? (codes.failed ?? codes.ok) : codes.ok;
}

/** Meaning and type of the fields of the envelope, for the reference page. */
export const ENVELOPE_FIELDS: Readonly<Record<'event' | keyof Envelope, FieldSpec>> = {
  event: { type: 'string', meaning: 'Event type.' },
  code: { type: 'string', meaning: 'Stable code; ends in I (information), W (warning) or E (error).' },
  uid: { type: 'string', meaning: 'Unique id of the event (UUID).' },
  time: { type: 'string', meaning: 'When the log took the event, RFC 3339 in UTC with milliseconds.' },
  ei: { type: 'integer', meaning: 'Index within the session.' },
  cluster_name: { type: 'string', meaning: 'Name of the cluster.' },
  writer: { type: 'string', meaning: 'Id of the auth server that keeps this chain.' },
  seq: { type: 'integer', meaning: 'Number within the chain, from 1, without gaps.' },
  prev: { type: 'string', meaning: "Hash of the writer's event before this one; 64 zeros for the first." },
  hash: { type: 'string', meaning: 'SHA-256 over the canonical JSON of the event without this field.' },
};

export interface EventReference {
  readonly type: EventType;
  readonly codes: readonly string[];
  readonly meaning: string;
  readonly fields: readonly {
    readonly name: FieldName;
    readonly optional: boolean;
    readonly spec: FieldSpec;
  }[];
}

/** The whole catalogue in reading order, for docs/reference/events.md. */
export function describeCatalogue(): readonly EventReference[] {
  return (Object.entries(CATALOGUE) as [EventType, EventSpec][]).map(([type, spec]) => ({
    type,
    codes: spec.codes.failed === undefined ? [spec.codes.ok] : [spec.codes.ok, spec.codes.failed],
    meaning: spec.meaning,
    fields: [
      ...spec.fields.map((name) => ({ name, optional: false, spec: FIELDS[name] as FieldSpec })),
      ...spec.optional.map((name) => ({ name, optional: true, spec: FIELDS[name] as FieldSpec })),
    ],
  }));
}
