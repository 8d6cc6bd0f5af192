// A connection of the account that makes accounts: opened for one change, with limits on how long it waits, and with
// nothing of what users could have put in its way (search path).
import type { Client } from 'pg';
import { GatehouseError, isCode } from '#core/errors/error.ts';
import type { Resource } from '#core/resource.ts';
import type { DbSpec } from '#kinds/db/kind.ts';
import type { DbConnector } from '../connect.ts';
import { AdminStream } from './admin-stream.ts';

export interface Row {
  readonly [column: string]: unknown;
}

export interface AdminConnection {
  /** Rows of one statement; values go apart from the text. */
  rows(text: string, values?: readonly unknown[]): Promise<readonly Row[]>;
  /** Rolls back when `work` throws, or says so. */
  transaction<T>(work: () => Promise<T>, options?: { readonly andTakeBack?: boolean }): Promise<T>;
  readonly user: string;
  readonly database: string;
  close(): Promise<void>;
}

export interface AdminLogin {
  readonly database: string;
  readonly certificate?: Uint8Array;
}

const STATEMENT_MS = 15_000;

/** INVALID_CONFIG without `admin_user`, or when the database does not let it in; UNAVAILABLE as DbConnector. */
export async function connectAdmin(
  connector: DbConnector,
  db: Resource<DbSpec>,
  { database: wanted, certificate }: AdminLogin,
  signal: AbortSignal,
): Promise<AdminConnection> {
  const { admin_user: admin } = db.spec;
  if (admin === undefined)
    throw new GatehouseError(
      'INVALID_CONFIG',
      `the database ${db.metadata.name} has no admin_user: set it, or take create_db_user_mode from the role`,
    );
  const user = admin.name;
  const database = admin.default_database ?? wanted;
  const login = { user, database, isAdmin: true, ...(certificate === undefined ? {} : { certificate }) };
  const upstream = await connector.connect(db, login, signal);
  const { Client: PgClient } = (await import('pg')).default;
  const client = new PgClient({
    stream: () => new AdminStream(upstream.stream),
    ssl: false,
    user,
    database,
    password: async () => (await upstream.password?.()) ?? '',
    application_name: 'gatehouse-admin',
    statement_timeout: STATEMENT_MS,
    lock_timeout: STATEMENT_MS,
    query_timeout: STATEMENT_MS + 5000,
    options: '-c search_path=pg_catalog',
  });
  // Without a listener the end of the connection would end the process; statements fail on their own.
  client.on('error', () => {});
  const onAbort = (): void => void upstream.stream.destroy();
  signal.addEventListener('abort', onAbort, { once: true });
  try {
    await client.connect();
  } catch (cause) {
    upstream.stream.destroy();
    // Such as no credentials of AWS for its password.
    if (isCode(cause)) throw cause;
    throw adminRefused(cause, user, database, db.metadata.name);
  }
  return new OpenAdmin(client, user, database, () => signal.removeEventListener('abort', onAbort));
}

class OpenAdmin implements AdminConnection {
  readonly user: string;
  readonly database: string;
  readonly #client: Client;
  readonly #onClose: () => void;

  constructor(client: Client, user: string, database: string, onClose: () => void) {
    this.#client = client;
    this.user = user;
    this.database = database;
    this.#onClose = onClose;
  }

  async rows(text: string, values: readonly unknown[] = []): Promise<readonly Row[]> {
    const result = await this.#client.query(text, [...values]);
    return result.rows as Row[];
  }

  async transaction<T>(work: () => Promise<T>, options: { andTakeBack?: boolean } = {}): Promise<T> {
    await this.#client.query('BEGIN');
    try {
      const result = await work();
      await this.#client.query(options.andTakeBack === true ? 'ROLLBACK' : 'COMMIT');
      return result;
    } catch (error) {
      await this.#client.query('ROLLBACK').catch(() => {});
      throw error;
    }
  }

  async close(): Promise<void> {
    this.#onClose();
    await this.#client.end().catch(() => {});
  }
}

function adminRefused(cause: unknown, user: string, database: string, name: string): GatehouseError {
  const text = cause instanceof Error ? cause.message : String(cause);
  return new GatehouseError(
    'INVALID_CONFIG',
    `the admin_user ${JSON.stringify(user)} cannot connect to ${JSON.stringify(database)} of ${name}: ${text.slice(0, 300)}`,
    { cause },
  );
}
