// May this user reach this target, as this account? Deny wins over everything; then one role must select the target
// and grant every name that was asked. Pure: locks, MFA and the rest of a session's conditions come in the options.
import type { AccessSet, CompiledRole } from './compile.ts';
import { hasBit } from './labels.ts';
import { mergeTargetOptions } from './options.ts';
import { principalProblem } from './principals.ts';
import { MAX_REASONS, quote, type Reason, type TargetDecision } from './reason.ts';
import type { PrincipalField } from './role.ts';
import {
  claimsOf,
  TARGET_KINDS,
  type Claim,
  type Target,
  type TargetKind,
  type TargetRequest,
} from './target.ts';
import { denials, grantsName, hasName, judge } from './verdict.ts';

/** A login on a server. */
export function decideSsh(set: AccessSet, request: { node: Target; login: string }): TargetDecision {
  return decideTarget(set, { kind: 'node', target: request.node, login: request.login });
}

/** Any target; see TargetRequest for what must be named. Never throws for what users or agents control. */
export function decideTarget(set: AccessSet, request: TargetRequest): TargetDecision {
  const groups = claimsOf(request);
  const claims = groups.flat();
  const bad = claims.find((claim) => principalProblem(claim.field, claim.value, 'allow') !== undefined);
  if (bad !== undefined) return refused(set, [badName(bad)]);
  const selecting = select(set, request.kind, request.target);
  if (selecting === 'denied' || claims.some((claim) => hasName(set.denied(claim.field), claim))) {
    return refused(
      set,
      collect(set, (role) => denials(set, role, request, groups)),
    );
  }
  const granting = groups.map((group) =>
    selecting.filter((role) => group.every((claim) => grantsName(set, role, claim))),
  );
  if (!granting.every((roles) => roles.length > 0)) {
    return refused(set, [nothingGrants(set, request), ...misses(set, request, groups)]);
  }
  const roles = [...new Set(granting.flat())];
  const reasons = roles.slice(0, MAX_REASONS).flatMap((role) => judge(set, role, request, groups).reasons);
  const options = { ...set.options, ...mergeTargetOptions(roles.map(({ role }) => role.options)) };
  return {
    allowed: true,
    reasons: reasons.slice(0, MAX_REASONS),
    options,
    roles: roles.map(({ role }) => role.name),
  };
}

/** True when some role lets the user see the target, as whatever account. This is what lists show. */
export function isVisible(set: AccessSet, kind: TargetKind, target: Target): boolean {
  return createFilter(set, kind)(target);
}

/** The targets of a list that the user may see; made for tens of thousands of them. */
export function filterTargets<T extends Target>(
  set: AccessSet,
  kind: TargetKind,
  targets: readonly T[],
): T[] {
  return set.target(TARGET_KINDS[kind].labels).allow.empty ? [] : targets.filter(createFilter(set, kind));
}

/** filterTargets for servers. */
export function filterNodes<T extends Target>(nodes: readonly T[], set: AccessSet): T[] {
  return filterTargets(set, 'node', nodes);
}

/**
 * The names of a field that the user may use on a target (on any target when it is left out), denied ones taken out.
 * `any` is set when a role grants `*`; `values` then still lists those that are spelled out.
 */
export function grantedNames(
  set: AccessSet,
  field: PrincipalField,
  on?: { readonly kind: TargetKind; readonly target: Target },
): { readonly values: readonly string[]; readonly any: boolean } {
  const denied = set.denied(field);
  const roles = on === undefined ? set.roles : select(set, on.kind, on.target);
  if (denied.any || roles === 'denied') return { values: [], any: false };
  const names = roles.map((role) => role.allow.names(field));
  const values = new Set(names.flatMap((list) => [...list.values]));
  return {
    values: [...values].filter((value) => !denied.values.has(value)),
    any: names.some((list) => list.any),
  };
}

/** The roles that select the target by its labels, unless some role denies it. */
function select(set: AccessSet, kind: TargetKind, target: Target): readonly CompiledRole[] | 'denied' {
  const index = set.target(TARGET_KINDS[kind].labels);
  const context = { user: set.subject, labels: target.labels, name: target.name };
  const bits = new Uint32Array(index.allow.words);
  if (index.deny.match(target.labels, bits)) return 'denied';
  if (index.denyExpressions?.some((denies) => denies?.(context) === true) === true) return 'denied';
  if (!index.allow.match(target.labels, bits)) return [];
  return set.roles.filter((_, at) => hasBit(bits, at) && index.allowExpressions?.[at]?.(context) !== false);
}

/** `select` for one yes or no, without making anything. */
function createFilter(set: AccessSet, kind: TargetKind): (target: Target) => boolean {
  const { allow, deny, allowExpressions, denyExpressions } = set.target(TARGET_KINDS[kind].labels);
  const bits = new Uint32Array(allow.words);
  return ({ labels, name }) => {
    if (deny.match(labels, bits)) return false;
    const context = { user: set.subject, labels, name };
    if (denyExpressions?.some((denies) => denies?.(context) === true) === true) return false;
    if (!allow.match(labels, bits)) return false;
    if (allowExpressions === undefined) return true;
    return allowExpressions.some((allows, at) => hasBit(bits, at) && allows?.(context) !== false);
  };
}

/** What is missing, roles that grant a part of it first; those exist only where several names were asked. */
function misses(set: AccessSet, request: TargetRequest, groups: readonly (readonly Claim[])[]): Reason[] {
  const reasonsOf = (role: CompiledRole, outcome: 'partly' | 'silent'): readonly Reason[] => {
    const verdict = judge(set, role, request, groups);
    return verdict.outcome === outcome ? verdict.reasons : [];
  };
  const partly = groups.length > 1 ? collect(set, (role) => reasonsOf(role, 'partly')) : [];
  return [...partly, ...collect(set, (role) => reasonsOf(role, 'silent'))];
}

/** Reasons role by role, until there are as many as are kept. */
function collect(set: AccessSet, reasonsOf: (role: CompiledRole) => readonly Reason[]): Reason[] {
  const reasons: Reason[] = [];
  for (const role of set.roles) {
    reasons.push(...reasonsOf(role));
    if (reasons.length >= MAX_REASONS) break;
  }
  return reasons;
}

function nothingGrants(set: AccessSet, request: TargetRequest): Reason {
  const { labels, says } = TARGET_KINDS[request.kind];
  const count = set.roles.length;
  const who = count === 0 ? 'the user has no roles' : `none of the user's ${count} roles grants all of it`;
  return {
    side: 'none',
    field: labels,
    text: `nothing allows the ${says} ${quote(request.target.name)}: ${who}`,
  };
}

function badName({ field, value }: Claim): Reason {
  const text = `${quote(value)} ${principalProblem(field, value, 'allow') ?? 'is refused'}`;
  return { side: 'deny', field, on: value, text };
}

function refused(set: AccessSet, reasons: readonly Reason[]): TargetDecision {
  const seen = new Map(reasons.map((reason) => [reason.text, reason]));
  const options = { ...set.options, ...mergeTargetOptions([]) };
  return { allowed: false, reasons: [...seen.values()].slice(0, MAX_REASONS), options, roles: [] };
}
