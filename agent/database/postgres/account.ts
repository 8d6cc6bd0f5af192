// The account of a session, where roles have it made for the person (create_db_user_mode). Apart from the session because
// roles decide whether, and with which roles of the database.
import { GatehouseError } from '#core/errors/error.ts';
import type { Resource } from '#core/resource.ts';
import type { DbSpec } from '#kinds/db/kind.ts';
import type { ProvisionedUser } from '../provision/contract.ts';
import type { TargetConnection } from '../../target/connection.ts';
import type { OpenedTarget } from '../../target/guard.ts';
import type { EngineGround } from './engine.ts';
import type { ClientLogin } from './read-login.ts';

export interface AccountOptions {
  readonly ground: EngineGround;
  readonly connection: TargetConnection;
  readonly db: Resource<DbSpec>;
  readonly opened: OpenedTarget;
  readonly login: ClientLogin;
}

export interface SessionAccount {
  /** Roles of the database that it has for this session. */
  readonly roles: readonly string[];
  /** Makes it fit; errors as DbProvisioner.open. */
  open(signal: AbortSignal): Promise<ProvisionedUser>;
}

/** Undefined when the account is there already, as far as anybody here knows. */
export function accountOf(options: AccountOptions): SessionAccount | undefined {
  const { ground, connection, db, opened, login } = options;
  const mode = opened.options.dbUserMode;
  const isMade = mode !== 'off' && db.spec.admin_user !== undefined;
  if (!isMade || login.user !== connection.identity.name) return undefined;
  const { certificate } = connection;
  const { user, database } = login;
  const roles = databaseRoles(options);
  const request = { user, database, roles, mode, sessionId: opened.id, certificate };
  return { roles, open: (signal) => ground.provisioner.open(db, request, signal) };
}

/** What the roles that grant the session say in `db_roles`, less what any role denies. */
function databaseRoles({ ground, connection, opened }: AccountOptions): readonly string[] {
  const access = ground.view.accessSet(connection.identity);
  const denied = access.denied('db_roles');
  const granting = access.roles.filter(({ role }) => opened.roles.includes(role.name));
  const named = new Set<string>();
  for (const { role, allow } of granting) {
    const { values, any } = allow.names('db_roles');
    if (any)
      throw new GatehouseError('INVALID_CONFIG', `role ${role.name} has "*" in db_roles; it must name them`);
    for (const name of values) named.add(name);
  }
  return denied.any ? [] : [...named].filter((name) => !denied.values.has(name)).sort();
}
