// What an admin_user can do, before it is asked to: each missing right with the statement that gives it. Reads only.
import { GatehouseError } from '#core/errors/error.ts';
import { codeOf } from './account.ts';
import type { AdminConnection, Row } from './admin-connection.ts';
import type { ProvisionFinding, ProvisionRequest } from './contract.ts';
import { MARK_ROLE, quoteName } from './names.ts';

const FORBIDDEN = '42501';
const OLDEST = 120_000;
/** From here on who may create roles may only grant those that were granted to them with ADMIN OPTION. */
const STRICT = 160_000;

export async function probe(
  admin: AdminConnection,
  { user, roles, database }: Pick<ProvisionRequest, 'user' | 'roles' | 'database'>,
): Promise<readonly ProvisionFinding[]> {
  const self = await readSelf(admin);
  const mayGrant = await grantable(admin, [MARK_ROLE, ...roles]);
  return [
    finding(self.version >= OLDEST, 'the server is PostgreSQL 12 or newer', 'upgrade the server'),
    finding(!self.isReplica, 'it is the primary', 'name the host of the primary in the uri'),
    finding(
      self.isSuper || self.mayCreate,
      'the admin_user may create roles',
      `ALTER ROLE ${quoteName(admin.user)} CREATEROLE;`,
    ),
    ...[...new Set([MARK_ROLE, ...roles])]
      // The first account that is made makes it.
      .filter((role) => role !== MARK_ROLE || mayGrant.has(role))
      .map((role) => grantFinding(admin.user, role, self, mayGrant.get(role))),
    ...(await probeAccount(admin, user, database)),
  ];
}

interface Self {
  readonly version: number;
  readonly isSuper: boolean;
  readonly mayCreate: boolean;
  readonly isReplica: boolean;
}

async function readSelf(admin: AdminConnection): Promise<Self> {
  const [row] = await admin.rows(
    `SELECT current_setting('server_version_num')::int AS version, rolsuper, rolcreaterole,
       pg_is_in_recovery() AS replica FROM pg_roles WHERE rolname = current_user`,
  );
  return {
    version: Number(row?.['version'] ?? 0),
    isSuper: row?.['rolsuper'] === true,
    mayCreate: row?.['rolcreaterole'] === true,
    isReplica: row?.['replica'] === true,
  };
}

function grantFinding(user: string, role: string, self: Self, row: Row | undefined): ProvisionFinding {
  const what = `the admin_user may grant ${role}`;
  if (row === undefined) return finding(false, what, `CREATE ROLE ${quoteName(role)} NOLOGIN;`);
  const may = self.version < STRICT ? row['super'] !== true : row['admin'] === true;
  const remedy = `GRANT ${quoteName(role)} TO ${quoteName(user)} WITH ADMIN OPTION;`;
  return finding(self.isSuper || may, what, remedy);
}

async function probeAccount(
  admin: AdminConnection,
  user: string,
  database: string,
): Promise<ProvisionFinding[]> {
  const [row] = await admin.rows(
    `SELECT EXISTS (SELECT 1 FROM pg_auth_members m JOIN pg_roles g ON g.oid = m.roleid
       WHERE m.member = r.oid AND g.rolname = $2) AS ours FROM pg_roles r WHERE r.rolname = $1`,
    [user, MARK_ROLE],
  );
  const [found] = await admin.rows('SELECT 1 FROM pg_database WHERE datname = $1', [database]);
  return [
    finding(
      row === undefined || row['ours'] === true,
      `the account ${user} is free, or was made here`,
      `choose another name, or GRANT ${quoteName(MARK_ROLE)} TO ${quoteName(user)};`,
    ),
    finding(found !== undefined, `the database ${database} exists`, 'correct the name of the database'),
  ];
}

async function grantable(
  admin: AdminConnection,
  roles: readonly string[],
): Promise<ReadonlyMap<string, Row>> {
  const rows = await admin.rows(
    `SELECT r.rolname AS name, r.rolsuper AS super,
       pg_has_role(current_user, r.oid, 'MEMBER WITH ADMIN OPTION') AS admin FROM pg_roles r WHERE r.rolname = ANY ($1)`,
    [roles],
  );
  return new Map(rows.map((row) => [String(row['name']), row]));
}

function finding(ok: boolean, what: string, remedy: string): ProvisionFinding {
  return ok ? { ok, what } : { ok, what, remedy };
}

/** What is not there; looked up once something failed. */
export async function missingRights(
  admin: AdminConnection,
  request: ProvisionRequest,
): Promise<readonly ProvisionFinding[]> {
  try {
    return (await probe(admin, request)).filter(({ ok }) => !ok);
  } catch {
    return [];
  }
}

export function explained(error: unknown, missing: readonly ProvisionFinding[]): GatehouseError {
  const text = error instanceof Error ? error.message : String(error);
  const advice = missing.map(
    ({ what, remedy }) => `not so: ${what}${remedy === undefined ? '' : ` (${remedy})`}`,
  );
  return new GatehouseError(
    codeOf(error) === FORBIDDEN || missing.length > 0 ? 'INVALID_CONFIG' : 'UNAVAILABLE',
    `the account could not be made: ${[text, ...advice].join('; ')}`,
    { cause: error },
  );
}
