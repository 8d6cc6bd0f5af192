// The way from this agent to a database: dial, TLS, and what proves who we are there. Contracts only; the parts are beside
// it, and the protocol that is spoken then is the engine's.
import type { Duplex } from 'node:stream';
import type { Resource } from '#core/resource.ts';
import type { DbSpec } from '#kinds/db/kind.ts';

export interface DbLogin {
  /** Account in the database; exactly as it will be in the startup message. */
  readonly user: string;
  readonly database: string;
  /**
   * DER of the person's certificate for the database: auth makes client certificates for databases only for somebody
   * whose certificate it sees. Left out, no client certificate is shown.
   */
  readonly certificate?: Uint8Array | undefined;
  /** The account is the `admin_user` of the database, which makes accounts for people. */
  readonly isAdmin?: boolean | undefined;
}

export interface DbUpstream {
  /** A socket in TLS where the database has it; paused, nothing written, the startup message not sent. The caller destroys it. */
  readonly stream: Duplex;
  readonly isTls: boolean;
  /**
   * What to answer when the server asks for a cleartext password; absent when there is none to give (certificate
   * authentication). Asked for once per connection, kept for its life elsewhere. Must only be sent when `isTls`.
   */
  readonly password?: (() => Promise<string>) | undefined;
}

/** Where a database runs, as `db_type` in the audit log. */
export type DbType = 'rds' | 'self-hosted';

export interface DbConnector {
  /**
   * UNAVAILABLE (name, refused, timeout, TLS), CERTIFICATE_INVALID (the server's certificate), AWS_REFUSED: messages say
   * what to check. Rejects with the signal's reason when it is aborted.
   */
  connect(db: Resource<DbSpec>, login: DbLogin, signal: AbortSignal): Promise<DbUpstream>;
  /** The same without proof of who we are: for cancel requests. */
  dial(db: Resource<DbSpec>, signal: AbortSignal): Promise<Duplex>;
  typeOf(db: Resource<DbSpec>): DbType;
  close(): void;
}
