// Whom a user may ask certificates for: `impersonate`. The deny side is greedy (a user or any one role is enough), the
// allow side needs one role whose condition covers the user and every role that is asked for.
import type { AccessSet } from './compile.ts';
import { expandNames } from './matchers.ts';
import type { Pattern } from './pattern.ts';
import type { Described, WhereContext } from './predicates.ts';
import { MAX_REASONS, quote, type Decision, type Reason } from './reason.ts';
import type { ImpersonateConditions, Traits } from './role.ts';

export interface ImpersonationRequest {
  readonly user: Described & { readonly traits?: Traits | undefined };
  /** The roles the certificate would carry; at least one. */
  readonly roles: readonly Described[];
}

/** May the subject of the set be given a certificate for `user` with `roles`? Own name or not makes no difference. */
export function decideImpersonation(set: AccessSet, request: ImpersonationRequest): Decision {
  const { user, roles } = request;
  const denials: Reason[] = [];
  const grants: Reason[] = [];
  for (const { role } of set.roles) {
    if (denies(set, role.deny.impersonate, request)) {
      const text = `role ${role.name} denies impersonation of ${quote(user.name)} with these roles (deny.impersonate)`;
      denials.push({ role: role.name, side: 'deny', field: 'impersonate', on: user.name, text });
    } else if (covers(set, role.allow.impersonate, request)) {
      const text = `role ${role.name} allows impersonation of ${quote(user.name)} (allow.impersonate)`;
      grants.push({ role: role.name, side: 'allow', field: 'impersonate', on: user.name, text });
    }
  }
  if (denials.length > 0) return { allowed: false, reasons: denials.slice(0, MAX_REASONS) };
  if (grants.length > 0) return { allowed: true, reasons: grants.slice(0, MAX_REASONS) };
  const asked = roles.map(({ name }) => name).join(', ');
  const text = `no role allows impersonation of ${quote(user.name)} with the roles ${quote(asked)} (allow.impersonate)`;
  return { allowed: false, reasons: [{ side: 'none', field: 'impersonate', on: user.name, text }] };
}

function denies(
  set: AccessSet,
  conditions: ImpersonateConditions | undefined,
  request: ImpersonationRequest,
): boolean {
  if (conditions === undefined) return false;
  const users = matchers(set, conditions.users);
  const names = matchers(set, conditions.roles);
  return request.roles.some((role) => {
    const hit = matches(users, request.user.name) || matches(names, role.name);
    return hit && where(set, conditions, request, role);
  });
}

function covers(
  set: AccessSet,
  conditions: ImpersonateConditions | undefined,
  request: ImpersonationRequest,
): boolean {
  if (conditions === undefined || request.roles.length === 0) return false;
  if (!matches(matchers(set, conditions.users), request.user.name)) return false;
  const names = matchers(set, conditions.roles);
  return request.roles.every((role) => matches(names, role.name) && where(set, conditions, request, role));
}

function where(
  set: AccessSet,
  conditions: ImpersonateConditions,
  request: ImpersonationRequest,
  role: Described,
): boolean {
  if (conditions.where === undefined || conditions.where.trim() === '') return true;
  const context: WhereContext = { user: set.subject, impersonateUser: request.user, impersonateRole: role };
  return set.predicates.where(conditions.where)(context);
}

function matchers(set: AccessSet, texts: readonly string[] | undefined): readonly Pattern[] {
  return expandNames(texts ?? [], set.subject.traits, set.predicates.patterns);
}

const matches = (patterns: readonly Pattern[], name: string): boolean =>
  patterns.some((pattern) => pattern.test(name));
