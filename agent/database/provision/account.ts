// What is done to an account in PostgreSQL, within one transaction that holds a lock on its name: made or made fit, given
// its roles, and taken away. Works for admins that are no superusers, from version 12 on.
import { GatehouseError } from '#core/errors/error.ts';
import type { AdminConnection } from './admin-connection.ts';
import { readMarks, withMark, withoutMark, writeMarks, type Marks } from './marks.ts';
import { MARK_ROLE, quoteName, quoteText } from './names.ts';

export interface AccountChange {
  readonly user: string;
  readonly sessionId: string;
}

export interface Activation extends AccountChange {
  readonly roles: readonly string[];
  /** RDS: the account signs in by IAM. */
  readonly usesIam: boolean;
  /** What the person will connect to. */
  readonly database: string;
}

export interface Deactivation extends AccountChange {
  readonly mode: 'keep' | 'best_effort_drop';
  /** Backends of the session that is over. */
  readonly processIds: readonly number[];
  readonly ownedObjectsTo?: string | undefined;
}

export type Ended =
  /** Other sessions use it. */
  'in-use' | 'disabled' | 'dropped' | 'gone';

interface Account {
  readonly isOurs: boolean;
  readonly marks: Marks;
  readonly roles: readonly string[];
  /** Backends of others. */
  readonly sessions: number;
  readonly now: number;
}

const NEW: Account = { isOurs: true, marks: new Map(), roles: [], sessions: 0, now: 0 };
const IAM_ROLE = 'rds_iam';
const DEPENDENT = '2BP01';

/** Within a transaction. ACCESS_DENIED and errors of the database, as they are. */
export async function activate(admin: AdminConnection, change: Activation): Promise<'created' | 'activated'> {
  const { user, roles, sessionId } = change;
  await takeLock(admin, MARK_ROLE);
  await takeLock(admin, user);
  await makeMarkRole(admin);
  const found = await readAccount(admin, user, []);
  if (found === undefined) await create(admin, user);
  const account = found ?? { ...NEW, now: await nowOf(admin) };
  const wanted = [...new Set(roles)].sort();
  if (wanted.includes(admin.user))
    throw new GatehouseError('INVALID_CONFIG', 'db_roles name the admin_user, who makes accounts for all');
  requireFree(user, account, wanted);
  const name = quoteName(user);
  if (!isUsed(account)) {
    await admin.rows(`ALTER ROLE ${name} WITH LOGIN`);
    await setRoles(admin, user, account.roles, wanted);
  }
  await takePassword(admin, user);
  if (change.usesIam) await admin.rows(`GRANT ${IAM_ROLE} TO ${name}`);
  await writeComment(admin, user, withMark(account.marks, sessionId, account.now));
  await requireConnect(admin, change);
  return found === undefined ? 'created' : 'activated';
}

const isUsed = ({ sessions, marks }: Account): boolean => sessions > 0 || marks.size > 0;

function requireFree(user: string, account: Account, wanted: readonly string[]): void {
  const refuse = (why: string): GatehouseError =>
    new GatehouseError('ACCESS_DENIED', `the account ${JSON.stringify(user)} ${why}`);
  if (!account.isOurs) throw refuse('exists and was not made by Gatehouse: it is left alone');
  if (isUsed(account) && !isSame(account.roles, wanted))
    throw refuse(`is in use with other roles (${account.roles.join(', ')}): end the other sessions first`);
}

async function create(admin: AdminConnection, user: string): Promise<void> {
  await admin.rows(`CREATE ROLE ${quoteName(user)} NOLOGIN`);
  await admin.rows(`GRANT ${quoteName(MARK_ROLE)} TO ${quoteName(user)}`);
}

/** Accounts give themselves one, to come back with it past Gatehouse. */
async function takePassword(admin: AdminConnection, user: string): Promise<void> {
  await admin.rows(`ALTER ROLE ${quoteName(user)} WITH PASSWORD NULL`);
}

/** Within a transaction. */
export async function deactivate(admin: AdminConnection, change: Deactivation): Promise<Ended> {
  const { user, sessionId, processIds } = change;
  await takeLock(admin, user);
  const found = await readAccount(admin, user, processIds);
  if (found === undefined || !found.isOurs) return 'gone';
  const others = withoutMark(found.marks, sessionId);
  if (found.sessions > 0 || others.size > 0) {
    await takePassword(admin, user);
    await writeComment(admin, user, others);
    return 'in-use';
  }
  if (change.mode === 'best_effort_drop' && (await drop(admin, change))) return 'dropped';
  await setRoles(admin, user, found.roles, []);
  await takePassword(admin, user);
  await admin.rows(`ALTER ROLE ${quoteName(user)} WITH NOLOGIN`);
  await writeComment(admin, user, new Map());
  return 'disabled';
}

/** False when something depends on it; the transaction goes on as before. */
async function drop(admin: AdminConnection, { user, ownedObjectsTo: heir }: Deactivation): Promise<boolean> {
  const name = quoteName(user);
  await admin.rows('SAVEPOINT dropping');
  try {
    if (heir !== undefined) {
      if (await actsAsOwner(admin, user)) return false;
      await admin.rows(`GRANT ${name} TO CURRENT_USER`);
      await admin.rows(`REASSIGN OWNED BY ${name} TO ${quoteName(heir)}`);
      // Rights on the objects of others; it owns nothing here any more.
      await admin.rows(`DROP OWNED BY ${name}`);
    }
    await admin.rows(`DROP ROLE ${name}`);
    return true;
  } catch (error) {
    await admin.rows('ROLLBACK TO SAVEPOINT dropping');
    if (codeOf(error) === DEPENDENT || heir !== undefined) return false;
    throw error;
  }
}

/** Functions and views that do what their owner may: under the heir they would do what the person never could. */
async function actsAsOwner(admin: AdminConnection, user: string): Promise<boolean> {
  const rows = await admin.rows(
    `SELECT 1 FROM pg_roles r WHERE r.rolname = $1 AND (
       EXISTS (SELECT 1 FROM pg_proc p WHERE p.proowner = r.oid AND p.prosecdef)
       OR EXISTS (SELECT 1 FROM pg_class c JOIN pg_rewrite w ON w.ev_class = c.oid WHERE c.relowner = r.oid))`,
    [user],
  );
  return rows.length > 0;
}

/** Until the end of the transaction, for all agents that serve this database. */
async function takeLock(admin: AdminConnection, name: string): Promise<void> {
  await admin.rows('SELECT pg_advisory_xact_lock(hashtextextended($1, 7305))', [`gatehouse:${name}`]);
}

async function makeMarkRole(admin: AdminConnection): Promise<void> {
  const found = await admin.rows('SELECT 1 FROM pg_roles WHERE rolname = $1', [MARK_ROLE]);
  if (found.length === 0) await admin.rows(`CREATE ROLE ${quoteName(MARK_ROLE)} NOLOGIN`);
}

async function readAccount(
  admin: AdminConnection,
  user: string,
  ending: readonly number[],
): Promise<Account | undefined> {
  const [role] = await admin.rows(
    `SELECT r.oid, shobj_description(r.oid, 'pg_authid') AS comment,
       (SELECT count(*)::int FROM pg_stat_activity a WHERE a.usesysid = r.oid AND a.pid <> ALL ($2::int[])) AS sessions,
       floor(extract(epoch FROM clock_timestamp()))::float8 AS now
     FROM pg_roles r WHERE r.rolname = $1`,
    [user, ending],
  );
  if (role === undefined) return undefined;
  const memberships = await membershipsOf(admin, user);
  const now = Number(role['now']);
  return {
    isOurs: memberships.includes(MARK_ROLE),
    marks: readMarks(role['comment'] as string | null, now),
    roles: memberships.filter((name) => name !== MARK_ROLE && name !== IAM_ROLE).sort(),
    sessions: Number(role['sessions']),
    now,
  };
}

async function membershipsOf(admin: AdminConnection, user: string): Promise<string[]> {
  const rows = await admin.rows(
    `SELECT DISTINCT g.rolname AS name FROM pg_auth_members m
     JOIN pg_roles g ON g.oid = m.roleid JOIN pg_roles u ON u.oid = m.member WHERE u.rolname = $1`,
    [user],
  );
  return rows.map((row) => String(row['name']));
}

async function setRoles(
  admin: AdminConnection,
  user: string,
  had: readonly string[],
  wanted: readonly string[],
): Promise<void> {
  const name = quoteName(user);
  for (const role of had.filter((one) => !wanted.includes(one)))
    await admin.rows(`REVOKE ${quoteName(role)} FROM ${name}`);
  for (const role of wanted.filter((one) => !had.includes(one)))
    await admin.rows(`GRANT ${quoteName(role)} TO ${name}`);
  // What somebody else granted is not taken away by a REVOKE of ours, and PostgreSQL only warns.
  const now = (await membershipsOf(admin, user)).filter((role) => role !== MARK_ROLE && role !== IAM_ROLE);
  const more = now.filter((role) => !wanted.includes(role));
  if (more.length > 0)
    throw new GatehouseError(
      'INVALID_CONFIG',
      `the account ${JSON.stringify(user)} has roles that the admin_user cannot revoke: ${more.join(', ')}`,
    );
}

async function requireConnect(admin: AdminConnection, { user, database }: Activation): Promise<void> {
  const [row] = await admin.rows(
    `SELECT has_database_privilege($1::name, d.oid, 'CONNECT') AS may FROM pg_database d WHERE d.datname = $2`,
    [user, database],
  );
  if (row === undefined)
    throw new GatehouseError('NOT_FOUND', `the database ${JSON.stringify(database)} does not exist`);
  if (row['may'] === true) return;
  throw new GatehouseError(
    'ACCESS_DENIED',
    `none of the roles of the account may connect to ${JSON.stringify(database)}: GRANT CONNECT ON DATABASE ${quoteName(database)} TO one of them`,
  );
}

async function writeComment(admin: AdminConnection, user: string, marks: Marks): Promise<void> {
  await admin.rows(`COMMENT ON ROLE ${quoteName(user)} IS ${quoteText(writeMarks(marks))}`);
}

async function nowOf(admin: AdminConnection): Promise<number> {
  const [row] = await admin.rows('SELECT floor(extract(epoch FROM clock_timestamp()))::float8 AS now');
  return Number(row?.['now']);
}

const isSame = (a: readonly string[], b: readonly string[]): boolean =>
  a.length === b.length && a.every((value, i) => value === b[i]);

/** SQLSTATE of an error of the database. */
export function codeOf(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined;
}
