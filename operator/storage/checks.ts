// What can be wrong with a GatehouseStorage. Pure, and apart from its reconciler because a GatehouseCluster that refers to it
// asks the same.
import { formatProblem, type Checked } from '#core/schema/check.ts';
import type { StorageSpec } from '../crds/storage.ts';

export interface StorageProblem {
  /** In CamelCase, for programs. */
  readonly reason: string;
  readonly message: string;
}

const LATER_TYPES = ['etcd', 'postgresql', 'cockroachdb', 'dynamodb', 'firestore'];
/** Keys of the storage section with a field of their own, or that decide where on the volume the state is. */
const TAKEN_KEYS: Readonly<Record<string, string>> = {
  type: 'is spec.type',
  path: 'is set by the operator, so that it is on the volume',
  sync: 'is spec.sqlite.sync',
  journal: 'is spec.sqlite.journal',
  audit_events_uri: 'is spec.auditEventsUri',
  audit_sessions_uri: 'is spec.auditSessionsUri',
};
const SECRET_KEYS = new Set(['conn_string', 'change_feed_conn_string', 'password']);

/** Undefined when a cluster can use it. */
export function storageProblem(checked: Checked<StorageSpec>): StorageProblem | undefined {
  if (!checked.ok) {
    const found = checked.problems.map(({ path, message }) =>
      formatProblem({ path: ['spec', ...path], message }),
    );
    return { reason: 'InvalidStorage', message: found.join('; ') };
  }
  const { type, config = {}, credentials = {} } = checked.value;
  if (type !== 'sqlite') {
    const message = LATER_TYPES.includes(type)
      ? `spec.type: ${type} is not part of this release; use sqlite`
      : `spec.type: "${type}" is not known; use sqlite`;
    return { reason: 'UnsupportedStorage', message };
  }
  const keys = Object.keys(config).flatMap((key) => {
    if (SECRET_KEYS.has(key)) return [`spec.config.${key}: is secret; it belongs in spec.credentials`];
    const taken = TAKEN_KEYS[key];
    return taken === undefined ? [] : [`spec.config.${key}: ${taken}`];
  });
  if (keys.length > 0) return { reason: 'InvalidStorage', message: keys.join('; ') };
  const given = Object.keys(credentials);
  if (given.length > 0) {
    return { reason: 'InvalidStorage', message: `spec.credentials: sqlite takes none (${given.join(', ')})` };
  }
  return undefined;
}
