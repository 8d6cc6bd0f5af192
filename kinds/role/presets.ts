// Preset roles and their upgrade. A preset carries a digest of the text it was shipped with: as long as the stored role
// still has that digest nobody changed it, and a newer text may take its place. What an admin changed is kept.
import { createHash } from 'node:crypto';
import { parseResource } from '#core/kind.ts';
import { isPlainObject } from '#core/schema/check.ts';
import { roleKind, type Role } from './kind.ts';
import { PRESET_DOCUMENTS } from './preset-roles.ts';

/** Holds the digest of the text that the role was shipped with. */
export const PRESET_LABEL = 'gatehouse.internal/preset';

export type PresetName = 'admin' | 'access' | 'editor' | 'auditor' | 'requester' | 'reviewer';

/** The preset roles of this version, with their label. A new value at each call. */
export function presetRoles(): readonly Role[] {
  return PRESET_DOCUMENTS.map(({ name, description, spec }) => {
    const role = parseResource(roleKind, {
      kind: 'role',
      version: 'v7',
      metadata: { name, description },
      spec,
    });
    return { ...role, metadata: { ...role.metadata, labels: { [PRESET_LABEL]: presetDigest(role) } } };
  });
}

/**
 * What to do about one shipped preset, given what is stored under its name: `create` it, `replace` an older text that
 * nobody changed, or `keep` what is there. Pure.
 */
export function upgradePreset(shipped: Role, stored?: Role): 'create' | 'replace' | 'keep' {
  if (stored === undefined) return 'create';
  const label = stored.metadata.labels?.[PRESET_LABEL];
  const changed = label === undefined || label !== presetDigest(stored);
  return changed || label === presetDigest(shipped) ? 'keep' : 'replace';
}

/** Over everything an admin can change: version, description, labels but the preset's own, expiry and spec. */
export function presetDigest(role: Role): string {
  const { description, labels = {}, expires } = role.metadata;
  const own = Object.fromEntries(Object.entries(labels).filter(([key]) => key !== PRESET_LABEL));
  const text = canonical({ version: role.version, description, labels: own, expires, spec: role.spec });
  return createHash('sha256').update(text).digest('hex').slice(0, 32);
}

/** JSON with sorted keys and without what is unset or empty, so that storing and reading back changes nothing. */
function canonical(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join(',')}]`;
  if (!isPlainObject(value)) return JSON.stringify(value) ?? 'null';
  const entries = Object.entries(value)
    .filter(([, item]) => item !== undefined && !(isPlainObject(item) && Object.keys(item).length === 0))
    .sort(([a], [b]) => (a < b ? -1 : 1));
  return `{${entries.map(([key, item]) => `${JSON.stringify(key)}:${canonical(item)}`).join(',')}}`;
}
