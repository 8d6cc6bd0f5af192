// May this person reach this database or application, now, and until when? Everything that can refuse a proven certificate
// at a target is here, in order, and nothing else: pure, so that the same question is asked again while a session runs.
import { decideTarget } from './decide.ts';
import { timeout, type MergedOptions } from './options.ts';
import { quote } from './reason.ts';
import {
  denied,
  IDLE_MESSAGE,
  lockRefusal,
  missingCheck,
  staleLocks,
  type Refusal,
  type SessionGround,
} from './session-ground.ts';
import type { TargetRequest } from './target.ts';
import type { UserIdentity } from '../identity.ts';

export type RoutedRequest = Extract<TargetRequest, { kind: 'db' | 'app' | 'aws' }>;

/** Who asks for what: all of it proven. */
export interface TargetQuestion {
  readonly identity: UserIdentity;
  /** The first millisecond at which the certificate is no longer valid. */
  readonly validBefore: number;
  readonly request: RoutedRequest;
  /** IP of the person's client. */
  readonly remoteIp: string;
}

export interface TargetAdmission {
  readonly allowed: true;
  readonly options: MergedOptions;
  /** Roles that grant it. */
  readonly roles: readonly string[];
  /** When it must end, milliseconds since the epoch: a certificate for a target is the session at it. */
  readonly endsAt: number;
  readonly idleMs?: number;
  readonly idleMessage: string;
  readonly lockMode: 'strict' | 'best_effort';
}

export type TargetVerdict = TargetAdmission | Refusal;

export function decideTargetAccess(question: TargetQuestion, ground: SessionGround): TargetVerdict {
  const { identity, request, validBefore } = question;
  const misuse = routeMisuse(identity, request) ?? certificateMisuse(question, ground);
  if (misuse !== undefined) return denied([misuse]);
  const lock = lockRefusal(identity, loginOf(request), ground);
  if (lock !== undefined) return lock;
  const { access, preference, networking } = ground;
  if ('unusable' in access) return denied([access.unusable]);
  const decision = decideTarget(access, request);
  if (!decision.allowed) return denied(decision.reasons.map(({ text }) => text));
  const { options, roles } = decision;
  const lockMode = options.lockMode ?? preference.locking_mode;
  const refusal = staleLocks(lockMode, ground) ?? missingCheck(options, preference);
  if (refusal !== undefined) return refusal;
  const idleMs = options.clientIdleTimeoutMs ?? timeout(networking.client_idle_timeout);
  return {
    allowed: true,
    options,
    roles,
    lockMode,
    endsAt: validBefore,
    idleMessage: networking.client_idle_timeout_message || IDLE_MESSAGE,
    ...(idleMs === undefined ? {} : { idleMs }),
  };
}

/** Why a certificate is not for this target; undefined when it is. Certificates for targets are for exactly one (S8). */
export function targetMisuse(
  identity: UserIdentity,
  service: 'db' | 'app',
  target: string,
): string | undefined {
  if (identity.usage !== service) {
    const use =
      identity.usage === undefined ? 'is not for targets' : `may only be used for ${identity.usage}`;
    return `the certificate ${use}`;
  }
  const named = service === 'db' ? identity.route_to_database?.service : identity.route_to_app?.name;
  if (named === target) return undefined;
  return `the certificate is for ${quote(named ?? 'nothing')}, not for ${quote(target)}`;
}

/** The same with the names that it may be narrowed to. */
function routeMisuse(identity: UserIdentity, request: RoutedRequest): string | undefined {
  const service = request.kind === 'db' ? 'db' : 'app';
  const misuse = targetMisuse(identity, service, request.target.name);
  if (misuse !== undefined) return misuse;
  const { route_to_database: db, route_to_app: app } = identity;
  switch (request.kind) {
    case 'db':
      return (
        mismatch('database user', db?.username, request.user) ??
        mismatch('database', db?.database, request.database ?? undefined)
      );
    case 'aws':
      return mismatch('AWS role', app?.aws_role_arn, request.roleArn);
    case 'app':
      return undefined;
  }
}

function mismatch(what: string, allowed: string | undefined, asked: string | undefined): string | undefined {
  if (allowed === undefined || allowed === asked) return undefined;
  return `the certificate is for the ${what} ${quote(allowed)}, not for ${quote(asked ?? '')}`;
}

function certificateMisuse(
  { identity, remoteIp, validBefore }: TargetQuestion,
  { clusterName, now }: SessionGround,
): string | undefined {
  if (identity.cluster !== clusterName) {
    return `the certificate is of the cluster ${quote(identity.cluster)}`;
  }
  if (now >= validBefore) return 'the certificate has expired';
  if (identity.pinned_ip !== undefined && identity.pinned_ip !== remoteIp) {
    return `the certificate is pinned to ${quote(identity.pinned_ip)} and came from ${quote(remoteIp)}`;
  }
  return undefined;
}

/** What a lock on a login is about. */
function loginOf(request: RoutedRequest): string | undefined {
  return request.kind === 'db' ? request.user : request.kind === 'aws' ? request.roleArn : undefined;
}
