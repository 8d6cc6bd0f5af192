// What one role says about one request, in sentences for admins. Slower than the decision itself, and asked only when
// somebody needs to know why; a test holds the two against each other.
import type { AccessSet, CompiledRole, Names } from './compile.ts';
import { failingKey } from './labels.ts';
import { mergeTargetOptions } from './options.ts';
import { quote, type Reason } from './reason.ts';
import { claimsOf, TARGET_KINDS, type Claim, type Target, type TargetRequest } from './target.ts';

/** What one role says about a request. */
export interface RoleVerdict {
  readonly role: string;
  /** `partly`: it grants some of several names that were asked. */
  readonly outcome: 'denies' | 'allows' | 'partly' | 'silent';
  readonly reasons: readonly Reason[];
}

/** The verdict of every role in order, decisive or not: for explanations. */
export function judgeRoles(set: AccessSet, request: TargetRequest): readonly RoleVerdict[] {
  const groups = claimsOf(request);
  return set.roles.map((role) => judge(set, role, request, groups));
}

/** One role alone; `groups` are the claims of the request. */
export function judge(
  set: AccessSet,
  role: CompiledRole,
  request: TargetRequest,
  groups: readonly (readonly Claim[])[],
): RoleVerdict {
  const name = role.role.name;
  const denied = denials(set, role, request, groups);
  if (denied.length > 0) return { role: name, outcome: 'denies', reasons: denied };
  const miss = labelMiss(set, role, request);
  if (miss !== undefined) return { role: name, outcome: 'silent', reasons: [miss] };
  const missing = groups.filter((group) => group.some((claim) => !grantsName(set, role, claim)));
  if (missing.length === 0) return { role: name, outcome: 'allows', reasons: [grant(role, request, groups)] };
  const reasons = missing.flatMap((group) =>
    group.filter((claim) => !grantsName(set, role, claim)).map((claim) => nameMiss(role, claim)),
  );
  return { role: name, outcome: missing.length < groups.length ? 'partly' : 'silent', reasons };
}

/** Why the role denies the request; empty when it does not. */
export function denials(
  set: AccessSet,
  role: CompiledRole,
  request: TargetRequest,
  groups: readonly (readonly Claim[])[],
): readonly Reason[] {
  return [...labelDenials(set, role, request), ...nameDenials(role, groups)];
}

function labelDenials(set: AccessSet, role: CompiledRole, { kind, target }: TargetRequest): Reason[] {
  const field = TARGET_KINDS[kind].labels;
  const what = `the ${TARGET_KINDS[kind].says} ${quote(target.name)}`;
  const name = role.role.name;
  const reasons: Reason[] = [];
  const selector = role.deny.selector(field);
  if (selector !== undefined && failingKey(selector, target.labels) === undefined) {
    const keys = selector.everything ? '*' : selector.requirements.map(({ key }) => key).join(', ');
    const text = `role ${name} denies ${what} by its labels (deny.${field}: ${keys})`;
    reasons.push({ role: name, side: 'deny', field, on: keys, text });
  }
  const expression = role.deny.expression(field);
  if (expression?.({ user: set.subject, labels: target.labels, name: target.name }) === true) {
    const text = `role ${name} denies ${what} by deny.${field}_expression`;
    reasons.push({ role: name, side: 'deny', field: `${field}_expression`, text });
  }
  return reasons;
}

function nameDenials(role: CompiledRole, groups: readonly (readonly Claim[])[]): Reason[] {
  const name = role.role.name;
  return groups
    .flat()
    .filter((claim) => hasName(role.deny.names(claim.field), claim))
    .map(({ field, value }) => ({
      role: name,
      side: 'deny' as const,
      field,
      on: value,
      text: `role ${name} denies ${quote(value)} (deny.${field})`,
    }));
}

function labelMiss(set: AccessSet, role: CompiledRole, { kind, target }: TargetRequest): Reason | undefined {
  const field = TARGET_KINDS[kind].labels;
  const what = `the ${TARGET_KINDS[kind].says} ${quote(target.name)}`;
  const name = role.role.name;
  const selector = role.allow.selector(field);
  const expression = role.allow.expression(field);
  if (selector === undefined && expression === undefined) {
    return {
      role: name,
      side: 'none',
      field,
      text: `role ${name} has no allow.${field}, so it grants no ${TARGET_KINDS[kind].says}`,
    };
  }
  const key = selector === undefined ? undefined : failingKey(selector, target.labels);
  if (key !== undefined) {
    const text = `role ${name} does not select ${what}: its label ${quote(key)} ${labelState(key, target)} allow.${field}`;
    return { role: name, side: 'none', field, on: key, text };
  }
  if (expression?.({ user: set.subject, labels: target.labels, name: target.name }) === false) {
    const text = `role ${name} does not select ${what}: allow.${field}_expression is false`;
    return { role: name, side: 'none', field: `${field}_expression`, text };
  }
  return undefined;
}

function labelState(key: string, target: Target): string {
  const value = Object.hasOwn(target.labels, key) ? target.labels[key] : undefined;
  return value === undefined ? 'is not set, but is asked for by' : `is ${quote(value)}, which does not match`;
}

function nameMiss(role: CompiledRole, { field, value }: Claim): Reason {
  const name = role.role.name;
  const names = role.allow.names(field);
  const dropped = names.dropped
    .map(({ entry, why }) => `; entry ${quote(entry)} gives nothing: ${why}`)
    .join('');
  const text = `role ${name} does not list ${quote(value)} in allow.${field}${dropped}`;
  return { role: name, side: 'none', field, on: value, text };
}

function grant(role: CompiledRole, request: TargetRequest, groups: readonly (readonly Claim[])[]): Reason {
  const { labels, says } = TARGET_KINDS[request.kind];
  const name = role.role.name;
  const claims = groups
    .flat()
    .map((claim) => ` as ${quote(claim.value)} (allow.${claim.field})`)
    .join('');
  const text = `role ${name} allows the ${says} ${quote(request.target.name)} (allow.${labels})${claims}`;
  return { role: name, side: 'allow', field: labels, text };
}

/** Whether the allow side of the role gives the name, or makes it. */
export function grantsName(set: AccessSet, { role, allow }: CompiledRole, claim: Claim): boolean {
  if (hasName(allow.names(claim.field), claim)) return true;
  return (
    claim.made === true &&
    claim.value === set.subject.name &&
    mergeTargetOptions([role.options]).dbUserMode !== 'off'
  );
}

/** Engines that fold compare `Alice` and `alice` as one user, so the decision must too. */
export function hasName(names: Names, claim: Claim): boolean {
  if (names.any || names.values.has(claim.value)) return true;
  if (claim.fold !== true) return false;
  const folded = fold(claim.value);
  return [...names.values].some((value) => fold(value) === folded);
}

const fold = (text: string): string => text.normalize('NFC').toLowerCase();
