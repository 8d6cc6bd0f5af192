// What sessions are given by the SSH service, and what they give it to start with. Contracts only.
import type { LiveSessions } from '#client/member/live-sessions.ts';
import type { RecordingKind, SessionFacts } from '#recordings/meta.ts';
import type { SessionRecorder } from '#recordings/recorder.ts';
import type { IncomingChannel } from '#wire/ssh/ssh.ts';
import type { SessionForwards, SshHost, SshPeer } from '../context.ts';
import type { SessionRuntime } from './runtime.ts';

export interface RecordRequest {
  readonly sessionId: string;
  readonly kind: RecordingKind;
  readonly mode: 'strict' | 'best_effort';
  readonly facts: SessionFacts;
  /** It comes by a proxy that ends and records it. */
  readonly byProxy: boolean;
}

export interface SessionParts {
  readonly host: SshHost;
  readonly runtime: SessionRuntime;
  /** `permit_user_env`: ~/.ssh/environment counts. */
  readonly permitUserEnv: boolean;
  /**
   * Undefined when it is not recorded here. Not asked when the roles say `off`. A throw refuses a strict
   * session and is logged for others.
   */
  readonly record: (request: RecordRequest) => SessionRecorder | undefined;
  /** Where sessions with a terminal are announced. */
  readonly announced?: LiveSessions;
}

/** Serves a channel of type `session`: accepts it, and closes it when its program has ended. */
export type ServeSession = (opening: IncomingChannel, peer: SshPeer, forwards: SessionForwards) => void;

/** The same for those who came to join the sessions of others. */
export type ServeGuest = (opening: IncomingChannel, peer: SshPeer) => void;

export interface TerminalSize {
  readonly columns: number;
  readonly rows: number;
}
