// What a host may tell the audit log: events of the types that its system roles make, about itself. What it claims of
// users cannot be checked, so every such event says who told of it. Pure.
import { GatehouseError } from '#core/errors/error.ts';
import type { HostIdentity, SystemRole } from '#core/identity.ts';
import { CATALOGUE, type EventInput, type EventType } from '#events/catalogue.ts';
import { SESSION_EVENTS } from '#events/catalogue-session.ts';
import { parseEventInput } from '#events/check-event.ts';
import type { EventSpec } from '#events/fields.ts';

const REFUSALS: readonly EventType[] = ['auth', 'access.denied', 'session.rejected', 'audit.gap'];
/** Of the events of sessions, those that auth makes when it is asked for a recording. */
const OWN: readonly EventType[] = ['session.upload', 'session.recording.access', 'session.recording.delete'];

const ofSessions = (fits: (type: string) => boolean): ReadonlySet<EventType> => {
  const types = Object.keys(SESSION_EVENTS) as readonly (keyof typeof SESSION_EVENTS)[];
  return new Set([...REFUSALS, ...types.filter((type) => !OWN.includes(type) && fits(type))]);
};
const SSH = ofSessions((type) => !type.startsWith('app.') && !type.startsWith('db.'));

/** What is not here is made by auth alone: logins, certificates, changes of resources. */
const REPORTED: Readonly<Partial<Record<SystemRole, ReadonlySet<EventType>>>> = {
  node: SSH,
  proxy: SSH,
  app: ofSessions((type) => type.startsWith('app.')),
  db: ofSessions((type) => type.startsWith('db.')),
};

/** The roles of hosts that tell of anything. */
export const REPORTERS = Object.keys(REPORTED) as readonly SystemRole[];

/** Of all that are told: each has an id by which a repetition is known. */
export type ReportedEvent = EventInput & { readonly uid: string };

/**
 * The event as it goes into the log. ACCESS_DENIED (`message` for admins) when it is not the host's to tell,
 * BAD_REQUEST when it is no event of the catalogue or has no `uid`.
 */
export function acceptReport(identity: HostIdentity, document: unknown): ReportedEvent {
  const event = parseEventInput(document);
  const isTheirs = identity.roles.some((role) => REPORTED[role]?.has(event.event) === true);
  if (!isTheirs) {
    throw foreign(`hosts of role ${identity.roles.join(', ') || '(none)'} do not tell of ${event.event}`);
  }
  const { uid } = event;
  if (uid === undefined) {
    throw new GatehouseError('BAD_REQUEST', `event ${event.event}: field "uid" is missing`, {
      details: { field: 'uid' },
    });
  }
  const { host_id } = identity;
  const { server_id = host_id } = event as { readonly server_id?: string };
  // A proxy that records speaks of servers that have no agent.
  if (server_id !== host_id && !identity.roles.includes('proxy')) {
    throw foreign('server_id is not the id of the host that calls');
  }
  const about = hasServer(event.event) ? { server_id } : {};
  return { ...event, ...about, uid, reported_by: host_id } as ReportedEvent;
}

function hasServer(type: EventType): boolean {
  const { fields, optional }: EventSpec = CATALOGUE[type];
  return fields.includes('server_id') || optional.includes('server_id');
}

function foreign(why: string): GatehouseError {
  return new GatehouseError('ACCESS_DENIED', why);
}
