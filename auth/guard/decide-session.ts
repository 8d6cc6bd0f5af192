// Who may see a session, live or recorded: those whose session it is, those whom a rule lets see it, and of live ones
// those who may join it. Apart from decide.ts because three words of rules speak of live sessions. Pure.
import type { AccessSet } from '#core/access/compile.ts';
import { joinModes } from '#core/access/join-sessions.ts';
import type { WhereContext } from '#core/access/predicates.ts';
import { decideResource } from '#core/access/rules.ts';
import type { Resource } from '#core/resource.ts';
import { participantsOf, sessionContext, type SessionSpec } from '#kinds/session/kind.ts';
import type { Verb } from './access.ts';
import type { Answer, Question } from './decide.ts';

const READING: readonly Verb[] = ['list', 'read'];
/** All of them speak of live sessions; of recordings only the first. */
const LIVE_WORDS = ['session', 'session_tracker', 'ssh_session'] as const;

/** Undefined for questions that are not about one session. */
export function decideSession(
  access: AccessSet,
  { kind, verb, resource, session }: Question,
): Answer | undefined {
  if (kind !== 'session') return undefined;
  if (resource !== undefined) return decideLiveSession(access, verb, resource as Resource<SessionSpec>);
  return session && decideRecording(access, verb, session);
}

function decideLiveSession(access: AccessSet, verb: Verb, live: Resource<SessionSpec>): Answer {
  const session = sessionContext(live);
  const found = LIVE_WORDS.map((kind) => decideResource(access, { kind, verb, session }));
  const denied = found.find(({ reasons }) => reasons.some(({ side }) => side === 'deny'));
  if (denied !== undefined) return { allowed: false, reasons: texts(denied.reasons) };
  const allowed = found.find((decision) => decision.allowed);
  if (allowed !== undefined) return { allowed: true, reasons: texts(allowed.reasons) };
  const isReading = READING.includes(verb);
  if (isReading && participantsOf(live).includes(access.subject.name)) return { allowed: true, reasons: [] };
  const { session_type: kind, host_roles: hostRoles } = live.spec;
  if (isReading && joinModes(access, { kind, hostRoles }).length > 0) return { allowed: true, reasons: [] };
  return {
    allowed: false,
    reasons: [...texts(found[0]?.reasons ?? []), 'no role lets the user join the session'],
  };
}

/** A recording: of one's own sessions always, unless a role denies it. */
function decideRecording(
  access: AccessSet,
  verb: Verb,
  session: NonNullable<WhereContext['session']>,
): Answer {
  const { allowed, reasons } = decideResource(access, { kind: 'session', verb, session });
  const isOwn = READING.includes(verb) && session.user === access.subject.name;
  const isDenied = reasons.some(({ side }) => side === 'deny');
  return { allowed: allowed || (isOwn && !isDenied), reasons: texts(reasons) };
}

const texts = (reasons: readonly { readonly text: string }[]): readonly string[] =>
  reasons.map(({ text }) => text);
