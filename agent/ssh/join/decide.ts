// May this person take part in that session, as that? Pure; asked when they come, and again whenever roles or locks
// change while they are there.
import type { AccessSet } from '#core/access/compile.ts';
import { decideJoin, type JoinMode } from '#core/access/join-sessions.ts';
import { lockInForce, type Lock } from '#core/access/locks.ts';
import { DENIED_MESSAGE, quote } from '#core/access/reason.ts';
import type { SshAccess } from '../context.ts';
import type { Refusal } from '#core/access/session-ground.ts';

export interface JoinQuestion {
  readonly guest: Pick<SshAccess, 'identity' | 'grant'>;
  readonly mode: JoinMode;
  /** Whose session it is, with its account. */
  readonly owner: Pick<SshAccess, 'identity' | 'login' | 'roles'>;
}

export interface JoinGround {
  readonly hostId: string;
  readonly now: number;
  readonly locks: Iterable<Lock>;
  /** What the roles of the guest give; an error's message when they cannot be used. */
  readonly access: AccessSet | { readonly unusable: string };
}

/** Undefined when it is allowed. */
export function joinRefusal({ guest, mode, owner }: JoinQuestion, ground: JoinGround): Refusal | undefined {
  const { identity, grant } = guest;
  const { access, locks, now, hostId } = ground;
  // The login itself was looked at when the guest came; the account of the session may be locked, too.
  const subject = { user: identity.name, roles: identity.roles, login: owner.login, serverId: hostId };
  const lock = lockInForce(locks, subject, now);
  if (lock !== undefined) {
    const reasons = [`the lock ${quote(lock.lock.name)} is in force`];
    return { allowed: false, code: 'LOCKED', message: lock.message, reasons };
  }
  if ('unusable' in access) return denied([access.unusable]);
  if (grant.forceCommand !== undefined) return denied(['the certificate is for one command (force-command)']);
  if (mode === 'peer' && !grant.permitPty) return denied(['the certificate does not permit a terminal']);
  const isOwn = identity.name === owner.identity.name;
  const decision = decideJoin(access, { kind: 'ssh', hostRoles: owner.roles, isOwn }, mode);
  return decision.allowed ? undefined : denied(decision.reasons.map(({ text }) => text));
}

const denied = (reasons: readonly string[]): Refusal => ({
  allowed: false,
  code: 'ACCESS_DENIED',
  message: DENIED_MESSAGE,
  reasons,
});
