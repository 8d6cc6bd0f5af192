// A session that is going on right now: who holds it, where, and who takes part. The host that carries it announces it;
// it is gone when the host says so, or some minutes after the host went silent. Recordings of past ones are no resources.
import type { WhereContext } from '#core/access/predicates.ts';
import { defineKind } from '#core/kind.ts';
import type { Resource } from '#core/resource.ts';
import * as s from '#core/schema/schema.ts';

export const SESSION_TYPES = ['ssh', 'k8s', 'db', 'app'] as const;
export const PARTICIPANT_MODES = ['peer', 'observer', 'moderator'] as const;
export type ParticipantMode = (typeof PARTICIPANT_MODES)[number];

const participant = s.object({
  user: s.string({ minLength: 1, maxLength: 253 }),
  mode: s.withDefault(s.enumOf(PARTICIPANT_MODES), 'peer'),
  joined: s.optional(s.timestamp()),
});

const spec = s.object({
  session_type: s.withDefault(s.enumOf(SESSION_TYPES), 'ssh'),
  state: s.withDefault(
    s.enumOf(['pending', 'running'], { description: 'Pending: it waits for those who must join it.' }),
    'running',
  ),
  host_id: s.string({
    minLength: 1,
    maxLength: 253,
    description: 'The host that carries the session: the agent, or a proxy that records.',
  }),
  user: s.string({ minLength: 1, maxLength: 253, description: 'Whose session it is.' }),
  login: s.withDefault(s.string({ maxLength: 253, description: 'Account on the target.' }), ''),
  server_id: s.string({ minLength: 1, maxLength: 253, description: 'The target.' }),
  server_hostname: s.withDefault(s.string({ maxLength: 253 }), ''),
  server_labels: s.optional(s.map(s.string({ maxLength: 1024 }), { max: 256 })),
  created: s.timestamp(),
  participants: s.withDefault(s.list(participant, { max: 100, description: 'Who takes part now.' }), []),
  initial_command: s.withDefault(s.list(s.string({ maxLength: 4096 }), { single: true, max: 64 }), []),
  interactive: s.withDefault(s.boolean({ description: 'It has a terminal.' }), true),
  moderated: s.withDefault(s.boolean({ description: 'Others must take part for it to go on.' }), false),
  host_roles: s.withDefault(
    s.list(s.string({ maxLength: 253 }), {
      max: 256,
      description: 'Roles of its user: who may join is decided by them.',
    }),
    [],
  ),
});

export type SessionSpec = s.Infer<typeof spec>;

const UUID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

export const sessionKind = defineKind<SessionSpec>({
  name: 'session',
  aliases: ['session_tracker', 'ssh_session'],
  audience: 'presence',
  description: 'A session that is going on; its name is the session id.',
  versions: ['v1'],
  spec,
  columns: [
    { title: 'ID', value: (session) => session.metadata.name },
    { title: 'Kind', value: (session) => session.spec.session_type },
    { title: 'Created', value: (session) => session.spec.created },
    { title: 'Hostname', value: (session) => session.spec.server_hostname || session.spec.server_id },
    { title: 'Login', value: (session) => session.spec.login },
    { title: 'User', value: (session) => session.spec.user },
    { title: 'Participants', value: (session) => participantsOf(session).join(',') },
    { title: 'State', value: (session) => session.spec.state },
  ],
  check: (session) =>
    UUID.test(session.metadata.name)
      ? []
      : [{ path: ['metadata', 'name'], message: 'must be the id of the session, a UUID in lower case' }],
});

/** Everybody in it, whose session it is first, each once. */
export function participantsOf({ spec: { user, participants } }: Resource<SessionSpec>): readonly string[] {
  return [...new Set([user, ...participants.map((one) => one.user)])];
}

/** The session as conditions of roles see it. */
export function sessionContext(session: Resource<SessionSpec>): NonNullable<WhereContext['session']> {
  const { user, login, server_labels: labels } = session.spec;
  return { user, login, participants: participantsOf(session), ...(labels === undefined ? {} : { labels }) };
}
