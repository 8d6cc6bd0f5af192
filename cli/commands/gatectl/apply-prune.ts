// Which resources `gatectl apply --prune` removes: those of the set that the files no longer hold. Presets never.
import type { Kind } from '#core/kind.ts';
import type { Resource } from '#core/resource.ts';
import { KINDS } from '#kinds/all.ts';
import { presetRoles } from '#kinds/role/presets.ts';
import { SET_LABEL } from './apply-files.ts';
import type { Gatectl } from './context.ts';
import type { Removal } from './remove.ts';

/** In an order in which what refers to others goes first. */
export async function findPrunable(
  context: Gatectl,
  set: string,
  kept: readonly Resource[],
): Promise<Removal[]> {
  const api = await context.api();
  const stored: Resource[] = [];
  for (const kind of KINDS.filter(isPrunable).toReversed()) stored.push(...(await api.list(kind)));
  return prunable(stored, set, kept);
}

/** Pure. */
export function prunable(stored: readonly Resource[], set: string, kept: readonly Resource[]): Removal[] {
  const keep = new Set([...kept, ...presetRoles()].map(titleOf));
  return stored
    .filter((resource) => resource.metadata.labels?.[SET_LABEL] === set && !keep.has(titleOf(resource)))
    .map(({ kind, metadata }) => ({ kind, name: metadata.name }));
}

const titleOf = ({ kind, metadata }: Resource): string => `${kind}/${metadata.name}`;
const isPrunable = (kind: Kind): boolean => kind.audience === 'admin' && kind.name !== 'cert_authority';
