// What a caller stands for right now: not what its certificate says, but what is left of that after the current user,
// roles and locks have been looked at. Compiled roles are kept until a role or user changes.
import type { Clock } from '#core/clock.ts';
import { compileAccess, type AccessSet } from '#core/access/compile.ts';
import { lockInForce, type Lock, type LockSubject } from '#core/access/locks.ts';
import { createPredicateCompiler } from '#core/access/predicates.ts';
import { quote } from '#core/access/reason.ts';
import type { Code } from '#core/errors/codes.ts';
import { isCode } from '#core/errors/error.ts';
import type { AdminIdentity, HostIdentity, Identity, UserIdentity } from '#core/identity.ts';
import type { Resource } from '#core/resource.ts';
import { lockOf, type LockSpec } from '#kinds/lock/kind.ts';
import { accessRolesOf, type RoleSpec } from '#kinds/role/kind.ts';
import { isUserLocked, type UserSpec } from '#kinds/user/kind.ts';
import type { ClusterState } from '../state/state.ts';

export type Standing =
  | { readonly who: 'admin'; readonly identity: AdminIdentity }
  | { readonly who: 'host'; readonly identity: HostIdentity }
  | { readonly who: 'user'; readonly identity: UserIdentity; readonly access: AccessSet };

/** Why a known caller has no standing. `reasons` are for admins; the caller is told `message`. */
export interface NoStanding {
  readonly code: Extract<Code, 'ACCESS_DENIED' | 'LOCKED'>;
  readonly message: string;
  readonly reasons: readonly string[];
}

export const isStanding = (found: Standing | NoStanding): found is Standing => 'who' in found;

const MAX_KEPT = 1000;

export class StandingTable {
  readonly #state: Pick<ClusterState, 'get' | 'list'>;
  readonly #clock: Clock;
  #predicates = createPredicateCompiler();
  /** By everything that went into it, so that nothing is ever out of date; the order is the order of last use. */
  readonly #compiled = new Map<string, AccessSet | NoStanding>();
  #locks: readonly Lock[] | undefined;

  constructor(state: Pick<ClusterState, 'get' | 'list'>, clock: Clock) {
    this.#state = state;
    this.#clock = clock;
  }

  /** To be called at each change of the state; true when it can change somebody's standing. */
  changed(kind: string): boolean {
    if (kind === 'lock') this.#locks = undefined;
    // What the compiler remembers would otherwise grow with every role there ever was.
    if (kind === 'role') this.#predicates = createPredicateCompiler();
    return kind === 'lock' || kind === 'user' || kind === 'role';
  }

  /** `address` is where the caller is now. */
  of(identity: Identity, address: string): Standing | NoStanding {
    switch (identity.kind) {
      case 'admin':
        return { who: 'admin', identity };
      case 'host':
        return this.#lockOn({ serverId: identity.host_id }) ?? { who: 'host', identity };
      case 'user':
        return this.#ofUser(identity, address);
    }
  }

  #ofUser(identity: UserIdentity, address: string): Standing | NoStanding {
    const misuse = misuseOf(identity, address);
    if (misuse !== undefined) return denied(misuse);
    const user = this.#holder(identity.name, identity.uid);
    if ('code' in user) return user;
    if (identity.impersonator !== undefined) {
      // What was made for somebody else is only as good as who asked for it.
      const impersonator = this.#holder(identity.impersonator, identity.impersonator_uid);
      if ('code' in impersonator) return impersonator;
    }
    const access = this.accessOf(user, identity.roles);
    return 'code' in access ? access : { who: 'user', identity, access };
  }

  /** The user a certificate was made for, who still exists and is not locked, nor are its roles. */
  #holder(name: string, uid: string | undefined): Resource<UserSpec> | NoStanding {
    const user = this.#state.get('user', name) as Resource<UserSpec> | undefined;
    if (user === undefined) return denied(`the user ${quote(name)} no longer exists`);
    if (user.spec.uid !== uid) {
      return denied(`the certificate was made for another user ${quote(name)}, who was deleted`);
    }
    if (isUserLocked(user.spec, this.#clock.now())) {
      return locked(
        user.spec.status?.locked_message,
        `the user ${quote(name)} is locked (spec.status.is_locked)`,
      );
    }
    return this.#lockOn({ user: name, roles: user.spec.roles }) ?? user;
  }

  /**
   * What the user may do with a certificate for these roles: those that the user has now allow, and all that the user
   * has now deny.
   */
  accessOf(user: Resource<UserSpec>, certified: readonly string[]): AccessSet | NoStanding {
    const held = user.spec.roles
      .map((name) => this.#state.get('role', name) as Resource<RoleSpec> | undefined)
      .filter((role) => role !== undefined);
    const roles = held.map((role) => role.metadata.name).filter((name) => certified.includes(name));
    const versions = held.map(({ metadata }) => [metadata.name, metadata.revision]);
    const key = JSON.stringify([user.metadata.name, user.spec.traits, roles, versions]);
    const access = this.#compiled.get(key) ?? this.#compile(user, held, roles);
    this.#compiled.delete(key);
    this.#compiled.set(key, access);
    if (this.#compiled.size > MAX_KEPT) {
      const oldest = this.#compiled.keys().next().value;
      if (oldest !== undefined) this.#compiled.delete(oldest);
    }
    return access;
  }

  #compile(
    user: Resource<UserSpec>,
    held: readonly Resource<RoleSpec>[],
    roles: readonly string[],
  ): AccessSet | NoStanding {
    try {
      const subject = { name: user.metadata.name, roles, traits: user.spec.traits };
      return compileAccess(accessRolesOf(held, roles), subject, this.#predicates);
    } catch (error) {
      if (isCode(error, 'INVALID_RESOURCE')) return denied(error.message);
      throw error;
    }
  }

  locks(): readonly Lock[] {
    this.#locks ??= ([...this.#state.list('lock')] as Resource<LockSpec>[]).map(lockOf);
    return this.#locks;
  }

  #lockOn(subject: LockSubject): NoStanding | undefined {
    const found = lockInForce(this.locks(), subject, this.#clock.now());
    return found === undefined
      ? undefined
      : locked(found.lock.message, `the lock ${quote(found.lock.name)} is in force`);
  }
}

/** A certificate made for less than the API is not taken here, whoever holds it. */
function misuseOf(identity: UserIdentity, address: string): string | undefined {
  if (identity.usage !== undefined) return `the certificate may only be used for ${identity.usage}`;
  if (identity.pinned_ip !== undefined && identity.pinned_ip !== address) {
    return `the certificate is pinned to ${quote(identity.pinned_ip)} and came from ${quote(address)}`;
  }
  return undefined;
}

function denied(reason: string): NoStanding {
  return { code: 'ACCESS_DENIED', message: 'access denied', reasons: [reason] };
}

/** The message is one that an admin wrote for the locked-out person. */
function locked(message: string | undefined, reason: string): NoStanding {
  return { code: 'LOCKED', message: message || 'a lock is in force', reasons: [reason] };
}
