// May this user do this with resources of a kind? `rules` of the roles, deny first. A rule without `where` speaks of
// the whole kind; one with `where` of the resources for which it is true.
import type { AccessSet, CompiledRule, Side } from './compile.ts';
import type { WhereContext } from './predicates.ts';
import { MAX_REASONS, type Decision, type Reason } from './reason.ts';
import { WILDCARD } from './pattern.ts';

export const VERBS = [
  'list',
  'create',
  'read',
  'readnosecrets',
  'update',
  'delete',
  'rotate',
  'use',
  'enroll',
  'create_enroll_token',
] as const;
export type Verb = (typeof VERBS)[number];

/** A rule on the left speaks of the kinds on the right as well. */
const COVERS: Readonly<Record<string, readonly string[]>> = {
  connector: ['auth_connector', 'oidc', 'saml', 'github'],
  auth_connector: ['oidc', 'saml', 'github', 'connector'],
  cluster_config: [
    'cluster_auth_preference',
    'cluster_networking_config',
    'session_recording_config',
    'cluster_audit_config',
    'cluster_maintenance_config',
  ],
};

/** `read` gives what `readnosecrets` gives, and more. A denied `readnosecrets` denies `read`. */
const IMPLIED_BY: Readonly<Record<Side, Readonly<Partial<Record<Verb, Verb>>>>> = {
  allow: { readnosecrets: 'read' },
  deny: { read: 'readnosecrets' },
};

export interface ResourceRequest extends Omit<WhereContext, 'user'> {
  /** The kind's name, such as role or session. */
  readonly kind: string;
  readonly verb: Verb;
}

/** Decides one verb on one resource (on the kind as such when no resource is given: then `where` sees none). */
export function decideResource(set: AccessSet, request: ResourceRequest): Decision {
  const context: WhereContext = { ...request, user: set.subject };
  const reasons = judgeRules(set, request, context);
  const denials = reasons.filter((reason) => reason.side === 'deny');
  if (denials.length > 0) return { allowed: false, reasons: denials.slice(0, MAX_REASONS) };
  const grants = reasons.filter((reason) => reason.side === 'allow');
  if (grants.length > 0) return { allowed: true, reasons: grants.slice(0, MAX_REASONS) };
  return { allowed: false, reasons: [nothingAllows(set, request), ...reasons].slice(0, MAX_REASONS) };
}

/**
 * True when there may be resources of the kind for which decideResource says yes: a list may start, and must then ask
 * decideResource for each resource. Never use it to allow anything by itself.
 */
export function couldAllow(set: AccessSet, kind: string, verb: Verb): boolean {
  const matching = (side: Side): CompiledRule[] =>
    set.roles.flatMap((role) => role[side].rules.filter((rule) => speaksOf(rule, side, kind, verb)));
  return matching('allow').length > 0 && matching('deny').every((rule) => rule.where !== undefined);
}

/** False when the answer of decideResource is the same for every resource of the kind: a list needs no filter. */
export function dependsOnResource(set: AccessSet, kind: string, verb: Verb): boolean {
  return set.roles.some((role) =>
    (['allow', 'deny'] as const).some((side) =>
      role[side].rules.some((rule) => rule.where !== undefined && speaksOf(rule, side, kind, verb)),
    ),
  );
}

/** What every rule that speaks of the kind and verb says, in order of the roles: for explanations. */
export function judgeRules(
  set: AccessSet,
  request: ResourceRequest,
  context: WhereContext,
): readonly Reason[] {
  const reasons: Reason[] = [];
  for (const role of set.roles) {
    for (const side of ['deny', 'allow'] as const) {
      for (const rule of role[side].rules) {
        if (!speaksOf(rule, side, request.kind, request.verb)) continue;
        reasons.push(ruleReason(role.role.name, side, rule, request, context));
      }
    }
  }
  return reasons;
}

function speaksOf(rule: CompiledRule, side: Side, kind: string, verb: Verb): boolean {
  const implied = IMPLIED_BY[side][verb];
  const verbs =
    rule.verbs.has(WILDCARD) || rule.verbs.has(verb) || (implied !== undefined && rule.verbs.has(implied));
  return verbs && (rule.resources.has(WILDCARD) || rule.resources.has(kind) || covers(rule, kind));
}

function covers(rule: CompiledRule, kind: string): boolean {
  return Object.entries(COVERS).some(([name, kinds]) => rule.resources.has(name) && kinds.includes(kind));
}

function ruleReason(
  role: string,
  side: Side,
  rule: CompiledRule,
  { kind, verb }: ResourceRequest,
  context: WhereContext,
): Reason {
  const field = rule.where === undefined ? rule.at : `${rule.at}.where`;
  if (rule.where !== undefined && !rule.where(context)) {
    const text = `role ${role} does not ${side} ${verb} on ${kind} here: ${side}.${field} is false`;
    return { role, side: 'none', field, on: `${kind} ${verb}`, text };
  }
  const text = `role ${role} ${side === 'allow' ? 'allows' : 'denies'} ${verb} on ${kind} (${side}.${field})`;
  return { role, side, field, on: `${kind} ${verb}`, text };
}

function nothingAllows(set: AccessSet, { kind, verb }: ResourceRequest): Reason {
  const names = set.roles.map(({ role }) => role.name).join(', ');
  const who = names === '' ? 'the user has no roles' : `roles of the user: ${names.slice(0, 500)}`;
  return {
    side: 'none',
    field: 'rules',
    on: `${kind} ${verb}`,
    text: `no rule allows ${verb} on ${kind}; ${who}`,
  };
}
