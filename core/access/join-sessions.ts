// Who may take part in whose sessions: `join_sessions` of the roles. The deny side is greedy, and a policy that leaves
// out what it is about allows nothing and denies everything.
import type { AccessSet } from './compile.ts';
import { expandNames } from './matchers.ts';
import { WILDCARD } from './pattern.ts';
import type { JoinPolicy } from './role.ts';

export const JOIN_MODES = ['observer', 'moderator', 'peer'] as const;
export type JoinMode = (typeof JOIN_MODES)[number];

export interface JoinRequest {
  /** ssh, k8s and so on. */
  readonly kind: string;
  /** Roles of the person whose session it is. */
  readonly hostRoles: readonly string[];
}

/** As what the subject of the set may join such a session; empty when not at all. */
export function joinModes(set: AccessSet, request: JoinRequest): readonly JoinMode[] {
  const allowed = set.roles.flatMap(({ role }) => allowedBy(set, role.allow.join_sessions ?? [], request));
  if (allowed.length === 0) return [];
  const denied = set.roles.flatMap(({ role }) => deniedBy(set, role.deny.join_sessions ?? [], request));
  return JOIN_MODES.filter((mode) => names(allowed, mode) && !names(denied, mode));
}

function allowedBy(set: AccessSet, policies: readonly JoinPolicy[], request: JoinRequest): readonly string[] {
  return policies
    .filter((policy) => names(policy.kinds ?? [], request.kind) && isAbout(set, policy, request))
    .flatMap(({ modes }) => modes ?? []);
}

function deniedBy(set: AccessSet, policies: readonly JoinPolicy[], request: JoinRequest): readonly string[] {
  return policies
    .filter(({ kinds }) => names(orAll(kinds), request.kind))
    .filter((policy) => policy.roles === undefined || isAbout(set, policy, request))
    .flatMap(({ modes }) => orAll(modes));
}

function isAbout(set: AccessSet, { roles }: JoinPolicy, { hostRoles }: JoinRequest): boolean {
  const patterns = expandNames(roles ?? [], set.subject.traits, set.predicates.patterns);
  return hostRoles.some((role) => patterns.some((pattern) => pattern.test(role)));
}

const names = (words: readonly string[], word: string): boolean =>
  words.includes(WILDCARD) || words.includes(word);

const orAll = (words: readonly string[] | undefined): readonly string[] =>
  words === undefined || words.length === 0 ? [WILDCARD] : words;
