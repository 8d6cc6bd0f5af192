// The part of a role about asking for access and about sharing sessions. Separate from check-role.ts by concern.
import type { Path } from '../schema/check.ts';
import { checkWhere, type Notes } from './notes.ts';
import { compileNameMatcher } from './matchers.ts';
import { compilePattern } from './pattern.ts';
import { compileReplace } from './replace.ts';
import type { ClaimMapping, Conditions } from './role.ts';
import { compileTemplate } from './templates.ts';

/** Notes what is wrong with request, review_requests, join_sessions and require_session_join of one side. */
export function checkRequests(conditions: Conditions, at: Path, notes: Notes): void {
  const { request, review_requests: review } = conditions;
  if (request !== undefined) {
    const path = [...at, 'request'];
    checkNames(request.roles, [...path, 'roles'], notes);
    checkNames(request.search_as_roles, [...path, 'search_as_roles'], notes);
    checkClaims(request.claims_to_roles, [...path, 'claims_to_roles'], notes);
    for (const [name, values] of Object.entries(request.annotations ?? {})) {
      for (const [index, value] of values.entries()) {
        notes.attempt([...path, 'annotations', name, index], () => compileTemplate(value));
      }
    }
    for (const [index, { filter }] of (request.thresholds ?? []).entries()) {
      checkWhere(filter, [...path, 'thresholds', index, 'filter'], notes);
    }
  }
  if (review !== undefined) {
    const path = [...at, 'review_requests'];
    checkNames(review.roles, [...path, 'roles'], notes);
    checkNames(review.preview_as_roles, [...path, 'preview_as_roles'], notes);
    checkNames(review.submit_for_users, [...path, 'submit_for_users'], notes);
    checkClaims(review.claims_to_roles, [...path, 'claims_to_roles'], notes);
    checkWhere(review.where, [...path, 'where'], notes);
  }
  for (const [index, policy] of (conditions.join_sessions ?? []).entries()) {
    checkNames(policy.roles, [...at, 'join_sessions', index, 'roles'], notes);
  }
  for (const [index, { filter }] of (conditions.require_session_join ?? []).entries()) {
    checkWhere(filter, [...at, 'require_session_join', index, 'filter'], notes);
  }
}

function checkNames(names: readonly string[] | undefined, at: Path, notes: Notes): void {
  for (const [index, name] of (names ?? []).entries()) {
    notes.attempt([...at, index], () => compileNameMatcher(name));
  }
}

/** Roles may use the groups of a `^value$`, as in `$1-admin`. */
function checkClaims(claims: readonly ClaimMapping[] | undefined, at: Path, notes: Notes): void {
  for (const [index, { value, roles }] of (claims ?? []).entries()) {
    notes.attempt([...at, index, 'value'], () => compilePattern(value));
    const expression = value.startsWith('^') && value.endsWith('$');
    for (const [which, role] of roles.entries()) {
      notes.attempt([...at, index, 'roles', which], () => {
        if (expression) compileReplace(value, role);
        else compileNameMatcher(role);
      });
    }
  }
}
