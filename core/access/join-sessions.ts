// Who may take part in whose sessions: `join_sessions` of the roles. The deny side is greedy, and a policy that leaves
// out what it is about allows nothing and denies everything. Who must take part is in require-join.ts.
import type { AccessSet } from './compile.ts';
import { expandNames } from './matchers.ts';
import { mergeTargetOptions } from './options.ts';
import { WILDCARD } from './pattern.ts';
import { quote, type Decision, type Reason, type TargetDecision } from './reason.ts';
import type { JoinPolicy } from './role.ts';

export const JOIN_MODES = ['observer', 'moderator', 'peer'] as const;
export type JoinMode = (typeof JOIN_MODES)[number];

/** As what one may join one's own session without any role that says so. */
const OWN_MODES: readonly JoinMode[] = ['observer', 'peer'];

export interface JoinRequest {
  /** ssh, k8s and so on. */
  readonly kind: string;
  /** Roles of the person whose session it is. */
  readonly hostRoles: readonly string[];
  /** It is the session of the subject: only a deny keeps one out of it. */
  readonly isOwn?: boolean;
}

/** As what the subject of the set may join such a session; empty when not at all. */
export function joinModes(set: AccessSet, request: JoinRequest): readonly JoinMode[] {
  const allowed = set.roles.flatMap(({ role }) => allowedBy(set, role.allow.join_sessions ?? [], request));
  if (request.isOwn === true) allowed.push(...OWN_MODES);
  if (allowed.length === 0) return [];
  const denied = set.roles.flatMap(({ role }) => deniedBy(set, role.deny.join_sessions ?? [], request));
  return JOIN_MODES.filter((mode) => names(allowed, mode) && !names(denied, mode));
}

/** The same for one mode, with reasons for admins. */
export function decideJoin(set: AccessSet, request: JoinRequest, mode: JoinMode): Decision {
  const denying = set.roles.filter(({ role }) =>
    names(deniedBy(set, role.deny.join_sessions ?? [], request), mode),
  );
  if (denying.length > 0) {
    return { allowed: false, reasons: denying.map(({ role }) => reasonOf(role.name, 'deny', mode)) };
  }
  const allowing = set.roles.filter(({ role }) =>
    names(allowedBy(set, role.allow.join_sessions ?? [], request), mode),
  );
  if (allowing.length > 0) {
    return { allowed: true, reasons: allowing.map(({ role }) => reasonOf(role.name, 'allow', mode)) };
  }
  const isOwn = request.isOwn === true && OWN_MODES.includes(mode);
  const text = isOwn
    ? 'it is the own session of the user'
    : `no role lets the user join sessions of ${request.hostRoles.slice(0, 8).map(quote).join(', ') || 'no roles'} as ${mode}`;
  return { allowed: isOwn, reasons: [{ side: 'none', field: 'join_sessions', text }] };
}

/**
 * May the subject come to a host only to join sessions there? Whoever has a role may ask; each session is decided by
 * itself (decideJoin). The options are those of the roles that let join.
 */
export function decideGuest(set: AccessSet): TargetDecision {
  const helping = set.roles.filter(({ role }) => (role.allow.join_sessions ?? []).length > 0);
  const options = { ...set.options, ...mergeTargetOptions(helping.map(({ role }) => role.options)) };
  const allowed = set.roles.length > 0;
  const text = allowed ? 'sessions are joined by their own rules' : 'the user has no roles';
  return { allowed, reasons: [{ side: 'none', field: 'join_sessions', text }], options, roles: [] };
}

function reasonOf(role: string, side: 'allow' | 'deny', mode: JoinMode): Reason {
  const verb = side === 'allow' ? 'lets' : 'forbids';
  const text = `role ${quote(role)} ${verb} ${side === 'allow' ? '' : 'to '}join as ${mode} (join_sessions)`;
  return { role, side, field: 'join_sessions', on: mode, text };
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
