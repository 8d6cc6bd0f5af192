// What serves databases on this agent: the engine of their protocol, and the way to them. One protocol so far; the second
// is a case here.
import type { DbEngine, TargetGround } from '../target/connection.ts';
import type { DbConnector } from './connect.ts';
import { openDbProvisioner } from './provision/provisioner.ts';
import { PostgresEngine } from './postgres/engine.ts';

export interface DatabasesOptions extends TargetGround {
  /** The engine closes it. */
  readonly connector: DbConnector;
}

/** The caller closes it, before audit and recordings. */
export function openDatabases({ connector, ...ground }: DatabasesOptions): DbEngine {
  const provisioner = openDbProvisioner({ ...ground, connector });
  const engine = new PostgresEngine({ ...ground, connector, provisioner });
  return {
    serve: (connection, db) => engine.serve(connection, db),
    refuse: (stream, refusal) => engine.refuse(stream, refusal),
    cancel: (key) => engine.cancel(key),
    get count() {
      return engine.count;
    },
    async close() {
      await engine.close();
      await provisioner.close();
      connector.close();
    },
  };
}
