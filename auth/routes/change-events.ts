// The audit event of each change of a resource: documented types where there is one, resource.* for the rest. Says
// who changed which fields, never their values, and never the name of a token.
import type { Resource } from '#core/resource.ts';
import { isPlainObject } from '#core/schema/check.ts';
import type { EventInput } from '#events/catalogue.ts';
import type { AuditLog } from '#events/audit-log.ts';
import type { LockSpec } from '#kinds/lock/kind.ts';
import { safeTokenName, shownTokenName, type TokenSpec } from '#kinds/token/kind.ts';
import type { UserSpec } from '#kinds/user/kind.ts';
import { actorOf, type Actor, type Caller } from '../guard/caller.ts';
import type { ChangeResult } from './changes.ts';

const MAX_FIELDS = 32;
const MAX_DEPTH = 4;

export function emitChange(
  context: { readonly audit: Pick<AuditLog, 'emit'> },
  caller: Caller,
  change: ChangeResult,
): void {
  if (change.action === 'unchanged') return;
  context.audit.emit(eventOf(actorOf(caller), change));
}

const SETTINGS = {
  cluster_auth_preference: 'auth_preference.update',
  cluster_networking_config: 'cluster_networking_config.update',
  session_recording_config: 'session_recording_config.update',
  cluster_name: 'cluster_config.update',
} as const;

/** Exported for its table test. */
export function eventOf(who: Actor, change: ChangeResult): EventInput {
  const { kind, name, action } = change;
  if (Object.hasOwn(SETTINGS, kind)) {
    const event = SETTINGS[kind as keyof typeof SETTINGS];
    return { event, ...who, name, action, fields_changed: changedFields(change) };
  }
  switch (kind) {
    case 'user':
      return userEvent(who, change);
    case 'role':
      return roleEvent(who, change);
    case 'token':
      return tokenEvent(who, change);
    case 'lock':
      return lockEvent(who, change);
    default:
      return otherEvent(who, change, name);
  }
}

function userEvent(who: Actor, change: ChangeResult): EventInput {
  const { name, action } = change;
  if (action === 'deleted') return { event: 'user.delete', ...who, name };
  const after = change.after as Resource<UserSpec> | undefined;
  const about = { ...who, name, roles: after?.spec.roles ?? [], expires: after?.metadata.expires };
  return action === 'created'
    ? { event: 'user.create', ...about }
    : { event: 'user.update', ...about, fields_changed: changedFields(change) };
}

function roleEvent(who: Actor, change: ChangeResult): EventInput {
  const { name, action } = change;
  if (action === 'deleted') return { event: 'role.deleted', ...who, name };
  return action === 'created'
    ? { event: 'role.created', ...who, name }
    : { event: 'role.updated', ...who, name, fields_changed: changedFields(change) };
}

function tokenEvent(who: Actor, change: ChangeResult): EventInput {
  const before = change.before as Resource<TokenSpec> | undefined;
  const after = change.after as Resource<TokenSpec> | undefined;
  // A name that was the secret stays hidden when the token changes to a method that has none, and the other way round.
  const name = [before, after].every((one) => one === undefined || one.spec.join_method !== 'token')
    ? shownTokenName(change.name, after?.spec ?? before?.spec)
    : safeTokenName(change.name);
  if (change.action === 'deleted') return { event: 'token.delete', ...who, name };
  if (change.action === 'updated') return otherEvent(who, change, name);
  const { roles = [], join_method: method } = after?.spec ?? {};
  return { event: 'token.create', ...who, name, roles, method, expires: after?.metadata.expires };
}

function lockEvent(who: Actor, change: ChangeResult): EventInput {
  const { name, action } = change;
  const lock = (change.after ?? change.before) as Resource<LockSpec> | undefined;
  const target = Object.entries(lock?.spec.target ?? {}).filter(([, value]) => typeof value === 'string');
  const lock_target = Object.fromEntries(target) as Record<string, string>;
  if (action === 'deleted') return { event: 'lock.deleted', ...who, name, lock_target };
  if (action === 'updated') return otherEvent(who, change, name);
  return { event: 'lock.created', ...who, name, lock_target, expires: lock?.metadata.expires };
}

function otherEvent(who: Actor, change: ChangeResult, name: string): EventInput {
  const { kind, action } = change;
  if (action === 'deleted') return { event: 'resource.delete', ...who, kind, name };
  const expires = change.after?.metadata.expires;
  return action === 'created'
    ? { event: 'resource.create', ...who, kind, name, expires }
    : { event: 'resource.update', ...who, kind, name, expires, fields_changed: changedFields(change) };
}

/** Paths at which the two differ, at most MAX_FIELDS; a list counts as one field. */
export function changedFields({ before, after }: Pick<ChangeResult, 'before' | 'after'>): string[] {
  const found: string[] = [];
  compare(withoutRevision(before), withoutRevision(after), '', 0, found);
  return found;
}

function withoutRevision(resource: Resource | undefined): unknown {
  return resource === undefined
    ? {}
    : { ...resource, metadata: { ...resource.metadata, revision: undefined } };
}

function compare(one: unknown, other: unknown, path: string, depth: number, found: string[]): void {
  if (found.length >= MAX_FIELDS || JSON.stringify(one) === JSON.stringify(other)) return;
  if (depth === MAX_DEPTH || !isPlainObject(one) || !isPlainObject(other)) {
    found.push(path);
    return;
  }
  for (const key of new Set([...Object.keys(one), ...Object.keys(other)])) {
    compare(one[key], other[key], path === '' ? key : `${path}.${key}`, depth + 1, found);
  }
}
