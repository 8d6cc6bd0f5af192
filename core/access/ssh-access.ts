// May this person open this account on this machine, now, and until when? Everything that can refuse a proven
// certificate is here, in order, and nothing else: pure, so that the same question is asked again while a session runs.
import type { AccessSet } from './compile.ts';
import { decideSsh } from './decide.ts';
import { decideGuest } from './join-sessions.ts';
import { timeout, type MergedOptions } from './options.ts';
import { quote, type TargetDecision } from './reason.ts';
import { joinDuties, type JoinDuty } from './require-join.ts';
import type { Labels } from './role.ts';
import {
  denied,
  IDLE_MESSAGE,
  lockRefusal,
  missingCheck,
  staleLocks,
  type Refusal,
  type SessionGround,
} from './session-ground.ts';
import { RELAY_NODE_EXTENSION } from '../api/relay.ts';
import type { SshGrant } from '../certs/ssh/verify.ts';
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
export interface AccessGround extends SessionGround {
  readonly labels: Labels;
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

export type Verdict = Admission | Refusal;

/** Whoever joins sessions of others logs in with this. No account can have this name, so it is never taken for one. */
export const JOIN_LOGIN = '.gatehouse-join';

export function decideAccess(question: AccessQuestion, ground: AccessGround): Verdict {
  const misuse = misuseOf(question, ground);
  if (misuse !== undefined) return denied([misuse]);
  const lock = lockRefusal(question.identity, question.login, ground);
  if (lock !== undefined) return lock;
  const { access } = ground;
  if ('unusable' in access) return denied([access.unusable]);
  const { login } = question;
  const isGuest = login === JOIN_LOGIN;
  const decision = isGuest ? decideGuest(access) : decideLogin(access, question, ground);
  if (!decision.allowed) return denied(decision.reasons.map(({ text }) => text));
  const lockMode = decision.options.lockMode ?? ground.preference.locking_mode;
  const refusal = staleLocks(lockMode, ground) ?? missingCheck(decision.options, ground.preference);
  if (refusal !== undefined) return refusal;
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
