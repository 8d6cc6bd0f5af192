// What every start brings up to date once the audit log is open: preset roles and settings. The first start of a cluster
// is one event; later changes are one each.
import type { Log } from '#core/log.ts';
import type { AuthConfig } from '#config/config.ts';
import type { AuditLog } from '#events/audit-log.ts';
import type { Cluster } from '../bootstrap/establish.ts';
import type { ClusterState } from '../state/state.ts';
import { applyPresetRoles } from './roles.ts';
import { applySettings } from './settings.ts';

export interface PrepareOptions {
  readonly state: Pick<ClusterState, 'get' | 'write'>;
  readonly audit: Pick<AuditLog, 'emit'>;
  readonly log: Log;
  readonly cluster: Cluster;
  readonly version: string;
  readonly settings?: AuthConfig['settings'] | undefined;
}

/** Errors as of applyPresetRoles and applySettings. */
export async function prepareCluster(options: PrepareOptions): Promise<void> {
  const { cluster, audit, version, settings = {} } = options;
  const quiet = { ...options, settings, ...(cluster.isNew ? { audit: { emit: (): void => {} } } : {}) };
  if (cluster.isNew) {
    const { name, bootstrapFile } = cluster;
    const path = bootstrapFile === undefined ? {} : { path: bootstrapFile };
    audit.emit({ event: 'bootstrap', name, version, ...path });
  }
  await applyPresetRoles(quiet);
  await applySettings(quiet);
}
