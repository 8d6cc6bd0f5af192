// What the routes of this folder need beyond the context of all handlers: the guard, for routes that ask about each
// item they touch, and the parts of the server that only single routes use.
import type { RecordingStore } from '#recordings/store.ts';
import type { BackupInfo } from '#storage/backend.ts';
import type { Passwords } from '../accounts/password.ts';
import type { AuthContext } from '../context.ts';
import type { Guard } from '../guard/guard.ts';
import type { Handler, StreamHandler, UploadHandler } from './handler.ts';

export interface AuditFinding {
  readonly finding: string;
  readonly where: string;
  readonly message: string;
}

export interface AuditReport {
  readonly ok: boolean;
  readonly events: number;
  readonly writers: number;
  readonly findings: readonly AuditFinding[];
}

export interface ServerContext extends AuthContext {
  readonly guard: Guard;
  readonly recordings: RecordingStore;
  /** Hashes passwords, few at a time. */
  readonly passwords: Passwords;
  /** Absent when the store is not a file of this machine. */
  readonly backup?: ((path: string) => Promise<BackupInfo>) | undefined;
  /** A folder of mode 0700 for files that live as long as one call. */
  readonly tempDir: string;
  /** Absent when the first audit sink keeps no files that can be checked. */
  readonly verifyAudit?: (() => Promise<AuditReport>) | undefined;
}

/** A handler as the server mounts it. */
export type Route =
  | Handler<unknown, unknown, ServerContext>
  | StreamHandler<unknown, ServerContext>
  | UploadHandler<unknown, unknown, ServerContext>;
