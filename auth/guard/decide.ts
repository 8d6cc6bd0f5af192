// May a caller of this standing do this to a resource? The one place where the rules of roles, the table of what
// members may read, and the limits that no role can lift come together. Pure.
import type { AccessSet } from '#core/access/compile.ts';
import { filterTargets, isVisible } from '#core/access/decide.ts';
import type { WhereContext } from '#core/access/predicates.ts';
import { couldAllow, decideResource, decideWhole, dependsOnResource } from '#core/access/rules.ts';
import type { SystemRole } from '#core/identity.ts';
import type { Kind } from '#core/kind.ts';
import type { Resource } from '#core/resource.ts';
import type { TokenSpec } from '#kinds/token/kind.ts';
import type { Verb } from './access.ts';
import { decideSession } from './decide-session.ts';
import { hostMay, userMayRead } from './host-access.ts';
import { labelled } from './labelled.ts';
import type { Standing } from './standing.ts';

export interface Answer {
  readonly allowed: boolean;
  /** For admins only. */
  readonly reasons: readonly string[];
}

export interface Question {
  /** A kind, or a word that rules use for something that is none, such as `event`. */
  readonly kind: string;
  readonly audience?: Kind['audience'] | undefined;
  readonly verb: Verb;
  /** About everything of the kind at once: rules with a condition allow nothing, and deny all. */
  readonly whole?: boolean | undefined;
  /** All left out: is there anything of the kind for which it would be allowed? */
  readonly resource?: Resource | undefined;
  /** For `event` and `session`: the session it is about. */
  readonly session?: WhereContext['session'] | undefined;
}

const YES: Answer = { allowed: true, reasons: [] };

/** What of a standing decides. */
export type Decider =
  | Extract<Standing, { who: 'admin' }>
  | Extract<Standing, { who: 'host' }>
  | Pick<Extract<Standing, { who: 'user' }>, 'who' | 'access'>;

export function decide(standing: Decider, question: Question): Answer {
  if (standing.who === 'admin') return YES;
  if (question.audience === 'internal') {
    return no(`${question.kind} is internal: only the local admin of the auth host may see it`);
  }
  if (question.verb !== 'delete' && makes('auth', question)) {
    return no('a token for the role auth is for the local admin of the auth host alone');
  }
  if (standing.who === 'user') return decideForUser(standing.access, question);
  const { roles } = standing.identity;
  if (question.session !== undefined) return no('hosts read no recordings and no events');
  if (roles.includes('operator') && makes('operator', question)) {
    return no(
      'a token for the role operator is not for operators: one that was taken over would stay for ever',
    );
  }
  if (hostMay(roles, question.kind, question.verb)) return YES;
  return no(`hosts of role ${roles.join(', ') || '(none)'} may not ${question.verb} ${question.kind}`);
}

/** The same question for many resources: those for which the answer is yes. */
export function visible(
  standing: Standing,
  question: Question,
  resources: Iterable<Resource>,
): Iterable<Resource> {
  if (isUnfiltered(standing, question.kind)) return resources;
  const by = labelled(question.kind);
  if (by === undefined || standing.who !== 'user' || hasConditions(standing.access, question.kind)) {
    return [...resources].filter((resource) => decide(standing, { ...question, resource }).allowed);
  }
  // There may be very many of them: what the rules say is the same for all, and only their labels differ.
  if (!decide(standing, question).allowed) return [];
  const targets = Array.from(resources, (resource) => ({ ...by.targetOf(resource), resource }));
  return filterTargets(standing.access, by.kind, targets).map(({ resource }) => resource);
}

/** True when the answer is the same for every resource of the kind. */
export function isUnfiltered(standing: Standing, kind: string): boolean {
  if (standing.who === 'admin') return true;
  // Of all hosts only operators read tokens, and not all of them.
  if (standing.who === 'host') return kind !== 'token';
  return !DIFFERING.includes(kind) && !hasConditions(standing.access, kind);
}

/** Kinds of which users see a part, whatever the rules say. */
const DIFFERING: readonly string[] = ['node', 'db_server', 'app_server', 'token', 'session'];

const hasConditions = (access: AccessSet, kind: string): boolean => dependsOnResource(access, kind, 'read');

function decideForUser(access: AccessSet, question: Question): Answer {
  const { kind, verb, resource, session } = question;
  const aboutSession = decideSession(access, question);
  if (aboutSession !== undefined) return aboutSession;
  const described = resource && { name: resource.metadata.name, labels: resource.metadata.labels };
  const byRules =
    question.whole === true
      ? decideWhole(access, kind, verb)
      : decideResource(access, { kind, verb, resource: described, session });
  const reasons = byRules.reasons.map((reason) => reason.text);
  if (userMayRead(kind, verb)) {
    const isDenied = byRules.reasons.some((reason) => reason.side === 'deny');
    return isDenied ? { allowed: false, reasons } : byTable(access, kind, resource);
  }
  if (byRules.allowed) return { allowed: true, reasons };
  // A rule with a condition cannot be judged without a resource: the list is then filtered one by one.
  const isOpen = question.whole !== true && resource === undefined && session === undefined;
  const isSome = isOpen && couldAllow(access, kind, verb);
  return { allowed: isSome, reasons };
}

/** What every user may read; of servers and targets those that the roles select. */
function byTable(access: AccessSet, kind: string, resource: Resource | undefined): Answer {
  const by = labelled(kind);
  if (by === undefined || resource === undefined) return YES;
  if (isVisible(access, by.kind, by.targetOf(resource))) return YES;
  return no(`no role of the user selects the labels of the ${kind}`);
}

/** Every client trusts a host of the role auth with its password: no role is worth that much. */
function makes(role: SystemRole, { kind, resource }: Question): boolean {
  return (
    kind === 'token' && (resource as Resource<TokenSpec> | undefined)?.spec.roles.includes(role) === true
  );
}

function no(reason: string): Answer {
  return { allowed: false, reasons: [reason] };
}
