// The parts of an object that the fake treats apart: what the server writes, what can have an owner, what the generation
// counts. Pure.
import type { Fields } from './fake-fields.ts';
import type { KubeObject } from './kube.ts';

const SERVER_FIELDS = [
  'uid',
  'resourceVersion',
  'generation',
  'creationTimestamp',
  'deletionTimestamp',
  'managedFields',
];
const NOT_OWNED = ['apiVersion', 'kind', 'metadata', 'status'];

/** Of objects that have one. */
export const nextGeneration = (now: number | undefined): { generation?: number } =>
  now === undefined ? {} : { generation: now + 1 };

export function withoutServerFields(metadata: KubeObject['metadata']): KubeObject['metadata'] {
  return Object.fromEntries(
    Object.entries(metadata).filter(([name]) => !SERVER_FIELDS.includes(name)),
  ) as unknown as KubeObject['metadata'];
}

export function serverFieldsOf(metadata: KubeObject['metadata']): Fields {
  return Object.fromEntries(Object.entries(metadata).filter(([name]) => SERVER_FIELDS.includes(name)));
}

/** What the generation counts the changes of. */
export function desiredOf(object: KubeObject): Fields {
  return Object.fromEntries(
    Object.entries(object).filter(([name]) => name !== 'metadata' && name !== 'status'),
  );
}

/** What can have an owner: not who the object is, not what the server writes, and not the status. */
export function ownable(object: Fields): Fields {
  const {
    name: _,
    namespace: _namespace,
    ...metadata
  } = withoutServerFields(object['metadata'] as KubeObject['metadata']);
  const fields = Object.entries(object).filter(([name]) => !NOT_OWNED.includes(name));
  return { ...Object.fromEntries(fields), ...(Object.keys(metadata).length === 0 ? {} : { metadata }) };
}

/** RFC 7386. */
export function mergePatch(target: unknown, patch: unknown): unknown {
  if (typeof patch !== 'object' || patch === null || Array.isArray(patch)) return patch;
  const merged: Record<string, unknown> =
    typeof target === 'object' && target !== null && !Array.isArray(target) ? { ...target } : {};
  for (const [name, value] of Object.entries(patch)) {
    if (value === null) delete merged[name];
    else merged[name] = mergePatch(merged[name], value);
  }
  return merged;
}
