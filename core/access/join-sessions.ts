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
  const allowed = new Set<string>();
  const denied = new Set<string>();
  for (const { role } of set.roles) {
    for (const policy of role.allow.join_sessions ?? []) {
      const { kinds = [], modes = [] } = policy;
      if (names(kinds, request.kind) && isAbout(set, policy, request))
        modes.forEach((mode) => allowed.add(mode));
    }
    for (const policy of role.deny.join_sessions ?? []) {
      const kinds = orAll(policy.kinds);
      const isHit = policy.roles === undefined || isAbout(set, policy, request);
      if (names(kinds, request.kind) && isHit) orAll(policy.modes).forEach((mode) => denied.add(mode));
    }
  }
  return JOIN_MODES.filter((mode) => names([...allowed], mode) && !names([...denied], mode));
}

function isAbout(set: AccessSet, { roles }: JoinPolicy, { hostRoles }: JoinRequest): boolean {
  const patterns = expandNames(roles ?? [], set.subject.traits, set.predicates.patterns);
  return hostRoles.some((role) => patterns.some((pattern) => pattern.test(role)));
}

const names = (words: readonly string[], word: string): boolean =>
  words.includes(WILDCARD) || words.includes(word);

const orAll = (words: readonly string[] | undefined): readonly string[] =>
  words === undefined || words.length === 0 ? [WILDCARD] : words;
