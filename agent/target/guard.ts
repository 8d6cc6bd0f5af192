// The guard of targets: asked by engines before anything is sent to a target, and watching until the connection is closed.
// Types first; the guard itself is open-guard.ts.
import type { MergedOptions } from '#core/access/options.ts';
import type { CutReason } from '#core/access/session-monitor.ts';
import type { TargetRequest } from '#core/access/target.ts';
import type { TargetConnection } from './connection.ts';

export interface GuardHooks {
  /** The session is over: tell the client, where its protocol can, and end everything within a second. Called once at most. */
  cut(reason: CutReason, message: string): void;
  /** Still allowed, but options or roles may be others now: read them from the OpenedTarget. */
  changed?(): void;
}

export interface OpenOptions {
  /** Id of the session; several connections may be of one (applications). Default: a new one. */
  readonly sessionId?: string;
}

/** One connection that was let in. */
export interface OpenedTarget {
  /** UUID of the session. */
  readonly id: string;
  /** Names of the roles that grant it, as of now. */
  readonly roles: readonly string[];
  readonly options: MergedOptions;
  /** The client sent something: begins its idle time anew. Cheap enough for each message. */
  touch(): void;
  /** Must be called when the connection is closed. Safe to call twice, and after a cut. */
  close(): void;
}

export interface TargetGuard {
  /**
   * ACCESS_DENIED, LOCKED, LIMIT_EXCEEDED, NOT_SUPPORTED or UNAVAILABLE with the text for the person; denials are on record
   * by then, their id is in the message and in `details.denialId`. For `db` the request names user and database, for `aws`
   * the role.
   */
  open(
    connection: TargetConnection,
    request: Extract<TargetRequest, { kind: 'db' | 'app' | 'aws' }>,
    hooks: GuardHooks,
    options?: OpenOptions,
  ): OpenedTarget;
}
