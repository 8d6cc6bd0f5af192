// Accounts that are made for people when they come and taken away when they have gone. Contracts only: the engine asks for
// one before it connects, and gives it back when the session is over.
import type { Resource } from '#core/resource.ts';
import type { DbSpec } from '#kinds/db/kind.ts';

export interface ProvisionRequest {
  /** The account: the name of the person. */
  readonly user: string;
  /** What the session will connect to. */
  readonly database: string;
  /** Roles of the database that the account gets, `db_roles` of those roles that grant the session. */
  readonly roles: readonly string[];
  /** What becomes of it at the end. */
  readonly mode: 'keep' | 'best_effort_drop';
  /** UUID of the session. */
  readonly sessionId: string;
  /** DER of the person's certificate: see DbLogin. */
  readonly certificate: Uint8Array;
}

export interface ProvisionedUser {
  /**
   * When the session is over, with its own connections closed: takes roles and login away, or drops the account, when no
   * other session uses it. `processIds` are the backends of this session that may still be ending. Never rejects: what
   * fails is in the log and the audit log. Safe to call twice.
   */
  close(processIds?: readonly number[]): Promise<void>;
}

/** One line of what an `admin_user` can and cannot do. */
export interface ProvisionFinding {
  readonly ok: boolean;
  /** Such as `admin may create roles`. */
  readonly what: string;
  /** What to do when it is not ok; an SQL statement where one helps. */
  readonly remedy?: string;
}

export interface DbProvisioner {
  /**
   * Makes the account fit for this session, on the primary of a replica. Emits `db.user.create`. ACCESS_DENIED when the
   * account exists and was not made here, or other sessions use it with other roles; INVALID_CONFIG when the database has
   * no `admin_user`, or it lacks rights (the message says which); UNAVAILABLE as DbConnector.
   */
  open(db: Resource<DbSpec>, request: ProvisionRequest, signal: AbortSignal): Promise<ProvisionedUser>;
  /** Does it all and takes it back: whether `open` would work, and what is in the way. Changes nothing. */
  dryRun(
    db: Resource<DbSpec>,
    request: ProvisionRequest,
    signal: AbortSignal,
  ): Promise<readonly ProvisionFinding[]>;
  /** Resolves when no account is being taken away any more, or after 1.5 s. Sessions are closed before. */
  close(): Promise<void>;
}
