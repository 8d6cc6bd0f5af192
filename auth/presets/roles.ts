// Brings the preset roles up to this version at start. What an admin changed is kept; several auth servers may do it
// at once: whoever loses the race looks again and finds it done.
import { isCode } from '#core/errors/error.ts';
import type { Log } from '#core/log.ts';
import type { AuditLog } from '#events/audit-log.ts';
import type { Role } from '#kinds/role/kind.ts';
import { presetRoles, upgradePreset } from '#kinds/role/presets.ts';
import { changedFields } from '../routes/change-events.ts';
import type { Change, ClusterState } from '../state/state.ts';

export interface PresetsOptions {
  readonly state: Pick<ClusterState, 'get' | 'write'>;
  readonly audit: Pick<AuditLog, 'emit'>;
  readonly log: Log;
  readonly version: string;
}

const MAX_TRIES = 10;

interface Step {
  readonly before: Role | undefined;
  readonly after: Role;
}

/** Names of the roles that were created or replaced. */
export async function applyPresetRoles(options: PresetsOptions): Promise<readonly string[]> {
  const { state, log } = options;
  for (let tries = 1; ; tries++) {
    const steps = presetRoles().flatMap((shipped): Step[] => {
      const before = state.get('role', shipped.metadata.name) as Role | undefined;
      return upgradePreset(shipped, before) === 'keep' ? [] : [{ before, after: shipped }];
    });
    try {
      await state.write(steps.map(changeOf));
    } catch (error) {
      if (tries < MAX_TRIES && isCode(error, 'ALREADY_EXISTS', 'CONDITION_FAILED', 'NOT_FOUND')) continue;
      throw error;
    }
    for (const step of steps) emit(step, options);
    const names = steps.map(({ after }) => after.metadata.name);
    if (names.length > 0) log.info({ roles: names }, 'preset roles were brought up to this version');
    return names;
  }
}

function changeOf({ before, after }: Step): Change {
  const revision = before?.metadata.revision;
  if (revision === undefined) return { do: 'create', resource: after };
  return { do: 'update', resource: { ...after, metadata: { ...after.metadata, revision } } };
}

function emit({ before, after }: Step, { audit, version }: PresetsOptions): void {
  const { name } = after.metadata;
  audit.emit({
    event: 'preset.upgrade',
    name,
    version,
    ...(before === undefined ? {} : { fields_changed: changedFields({ before, after }) }),
  });
}
