// Where accounts can be made: replicas take none, so their primary is found, as far as names and Aurora tell it.
import { parseRdsHost } from '#core/aws/rds-host.ts';
import { GatehouseError } from '#core/errors/error.ts';
import type { Resource } from '#core/resource.ts';
import { parseDatabaseUri } from '#core/target-address.ts';
import type { DbSpec } from '#kinds/db/kind.ts';
import type { AdminConnection } from './admin-connection.ts';

type Db = Resource<DbSpec>;

export async function isReplica(admin: AdminConnection): Promise<boolean> {
  const [row] = await admin.rows('SELECT pg_is_in_recovery() AS replica');
  return row?.['replica'] === true;
}

/** For reader endpoints of Aurora the name of the writer's follows from theirs. */
export function writerOf(db: Db): Db | undefined {
  const address = parseDatabaseUri(db.spec.uri);
  if (typeof address === 'string') return undefined;
  const writer = parseRdsHost(address.host)?.writer;
  return writer === undefined ? undefined : at(db, writer, address.port);
}

/** Instances and custom endpoints of Aurora know which instance writes. */
export async function auroraWriter(admin: AdminConnection, db: Db): Promise<Db | undefined> {
  const address = parseDatabaseUri(db.spec.uri);
  if (typeof address === 'string' || parseRdsHost(address.host)?.sort !== 'instance') return undefined;
  const rows = await admin
    .rows("SELECT server_id FROM aurora_replica_status() WHERE session_id = 'MASTER_SESSION_ID'")
    .catch(() => []);
  const id = String(rows[0]?.['server_id'] ?? '');
  if (!/^[a-z][a-z0-9-]{0,62}$/.test(id)) return undefined;
  return at(db, `${id}.${address.host.split('.').slice(1).join('.')}`, address.port);
}

const at = (db: Db, host: string, port: number): Db => ({
  ...db,
  spec: { ...db.spec, uri: `${host}:${port}` },
});

export const replicaRefused = (db: Db): GatehouseError =>
  new GatehouseError(
    'INVALID_CONFIG',
    `${db.spec.uri} is a replica, where no account can be made: name the primary, or for Aurora the cluster's endpoint`,
  );
