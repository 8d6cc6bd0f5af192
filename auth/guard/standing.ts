// What a caller stands for right now: not what its certificate says, but what is left of that after the current user,
// roles and locks have been looked at (holder.ts). Compiled roles are kept until a role or user changes.
import type { AccessSet } from '#core/access/compile.ts';
import type { Lock } from '#core/access/locks.ts';
import { createPredicateCompiler } from '#core/access/predicates.ts';
import { quote } from '#core/access/reason.ts';
import type { Code } from '#core/errors/codes.ts';
import { isCode } from '#core/errors/error.ts';
import type { AdminIdentity, HostIdentity, Identity, UserIdentity } from '#core/identity.ts';
import type { ClusterState } from '../state/state.ts';
import {
  accessOf,
  holderLeft,
  hostLoss,
  isLoss,
  locksOf,
  rolesLeft,
  type HolderSource,
  type Loss,
  type RolesLeft,
  type User,
} from './holder.ts';

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
  readonly #source: HolderSource;
  #predicates = createPredicateCompiler();
  /** By everything that went into it, so that nothing is ever out of date; the order is the order of last use. */
  readonly #compiled = new Map<string, AccessSet | NoStanding>();
  #locks: readonly Lock[] | undefined;

  constructor(state: Pick<ClusterState, 'get' | 'list'>, clock: HolderSource['clock']) {
    this.#source = { state, clock, locks: () => this.locks() };
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
      case 'host': {
        const loss = hostLoss(this.#source, identity.host_id);
        return loss === undefined ? { who: 'host', identity } : noStanding(loss);
      }
      case 'user':
        return this.#ofUser(identity, address);
    }
  }

  #ofUser(identity: UserIdentity, address: string): Standing | NoStanding {
    const misuse = misuseOf(identity, address);
    if (misuse !== undefined) return denied(misuse);
    const user = holderLeft(this.#source, identity);
    if (isLoss(user)) return noStanding(user);
    const access = this.accessOf(user, identity.roles);
    return 'code' in access ? access : { who: 'user', identity, access };
  }

  /**
   * What the user may do with a certificate for these roles: those that the user has now allow, and all that the user
   * has now deny.
   */
  accessOf(user: User, certified: readonly string[]): AccessSet | NoStanding {
    const roles = rolesLeft(this.#source, user, certified);
    const versions = roles.held.map(({ metadata }) => [metadata.name, metadata.revision]);
    const key = JSON.stringify([user.metadata.name, user.spec.traits, roles.allowing, versions]);
    const access = this.#compiled.get(key) ?? this.#compile(user, roles);
    this.#compiled.delete(key);
    this.#compiled.set(key, access);
    if (this.#compiled.size > MAX_KEPT) {
      const oldest = this.#compiled.keys().next().value;
      if (oldest !== undefined) this.#compiled.delete(oldest);
    }
    return access;
  }

  #compile(user: User, roles: RolesLeft): AccessSet | NoStanding {
    try {
      return accessOf(user, roles, user.spec.traits, this.#predicates);
    } catch (error) {
      if (isCode(error, 'INVALID_RESOURCE')) return denied(error.message);
      throw error;
    }
  }

  /** All there are, in force or not. */
  locks(): readonly Lock[] {
    this.#locks ??= locksOf({ state: this.#source.state });
    return this.#locks;
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

/** In words for admins; the message is one that an admin wrote for the locked-out person. */
function noStanding(loss: Loss): NoStanding {
  switch (loss.why) {
    case 'gone':
      return denied(`the user ${quote(loss.user)} no longer exists`);
    case 'replaced':
      return denied(`the certificate was made for another user ${quote(loss.user)}, who was deleted`);
    case 'user-locked':
      return locked(loss.message, `the user ${quote(loss.user)} is locked (spec.status.is_locked)`);
    case 'lock':
      return locked(loss.message, `the lock ${quote(loss.lock)} is in force`);
  }
}

function denied(reason: string): NoStanding {
  return { code: 'ACCESS_DENIED', message: 'access denied', reasons: [reason] };
}

function locked(message: string | undefined, reason: string): NoStanding {
  return { code: 'LOCKED', message: message || 'a lock is in force', reasons: [reason] };
}
