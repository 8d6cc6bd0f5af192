// Who must take part in somebody's sessions for them to go on: `require_session_join` of the roles. Every role that
// asks for company must have it; within one role any of its policies is enough. What a policy leaves out makes it
// stricter: it is about all kinds of session, asks for one moderator, and ends the session when that one leaves.
import type { AccessSet, CompiledRole } from './compile.ts';
import type { JoinMode } from './join-sessions.ts';
import { WILDCARD } from './pattern.ts';
import type { RequireJoinPolicy, Subject } from './role.ts';

/** What one role asks for. */
export interface JoinDuty {
  readonly role: string;
  readonly anyOf: readonly JoinRequirement[];
}

export interface JoinRequirement {
  readonly name: string;
  readonly count: number;
  /** Modes that count; `*` is any. */
  readonly modes: readonly string[];
  readonly onLeave: 'terminate' | 'pause';
  /** Whether this person counts at all. */
  readonly counts: (person: Subject) => boolean;
}

/** Somebody who takes part, beside the one whose session it is. */
export interface Attendant {
  readonly person: Subject;
  readonly mode: JoinMode;
  /** Who acts as that person, by impersonation. */
  readonly impersonator?: string | undefined;
}

/** What the roles of the subject ask for in its sessions of this kind (`ssh`); empty for most people. */
export function joinDuties(set: AccessSet, kind: string): readonly JoinDuty[] {
  return set.roles.flatMap((compiled) => {
    const anyOf = policiesOf(compiled)
      .filter(({ kinds }) => isAmong(kinds, kind))
      .map((policy) => requirementOf(set, policy));
    return anyOf.length === 0 ? [] : [{ role: compiled.role.name, anyOf }];
  });
}

/**
 * The duties that these people do not meet. Each person counts once, however often they joined, and the owner never:
 * not by another name that they took on, nor by somebody else in the owner's name.
 */
export function unmetDuties(
  duties: readonly JoinDuty[],
  attendants: readonly Attendant[],
  owner: { readonly name: string; readonly impersonator?: string | undefined },
): readonly JoinDuty[] {
  if (duties.length === 0) return duties;
  const owners = [owner.name, owner.impersonator];
  const others = attendants.filter(
    ({ person, impersonator }) =>
      !owners.includes(person.name) && (impersonator === undefined || !owners.includes(impersonator)),
  );
  return duties.filter(({ anyOf }) => !anyOf.some((requirement) => isMet(requirement, others)));
}

/** What becomes of a session that had company and lost it. */
export function actionOnLeave(unmet: readonly JoinDuty[]): 'terminate' | 'pause' {
  const pauses = unmet.every(({ anyOf }) => anyOf.every(({ onLeave }) => onLeave === 'pause'));
  return pauses ? 'pause' : 'terminate';
}

/** Such as `1 moderator (Auditor oversight)`; names of policies come from admins. */
export function describeDuty({ anyOf }: JoinDuty): string {
  return anyOf
    .map(({ name, count, modes }) => `${count} ${wordOf(modes)}${count > 1 ? 's' : ''} (${name})`)
    .join(' or ');
}

function wordOf(modes: readonly string[]): string {
  return modes.includes(WILDCARD) ? 'participant' : modes.join('/');
}

/** One who came twice as different modes counts by the mode that is asked for. A person who impersonates two is one. */
function isMet({ counts, modes, count }: JoinRequirement, others: readonly Attendant[]): boolean {
  const people = others
    .filter(({ mode, person }) => isAmong(modes, mode) && counts(person))
    .map(({ person, impersonator }) => impersonator ?? person.name);
  return new Set(people).size >= count;
}

/** Both sides ask for something: a deny that was meant as a duty must not open a door. */
function policiesOf({ role }: CompiledRole): readonly RequireJoinPolicy[] {
  return [...(role.allow.require_session_join ?? []), ...(role.deny.require_session_join ?? [])];
}

function requirementOf(set: AccessSet, policy: RequireJoinPolicy): JoinRequirement {
  const { name, filter = '', modes = [], count = 1, on_leave } = policy;
  const condition = filter.trim() === '' ? undefined : set.predicates.where(filter);
  return {
    name,
    count: Math.max(count, 1),
    modes: modes.length === 0 ? ['moderator'] : modes,
    onLeave: on_leave === 'pause' ? 'pause' : 'terminate',
    counts: (user) => condition?.({ user }) ?? true,
  };
}

const isAmong = (words: readonly string[] | undefined, word: string): boolean =>
  words === undefined || words.length === 0 || words.includes(WILDCARD) || words.includes(word);
