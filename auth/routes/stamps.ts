// Who made a user or lock, and when, and which of all users of one name it is: written by the auth service, whatever
// the document says.
import { randomUUID } from 'node:crypto';
import type { Resource } from '#core/resource.ts';
import { timestampOf } from '#core/timestamp.ts';
import type { LockSpec } from '#kinds/lock/kind.ts';
import type { UserSpec } from '#kinds/user/kind.ts';
import { actorOf, type Caller } from '../guard/caller.ts';

/** Keeps the stamps of `before`. On creation only the local admin, who restores clusters, may bring its own. */
export function stamped(
  resource: Resource,
  before: Resource | undefined,
  caller: Caller,
  now: number,
): Resource {
  if (resource.kind === 'user') return stampedUser(resource as Resource<UserSpec>, before, caller, now);
  if (resource.kind === 'lock') return stampedLock(resource as Resource<LockSpec>, before, caller, now);
  return resource;
}

function stampedUser(
  resource: Resource<UserSpec>,
  before: Resource | undefined,
  caller: Caller,
  now: number,
): Resource<UserSpec> {
  const { created_by: given, uid: _given, ...spec } = resource.spec;
  const own = { time: timestampOf(now), user: { name: actorOf(caller).user } };
  // Nobody brings a uid: with that of a deleted user its old certificates would be good again.
  const made = { uid: randomUUID(), created_by: mayBring(caller, given) ?? own };
  const { uid, created_by } = before === undefined ? made : (before as Resource<UserSpec>).spec;
  return { ...resource, spec: { ...(uid && { uid }), ...spec, ...(created_by && { created_by }) } };
}

function stampedLock(
  resource: Resource<LockSpec>,
  before: Resource | undefined,
  caller: Caller,
  now: number,
): Resource<LockSpec> {
  const { created_at, created_by, ...spec } = resource.spec;
  const given = { ...(created_at && { created_at }), ...(created_by && { created_by }) };
  const own = { created_at: timestampOf(now), created_by: actorOf(caller).user };
  if (before === undefined) return { ...resource, spec: { ...spec, ...own, ...mayBring(caller, given) } };
  const old = (before as Resource<LockSpec>).spec;
  return {
    ...resource,
    spec: {
      ...spec,
      ...(old.created_at && { created_at: old.created_at }),
      ...(old.created_by && { created_by: old.created_by }),
    },
  };
}

function mayBring<T>(caller: Caller, given: T | undefined): T | undefined {
  return caller.identity?.kind === 'admin' ? given : undefined;
}
