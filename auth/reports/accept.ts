// What a host may tell the audit log: events of the types that its system roles make, about itself. What it claims of
// users cannot be checked, so every such event says who told of it. Pure.
import { GatehouseError } from '#core/errors/error.ts';
import type { HostIdentity, SystemRole } from '#core/identity.ts';
import { CATALOGUE, type EventInput, type EventType } from '#events/catalogue.ts';
import { SESSION_EVENTS } from '#events/catalogue-session.ts';
import { TARGET_EVENTS } from '#events/catalogue-target.ts';
import { parseEventInput } from '#events/check-event.ts';
import type { EventSpec } from '#events/fields.ts';

const REFUSALS: readonly EventType[] = ['auth', 'access.denied', 'session.rejected', 'audit.gap'];
/** Of the events of sessions, those that auth makes when it is asked for a recording. */
const OWN: readonly EventType[] = ['session.upload', 'session.recording.access', 'session.recording.delete'];

const SSH: ReadonlySet<EventType> = new Set([
  ...REFUSALS,
  ...(Object.keys(SESSION_EVENTS) as readonly EventType[]).filter((type) => !OWN.includes(type)),
]);

/** What happens to every session: it is cut, or its recording fails. */
const ANY_SESSION: readonly EventType[] = ['client.disconnect', 'recording.failed'];
const ofTargets = (service: 'app' | 'db'): ReadonlySet<EventType> => {
  const types = Object.keys(TARGET_EVENTS) as readonly EventType[];
  return new Set([...REFUSALS, ...ANY_SESSION, ...types.filter((type) => type.startsWith(`${service}.`))]);
};

/** What is not here is made by auth alone: logins, certificates, changes of resources. */
const REPORTED: Readonly<Partial<Record<SystemRole, ReadonlySet<EventType>>>> = {
  node: SSH,
  proxy: SSH,
  app: ofTargets('app'),
  db: ofTargets('db'),
};

/** The roles of hosts that tell of anything. */
export const REPORTERS = Object.keys(REPORTED) as readonly SystemRole[];

/** Of all that are told: each has an id by which a repetition is known. */
export type ReportedEvent = EventInput & { readonly uid: string };

/** Where a session that is going on runs; undefined when none of this id is known. */
export type PlaceOf = (sid: string) => { readonly host_id: string; readonly server_id: string } | undefined;

/** Ids that auth makes of what an event says are of this version: nobody may take one of them beforehand. */
const MADE_BY_AUTH = /^.{14}8/;

/**
 * The event as it goes into the log. ACCESS_DENIED (`message` for admins) when it is not the host's to tell,
 * BAD_REQUEST when it is no event of the catalogue or has no `uid` of a host's.
 */
export function acceptReport(identity: HostIdentity, document: unknown, placeOf: PlaceOf): ReportedEvent {
  const event = parseEventInput(document);
  const isTheirs = identity.roles.some((role) => REPORTED[role]?.has(event.event) === true);
  if (!isTheirs) {
    throw foreign(`hosts of role ${identity.roles.join(', ') || '(none)'} do not tell of ${event.event}`);
  }
  const uid = requireUid(event);
  const { host_id } = identity;
  const { server_id = host_id, sid = '' } = event as { readonly server_id?: string; readonly sid?: string };
  // A proxy that records speaks of servers that have no agent.
  if (!identity.roles.includes('proxy')) requireOwnPlace(host_id, server_id, placeOf(sid));
  const about = hasServer(event.event) ? { server_id } : {};
  return { ...event, ...about, uid, reported_by: host_id } as ReportedEvent;
}

function requireUid({ event, uid }: EventInput): string {
  if (uid !== undefined && !MADE_BY_AUTH.test(uid)) return uid;
  const what = uid === undefined ? 'is missing' : "is of version 8, which is not a host's";
  throw new GatehouseError('BAD_REQUEST', `event ${event}: field "uid" ${what}`, {
    details: { field: 'uid' },
  });
}

function requireOwnPlace(hostId: string, serverId: string, session: ReturnType<PlaceOf>): void {
  if (serverId !== hostId) throw foreign('server_id is not the id of the host that calls');
  if (session === undefined || session.host_id === hostId || session.server_id === hostId) return;
  throw foreign('the session goes on at another host');
}

function hasServer(type: EventType): boolean {
  const { fields, optional }: EventSpec = CATALOGUE[type];
  return fields.includes('server_id') || optional.includes('server_id');
}

function foreign(why: string): GatehouseError {
  return new GatehouseError('ACCESS_DENIED', why);
}
