// May this person open this account on this machine, now, and until when? Everything that can refuse a proven
// certificate is here, in order, and nothing else: pure, so that the same question is asked again while a session runs.
import type { AccessSet } from './compile.ts';
import { decideSsh } from './decide.ts';
import { decideGuest } from './join-sessions.ts';
import { lockInForce, MAX_LOCKS_AGE_MS, type Lock, type LockSubject } from './locks.ts';
import { timeout, type MergedOptions } from './options.ts';
import { DENIED_MESSAGE, quote, type TargetDecision } from './reason.ts';
import { joinDuties, type JoinDuty } from './require-join.ts';
import type { Labels } from './role.ts';
import { RELAY_NODE_EXTENSION } from '../api/relay.ts';
import type { SshGrant } from '../certs/ssh/verify.ts';
import type { Code } from '../errors/codes.ts';
import type { UserIdentity } from '../identity.ts';

/** Who asks for what: all of it proven. */
export interface AccessQuestion {
  readonly identity: UserIdentity;
  readonly grant: SshGrant;
  readonly login: string;
  /** IP of the person's client. */
  readonly remoteIp: string;
}

/** What the node knows at this moment. */
export interface AccessGround {
  readonly hostId: string;
  readonly clusterName: string;
  readonly labels: Labels;
  readonly now: number;
  /** What the roles of the identity give; an error's message when they cannot be used. */
  readonly access: AccessSet | { readonly unusable: string };
  readonly locks: Iterable<Lock>;
  readonly locksAsOf: number;
  /** As in cluster_auth_preference. */
  readonly preference: {
    readonly require_session_mfa: boolean | string;
    readonly device_trust?: { readonly mode: string } | undefined;
    readonly locking_mode: 'strict' | 'best_effort';
    readonly disconnect_expired_cert: boolean;
  };
  /** As in cluster_networking_config. */
  readonly networking: {
    readonly client_idle_timeout: string;
    readonly client_idle_timeout_message?: string | undefined;
  };
}

export interface Admission {
  readonly allowed: true;
  readonly options: MergedOptions;
  /** Roles that grant the account on this machine. */
  readonly roles: readonly string[];
  /** Who must take part in sessions of this person; of those who come to join others, nobody. */
  readonly duties: readonly JoinDuty[];
  /** When the session must end, milliseconds since the epoch. */
  readonly endsAt?: number;
  readonly idleMs?: number;
  readonly idleMessage: string;
  /** Whether sessions may go on while locks may be out of date. */
  readonly lockMode: 'strict' | 'best_effort';
}

export interface Refusal {
  readonly allowed: false;
  readonly code: Extract<Code, 'ACCESS_DENIED' | 'LOCKED' | 'NOT_SUPPORTED' | 'UNAVAILABLE'>;
  /** All that the person is told, besides the denial id. */
  readonly message: string;
  /** For admins; never empty. */
  readonly reasons: readonly string[];
}

export type Verdict = Admission | Refusal;

/** Whoever joins sessions of others logs in with this. No account can have this name, so it is never taken for one. */
export const JOIN_LOGIN = '.gatehouse-join';
export const IDLE_MESSAGE = 'the session was idle for too long';

export function decideAccess(question: AccessQuestion, ground: AccessGround): Verdict {
  const misuse = misuseOf(question, ground);
  if (misuse !== undefined) return denied([misuse]);
  const lock = lockOn(question, ground);
  if (lock !== undefined) return lock;
  const { access, now, locksAsOf } = ground;
  if ('unusable' in access) return denied([access.unusable]);
  const { login } = question;
  const isGuest = login === JOIN_LOGIN;
  const decision = isGuest ? decideGuest(access) : decideLogin(access, question, ground);
  if (!decision.allowed) return denied(decision.reasons.map(({ text }) => text));
  const lockMode = decision.options.lockMode ?? ground.preference.locking_mode;
  if (lockMode === 'strict' && now - locksAsOf > MAX_LOCKS_AGE_MS) return STALE_LOCKS;
  const missing = missingOn(decision, ground);
  if (missing !== undefined) return missing;
  const duties = isGuest ? [] : joinDuties(access, 'ssh');
  return { ...admit(question, ground, decision, lockMode), duties };
}

/** Roles and certificate must both have the login. */
function decideLogin(
  access: AccessSet,
  { login, grant }: AccessQuestion,
  { hostId, labels }: AccessGround,
): TargetDecision {
  const decision = decideSsh(access, { node: { name: hostId, labels }, login });
  if (grant.certificate.principals.includes(login)) return decision;
  const text = `the certificate is not for the login ${quote(login)}`;
  return {
    ...decision,
    allowed: false,
    reasons: [{ side: 'none', field: 'logins', text }, ...decision.reasons],
  };
}

/** A certificate that is good, but not here. */
function misuseOf({ identity, remoteIp }: AccessQuestion, ground: AccessGround): string | undefined {
  if (identity.cluster !== ground.clusterName) {
    return `the certificate is of the cluster ${quote(identity.cluster)}`;
  }
  if (identity.usage !== undefined) return `the certificate may only be used for ${identity.usage}`;
  if (identity.pinned_ip !== undefined && identity.pinned_ip !== remoteIp) {
    return `the certificate is pinned to ${quote(identity.pinned_ip)} and came from ${quote(remoteIp)}`;
  }
  return undefined;
}

/** Locks on the person, on who asked for the certificate on their behalf, and on this machine. */
function lockOn({ identity, login }: AccessQuestion, ground: AccessGround): Refusal | undefined {
  const { name, roles, impersonator } = identity;
  const subjects: LockSubject[] = [{ user: name, roles, login, serverId: ground.hostId }];
  if (impersonator !== undefined) subjects.push({ user: impersonator, login, serverId: ground.hostId });
  for (const subject of subjects) {
    const found = lockInForce(ground.locks, subject, ground.now);
    if (found === undefined) continue;
    const reasons = [`the lock ${quote(found.lock.name)} is in force`];
    return { allowed: false, code: 'LOCKED', message: found.message, reasons };
  }
  return undefined;
}

const STALE_LOCKS: Refusal = {
  allowed: false,
  code: 'UNAVAILABLE',
  message:
    'this server cannot be sure that no lock is in force; try again when it has reached the auth service',
  reasons: ['the list of locks is not up to date, and locking mode is strict'],
};

/** What roles or the cluster ask for and this release cannot check: refused rather than left out. */
function missingOn({ options }: TargetDecision, { preference }: AccessGround): Refusal | undefined {
  if (options.requireSessionMfa !== 'off' || preference.require_session_mfa !== false) {
    return notSupported(
      'a second factor for each session (require_session_mfa) is asked for here, and this release cannot check it',
    );
  }
  if (options.deviceTrust === 'required' || preference.device_trust?.mode === 'required') {
    return notSupported('trusted devices only (device_trust), and this release cannot check devices');
  }
  return undefined;
}

function admit(
  { grant, identity }: AccessQuestion,
  { preference, networking }: AccessGround,
  { options, roles }: TargetDecision,
  lockMode: Admission['lockMode'],
): Omit<Admission, 'duties'> {
  const idleMs = options.clientIdleTimeoutMs ?? timeout(networking.client_idle_timeout);
  const ends = options.disconnectExpiredCert || preference.disconnect_expired_cert;
  return {
    allowed: true,
    options,
    roles,
    lockMode,
    idleMessage: networking.client_idle_timeout_message || IDLE_MESSAGE,
    ...(idleMs === undefined ? {} : { idleMs }),
    ...(ends ? { endsAt: endOf(grant, identity) } : {}),
  };
}

/** A certificate for a proxy is short, and stands for one that is not. */
function endOf({ certificate }: SshGrant, { session_expires: expires }: UserIdentity): number {
  return certificate.extensions.has(RELAY_NODE_EXTENSION) ? Date.parse(expires) : certificate.validBefore;
}

function denied(reasons: readonly string[]): Refusal {
  return { allowed: false, code: 'ACCESS_DENIED', message: DENIED_MESSAGE, reasons };
}

function notSupported(what: string): Refusal {
  return { allowed: false, code: 'NOT_SUPPORTED', message: what, reasons: [what] };
}
