// Which database, as which account, a command of `gate db` means, and a certificate for that: kept from before, or new.
import { targetGrants, type TargetGrants } from '#core/api/targets.ts';
import type { Api } from '#client/api.ts';
import { GatehouseError, isCode } from '#core/errors/error.ts';
import * as flag from '../arguments.ts';
import type { Gate } from '../commands/gate/context.ts';
import { openProfileApi } from '../profile/api.ts';
import { listTargetLogins, readTargetLogin, type TargetLogin } from '../profile/target-files.ts';
import { loginFirst } from '../ssh/login-first.ts';
import { fetchTarget, isFreshEnough, wishOf, type TargetWish } from './certificate.ts';
import { chosen, type Filter } from './filter.ts';
import { listDatabases } from './list.ts';
import type { ProxyProfile } from './road.ts';

export const accountFlags = {
  'db-user': flag.text({ says: 'The account in the database.', short: 'u', value: 'ACCOUNT' }),
  'db-name': flag.text({ says: 'The database within the server.', short: 'n', value: 'DATABASE' }),
};

export const ttlFlag = {
  ttl: flag.duration({ says: 'How long the certificate is to be good. (as long as the login)' }),
};

export interface DatabaseWish {
  /** Left out: the one that fits the filter, or the one signed in to. */
  readonly name: string | undefined;
  readonly filter: Filter;
  readonly user: string | undefined;
  readonly database: string | undefined;
  readonly ttlMs?: number | undefined;
  /** Whether the account must be known: a client is started as it. */
  readonly needsAccount: boolean;
  /** Asks for a certificate even when there is one that fits. */
  readonly isNew: boolean;
}

export interface DatabaseLogin {
  readonly profile: ProxyProfile;
  readonly login: TargetLogin;
}

/** ACCESS_DENIED and BAD_REQUEST say which accounts and databases the roles grant. */
export async function loginToDatabase(gate: Gate, wish: DatabaseWish): Promise<DatabaseLogin> {
  const profile = await loginFirst(gate, { mayAsk: true });
  const api = openProfileApi(gate.io, profile);
  try {
    const name = await nameOf(gate, api, profile, wish);
    const kept = await readTargetLogin(gate.io, profile, 'db', name);
    const wanted = wished(name, wish, kept);
    const isKept =
      kept !== undefined &&
      isSame(wanted, wishOf('db', kept)) &&
      isFreshEnough(kept, profile, gate.io.clock.now());
    if (isKept && !wish.isNew && (!wish.needsAccount || wanted.username !== undefined))
      return { profile, login: kept };
    const account = wish.needsAccount ? await withAccount(api, profile, wanted) : wanted;
    const login = await fetchTarget(gate.io, api, profile, account, wish.ttlMs).catch((error: unknown) =>
      explainDenial(api, account, error),
    );
    return { profile, login };
  } finally {
    api.close();
  }
}

/** What is not said anew stays as it was. */
function wished(
  name: string,
  { user, database, isNew }: DatabaseWish,
  kept: TargetLogin | undefined,
): TargetWish {
  const before = kept === undefined || isNew ? undefined : kept.identity.route_to_database;
  return {
    sort: 'db',
    name,
    username: user ?? before?.username,
    database: database ?? before?.database,
  };
}

const isSame = (one: TargetWish, other: TargetWish): boolean =>
  one.username === other.username && one.database === other.database;

async function nameOf(
  gate: Gate,
  api: Api,
  profile: ProxyProfile,
  { name, filter }: DatabaseWish,
): Promise<string> {
  const hasFilter = Object.values(filter).some((value) => value !== undefined);
  if (name === undefined && !hasFilter) return (await onlyLogin(gate, profile)).name;
  const known =
    name !== undefined && !hasFilter ? await readTargetLogin(gate.io, profile, 'db', name) : undefined;
  if (known !== undefined) return known.name;
  return chosen(await listDatabases(api), name, filter, 'database').name;
}

/** The one database that the person is signed in to. USAGE when it is none, or several. */
export async function onlyLogin(gate: Gate, profile: ProxyProfile): Promise<TargetLogin> {
  const logins = await listTargetLogins(gate.io, profile, 'db');
  const [first] = logins;
  if (first !== undefined && logins.length === 1) return first;
  const why =
    first === undefined
      ? 'NAME is missing: which database; `gate db ls` lists them'
      : `NAME is missing, and you are signed in to ${logins.map(({ name }) => name).join(', ')}`;
  throw flag.usage(why);
}

/** The one that `gate db login` made. UNAUTHENTICATED when there is none. */
export async function requireDatabaseLogin(
  gate: Gate,
  profile: ProxyProfile,
  name: string | undefined,
): Promise<TargetLogin> {
  if (name === undefined) return onlyLogin(gate, profile);
  const login = await readTargetLogin(gate.io, profile, 'db', name);
  if (login !== undefined) return login;
  throw new GatehouseError('UNAUTHENTICATED', `you are not signed in to the database ${name}`, {
    details: { remedy: `Run \`gate db login ${name}\`.` },
  });
}

/** Fills in what there is no choice about. */
async function withAccount(api: Api, profile: ProxyProfile, wish: TargetWish): Promise<TargetWish> {
  if (wish.username !== undefined && wish.database !== undefined) return wish;
  const grants = await api.call(targetGrants, { kind: 'db', name: wish.name });
  return {
    ...wish,
    username: wish.username ?? accountOf(grants, profile),
    database: wish.database ?? databaseOf(grants),
  };
}

function accountOf(grants: TargetGrants, profile: ProxyProfile): string {
  const { values, any } = grants.db_users;
  if (grants.creates_db_user) return profile.user;
  const [only] = values;
  if (only !== undefined && values.length === 1 && !any) return only;
  throw new GatehouseError('USAGE', `--db-user is missing: ${listOf('accounts', grants.db_users)}`);
}

/** With several to choose from, or any, the client's own way: the database of the account's name. */
function databaseOf({ db_names: { values, any } }: TargetGrants): string | undefined {
  const [only] = values;
  if (values.length === 1 && !any) return only;
  if (values.length === 0 || any) return undefined;
  throw new GatehouseError('USAGE', `--db-name is missing: ${listOf('databases', { values, any })}`);
}

async function explainDenial(api: Api, wish: TargetWish, error: unknown): Promise<never> {
  if (!isCode(error, 'ACCESS_DENIED')) throw error;
  const grants = await api.call(targetGrants, { kind: 'db', name: wish.name }).catch(() => undefined);
  if (grants === undefined) throw error;
  const remedy = `For ${wish.name}: ${listOf('accounts', grants.db_users)}; ${listOf('databases', grants.db_names)}.`;
  throw new GatehouseError('ACCESS_DENIED', error.message, {
    cause: error,
    details: { ...error.details, remedy },
  });
}

function listOf(what: string, { values, any }: TargetGrants['db_users']): string {
  if (any)
    return `your roles grant any ${what}${values.length === 0 ? '' : `, such as ${values.join(', ')}`}`;
  return values.length === 0
    ? `your roles grant no ${what}`
    : `your roles grant the ${what} ${values.join(', ')}`;
}
