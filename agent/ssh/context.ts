// What the parts of the SSH service share: who is connected, what they may do here, and where it is told.
import type { UserIdentity } from '#core/identity.ts';
import type { MergedOptions } from '#core/access/options.ts';
import type { JoinDuty } from '#core/access/require-join.ts';
import type { SshGrant } from '#core/certs/ssh/verify.ts';
import type { Clock } from '#core/clock.ts';
import type { Log } from '#core/log.ts';
import type { X11Request } from '#wire/ssh/payloads.ts';
import type { SshConnection } from '#wire/ssh/ssh.ts';

/** The outcome of authentication and of the decision, for one connection. */
export interface SshAccess {
  readonly identity: UserIdentity;
  /** The account on this machine. */
  readonly login: string;
  readonly grant: SshGrant;
  readonly options: MergedOptions;
  readonly roles: readonly string[];
  /** Who must take part in the sessions of this person (require_session_join); as roles are now. */
  readonly duties: readonly JoinDuty[];
  /** `ip:port` of the person's client, also when a proxy is in between. */
  readonly remoteAddress: string;
  readonly localAddress: string;
}

/** An event as client/audit-sender.ts takes it; events/catalogue-session.ts says which fields there are. */
export type AgentEvent = { readonly event: string } & Readonly<Record<string, unknown>>;

export interface SshHost {
  readonly clock: Clock;
  readonly log: Log;
  readonly hostId: string;
  readonly hostname: string;
  readonly clusterName: string;
  readonly dataDir: string;
  labels(): Readonly<Record<string, string>>;
  emit(event: AgentEvent): void;
}

/** As much of an account on this machine as forwards need; accounts.ts knows more. */
export interface LoginAccount {
  readonly name: string;
  readonly uid: number;
  readonly gid: number;
  readonly home: string;
}

export interface SshPeer {
  readonly access: SshAccess;
  readonly connection: SshConnection;
  /** Told after roles, locks or settings changed and the person may stay; returns how to stop. */
  onReview(listener: () => void): () => void;
}

/**
 * What the sessions of one connection ask of its forwards. Made per connection; everything it opened is closed with the
 * connection. Role, certificate and configuration are checked inside: undefined is a refusal that was put on record.
 */
export interface SessionForwards {
  /** `auth-agent-req@openssh.com`: the value of SSH_AUTH_SOCK. One socket serves all sessions of the connection. */
  openAgent(): Promise<string | undefined>;
  /** `x11-req`: the value of DISPLAY. The caller closes it when its session ends. */
  openX11(request: X11Request): Promise<{ readonly display: string; close(): void } | undefined>;
}
