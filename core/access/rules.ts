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

type KindAndVerb = Pick<ResourceRequest, 'kind' | 'verb'>;

/** Decides one verb on one resource (on the kind as such when no resource is given: then `where` sees none). */
export function decideResource(set: AccessSet, request: ResourceRequest): Decision {
  const context: WhereContext = { ...request, user: set.subject };
  return decisionOf(set, request, judgeRules(set, request, context));
}

/**
 * Decides one verb on everything of a kind at once, or on what is no resource. A rule with a condition is about a part
 * of the kind: it allows nothing here, and denies all.
 */
export function decideWhole(set: AccessSet, kind: string, verb: Verb): Decision {
  const reasons = rulesOn(set, kind, verb).map((found) => {
    const counts = found.side === 'deny' || found.rule.where === undefined;
    return ruleReason(found, { kind, verb }, counts ? undefined : 'is about a part of the kind');
  });
  return decisionOf(set, { kind, verb }, reasons);
}

function decisionOf(set: AccessSet, request: KindAndVerb, reasons: readonly Reason[]): Decision {
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
  const rules = rulesOn(set, kind, verb);
  return (
    rules.some(({ side }) => side === 'allow') &&
    rules.every(({ side, rule }) => side === 'allow' || rule.where !== undefined)
  );
}

/** False when the answer of decideResource is the same for every resource of the kind: a list needs no filter. */
export function dependsOnResource(set: AccessSet, kind: string, verb: Verb): boolean {
  return rulesOn(set, kind, verb).some(({ rule }) => rule.where !== undefined);
}

/** What every rule that speaks of the kind and verb says, in order of the roles: for explanations. */
export function judgeRules(
  set: AccessSet,
  request: ResourceRequest,
  context: WhereContext,
): readonly Reason[] {
  return rulesOn(set, request.kind, request.verb).map((found) => {
    const { where } = found.rule;
    return ruleReason(found, request, where === undefined || where(context) ? undefined : 'is false');
  });
}

interface FoundRule {
  readonly role: string;
  readonly side: Side;
  readonly rule: CompiledRule;
}

/** The rules that speak of the kind and verb, in the order of the roles, denies of a role first. */
function rulesOn(set: AccessSet, kind: string, verb: Verb): readonly FoundRule[] {
  const found: FoundRule[] = [];
  for (const role of set.roles) {
    for (const side of ['deny', 'allow'] as const) {
      for (const rule of role[side].rules) {
        if (speaksOf(rule, side, kind, verb)) found.push({ role: role.role.name, side, rule });
      }
    }
  }
  return found;
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

/** `miss` says why the condition of the rule keeps it from counting. */
function ruleReason(
  { role, side, rule }: FoundRule,
  { kind, verb }: KindAndVerb,
  miss: string | undefined,
): Reason {
  const field = rule.where === undefined ? rule.at : `${rule.at}.where`;
  if (miss !== undefined) {
    const text = `role ${role} does not ${side} ${verb} on ${kind} here: ${side}.${field} ${miss}`;
    return { role, side: 'none', field, on: `${kind} ${verb}`, text };
  }
  const text = `role ${role} ${side === 'allow' ? 'allows' : 'denies'} ${verb} on ${kind} (${side}.${field})`;
  return { role, side, field, on: `${kind} ${verb}`, text };
}

function nothingAllows(set: AccessSet, { kind, verb }: KindAndVerb): Reason {
  const names = set.roles.map(({ role }) => role.name).join(', ');
  const who = names === '' ? 'the user has no roles' : `roles of the user: ${names.slice(0, 500)}`;
  return {
    side: 'none',
    field: 'rules',
    on: `${kind} ${verb}`,
    text: `no rule allows ${verb} on ${kind}; ${who}`,
  };
}
