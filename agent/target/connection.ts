// What the road hands to those who serve databases and applications, and what they give it to start with. Contracts only.
import type { Duplex } from 'node:stream';
import type { ClusterView } from '#client/cluster-view.ts';
import type { LiveSessions } from '#client/member/live-sessions.ts';
import type { Membership } from '#client/member/membership.ts';
import type { Clock } from '#core/clock.ts';
import type { UserIdentity } from '#core/identity.ts';
import type { Log } from '#core/log.ts';
import type { Resource } from '#core/resource.ts';
import type { AppSpec } from '#kinds/app/kind.ts';
import type { DbSpec } from '#kinds/db/kind.ts';
import type { RecordingKind, SessionFacts } from '#recordings/meta.ts';
import type { SessionRecorder } from '#recordings/recorder.ts';
import type { TargetGuard } from './guard.ts';

/** A client on its way to a target. Who it is was verified here; whether it may is asked with `TargetGuard.open`. */
export interface TargetConnection {
  /**
   * The client's bytes, TLS taken off. Paused and unread; half-open. Whoever serves it owns it, adds its own `error`
   * listener, and destroys it.
   */
  readonly stream: Duplex;
  readonly identity: UserIdentity;
  /** The first millisecond at which the certificate is no longer valid. */
  readonly validBefore: number;
  /** DER. */
  readonly certificate: Uint8Array;
  /** `ip:port` of the person's client, as the proxy says. */
  readonly client: string;
  /** Name of the target, the one that is served. */
  readonly target: string;
  /** Host id of the proxy. */
  readonly proxyId: string;
  /** Hash of the id of the web session that it comes from, where one does. */
  readonly session?: string;
}

export interface CancelKey {
  readonly processId: number;
  readonly secret: number;
}

/** A target that is not served here, or a connection that cannot be: told to the client in its protocol. */
export interface TargetRefusal {
  readonly message: string;
  /** As in core/errors/codes.ts. */
  readonly code:
    | 'ACCESS_DENIED'
    | 'CERTIFICATE_INVALID'
    | 'LIMIT_EXCEEDED'
    | 'LOCKED'
    | 'NOT_FOUND'
    | 'UNAVAILABLE';
}

export interface DbEngine {
  /** Never throws, never waits; owns the stream. */
  serve(connection: TargetConnection, db: Resource<DbSpec>): void;
  /** Tells the client why not, in its protocol, and ends the stream; the startup message is still unread in it. */
  refuse(stream: Duplex, refusal: TargetRefusal): void;
  /** Cancels what runs on the connection of that key, if there is one. Unproven input: secrets are compared in constant time. */
  cancel(key: CancelKey): void;
  /** Connections that are served. */
  readonly count: number;
  /** Ends everything, within two seconds. Safe to call twice. */
  close(): Promise<void>;
}

export interface AppEngine {
  /** As DbEngine.serve. */
  serve(connection: TargetConnection, app: Resource<AppSpec>): void;
  /** Answers the first request with the reason and ends the stream. */
  refuse(stream: Duplex, refusal: TargetRefusal): void;
  readonly count: number;
  close(): Promise<void>;
}

/** As client/audit-sender.ts takes it. */
export type TargetEvent = { readonly event: string } & Readonly<Record<string, unknown>>;

export interface TargetRecordRequest {
  readonly sessionId: string;
  readonly kind: RecordingKind;
  readonly mode: 'strict' | 'best_effort';
  readonly facts: SessionFacts;
}

/** What an engine is opened with: openDatabases(ground), openApps(ground). */
export interface TargetGround {
  readonly clock: Clock;
  readonly log: Log;
  readonly hostId: string;
  /** Name of this host in its certificate. */
  readonly hostname: string;
  /** Joined. */
  readonly membership: Pick<Membership, 'record' | 'api'>;
  /** Ready. */
  readonly view: ClusterView;
  readonly guard: TargetGuard;
  readonly emit: (event: TargetEvent) => void;
  /** What an application's document says now; the guard tells of changes. Left out: they do not change. */
  readonly appNow?: ((name: string) => Resource<AppSpec> | undefined) | undefined;
  /** Share of the room for events that wait for auth, 0 to 1: near 1, sessions must wait. Left out: there is always room. */
  readonly auditFilled?: (() => number) | undefined;
  /** Undefined when sessions are not recorded here. A throw refuses a strict session and is logged for others. */
  readonly record: (request: TargetRecordRequest) => SessionRecorder | undefined;
  /** Where sessions are announced. */
  readonly sessions?: LiveSessions | undefined;
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly dataDir: string;
}
