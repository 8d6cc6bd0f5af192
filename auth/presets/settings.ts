// The settings of the cluster at start: what the config file says wins, field by field; what it does not say stays as
// an admin set it; and a setting that nobody made gets its defaults, so that there is something to look at and edit.
import { isDeepStrictEqual } from 'node:util';
import { GatehouseError, isCode } from '#core/errors/error.ts';
import { parseResource } from '#core/kind.ts';
import type { Log } from '#core/log.ts';
import type { Resource } from '#core/resource.ts';
import { isPlainObject } from '#core/schema/check.ts';
import type { AuthConfig, SettingKind } from '#config/config.ts';
import type { AuditLog } from '#events/audit-log.ts';
import { kindOf } from '#kinds/all.ts';
import { changedFields } from '../routes/change-events.ts';
import type { Change, ClusterState } from '../state/state.ts';

/** Tells people where a setting comes from; `config-file` when the file sets any field of it. */
export const ORIGIN_LABEL = 'gatehouse.internal/origin';
const FROM_FILE = 'config-file';

export const SETTING_KINDS = [
  'cluster_auth_preference',
  'cluster_networking_config',
  'session_recording_config',
] as const satisfies readonly SettingKind[];

const EVENTS = {
  cluster_auth_preference: 'auth_preference.update',
  cluster_networking_config: 'cluster_networking_config.update',
  session_recording_config: 'session_recording_config.update',
} as const satisfies Record<SettingKind, string>;

export interface SettingsOptions {
  readonly state: Pick<ClusterState, 'get' | 'write'>;
  readonly audit: Pick<AuditLog, 'emit'>;
  readonly log: Log;
  /** By kind: the fields that the config file sets. */
  readonly settings: AuthConfig['settings'];
}

const MAX_TRIES = 10;

/** INVALID_CONFIG when a field of the file is not valid, or does not fit what an admin set beside it. */
export async function applySettings(options: SettingsOptions): Promise<void> {
  for (const kind of SETTING_KINDS) await applySetting(kind, options);
}

async function applySetting(
  kind: SettingKind,
  { state, audit, log, settings }: SettingsOptions,
): Promise<void> {
  const fields = settings[kind];
  for (let tries = 1; ; tries++) {
    const before = state.get(kind, kindOf(kind).singleton ?? kind);
    const after = settingOf(kind, fields, before);
    if (before !== undefined && isSame(before, after)) return;
    try {
      await state.write([changeOf(before, after)]);
    } catch (error) {
      if (tries < MAX_TRIES && isCode(error, 'ALREADY_EXISTS', 'CONDITION_FAILED', 'NOT_FOUND')) continue;
      throw error;
    }
    if (before === undefined) return;
    const fields_changed = changedFields({ before, after });
    log.info({ kind, fields: fields_changed }, 'the config file changed a setting of the cluster');
    const about = { name: after.metadata.name, action: 'updated', fields_changed };
    audit.emit({ event: EVENTS[kind], user: '', reason: 'config file', ...about });
    return;
  }
}

/** Pure. The setting as it is to be: the file's fields over those that are stored. */
export function settingOf(
  kind: SettingKind,
  fields: Readonly<Record<string, unknown>> | undefined,
  before: Resource | undefined,
): Resource {
  const { revision: _store, labels, ...metadata } = before?.metadata ?? { name: kindOf(kind).singleton };
  const { [ORIGIN_LABEL]: _origin, ...ownLabels } = labels ?? {};
  const all = fields === undefined ? ownLabels : { ...ownLabels, [ORIGIN_LABEL]: FROM_FILE };
  const stored = isPlainObject(before?.spec) ? before.spec : {};
  const document = {
    ...(before === undefined ? {} : { version: before.version }),
    kind,
    metadata: { ...metadata, ...(Object.keys(all).length === 0 ? {} : { labels: all }) },
    spec: { ...stored, ...fields },
  };
  try {
    return parseResource(kindOf(kind), document);
  } catch (error) {
    if (fields === undefined || !isCode(error, 'INVALID_RESOURCE')) throw error;
    throw new GatehouseError(
      'INVALID_CONFIG',
      `the auth_service section of the config file does not fit the settings of the cluster: ${error.message}`,
      { cause: error, details: error.details },
    );
  }
}

function changeOf(before: Resource | undefined, after: Resource): Change {
  const revision = before?.metadata.revision;
  if (revision === undefined) return { do: 'create', resource: after };
  return { do: 'update', resource: { ...after, metadata: { ...after.metadata, revision } } };
}

function isSame(before: Resource, after: Resource): boolean {
  const { revision: _store, ...metadata } = before.metadata;
  const plain = (resource: Resource): unknown => JSON.parse(JSON.stringify(resource));
  return isDeepStrictEqual(plain({ ...before, metadata }), plain(after));
}
