// Whose a resource is, and what may be done about it: the decision between creating, changing, leaving alone and a
// conflict. Pure.
import { createHash } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';
import { parseResource, type Kind } from '#core/kind.ts';
import { OWNER_LABEL, OWNER_NAME_LABEL, ownerOf, type Owner } from '#core/owner-mark.ts';
import type { Resource } from '#core/resource.ts';
import type { KubeObject } from '../kube/kube.ts';

/**
 * The owner that a custom resource is, among all operators that write to a cluster. Not by its uid: of one name there is
 * one object at a time, and one that is made anew, with the cluster whose volume was kept, has what was its own.
 */
export function ownerFor(operatorId: string, { kind, metadata }: KubeObject): Owner {
  const { namespace = '', name } = metadata;
  const parts = [operatorId, namespace, kind, name];
  return {
    id: createHash('sha256').update(parts.join('/')).digest('hex'),
    name: `${kind} ${namespace}/${name} of operator ${operatorId}`,
  };
}

/** The document under the owner's mark. */
export function marked(
  document: Readonly<Record<string, unknown>>,
  owner: Owner,
): Readonly<Record<string, unknown>> {
  const metadata = document['metadata'] as { readonly labels?: Readonly<Record<string, string>> };
  const labels = { ...metadata.labels, [OWNER_LABEL]: owner.id, [OWNER_NAME_LABEL]: owner.name };
  return { ...document, metadata: { ...metadata, labels } };
}

export type Decision =
  | { readonly do: 'create' }
  | { readonly do: 'write'; readonly revision: string | undefined }
  | { readonly do: 'nothing'; readonly message: string };

/** `isAdopting`: a resource without an owner is taken over. A setting that nobody set is nobody's, and free to take. */
export function decideOwnership(
  kind: Kind,
  present: Resource | undefined,
  owner: Owner,
  isAdopting: boolean,
): Decision {
  if (present === undefined) return { do: 'create' };
  const { revision } = present.metadata;
  const other = ownerOf(present);
  if (other !== undefined && other.id !== owner.id) {
    return { do: 'nothing', message: conflictWith(kind, other) };
  }
  if (other !== undefined || isAdopting || isUntouched(kind, present)) return { do: 'write', revision };
  return {
    do: 'nothing',
    message: `there is a ${kind.name} of this name that no custom resource made; remove it, or set the annotation gatehouse.dev/adopt: "true" to take it over`,
  };
}

export function conflictWith(kind: Kind, owner: Pick<Owner, 'name'>): string {
  return `the ${kind.name} of this name belongs to ${owner.name || 'another owner'}; nothing was changed`;
}

function isUntouched(kind: Kind, present: Resource): boolean {
  if (kind.singleton === undefined || Object.keys(present.metadata.labels ?? {}).length > 0) return false;
  const defaults = parseResource(kind, { kind: kind.name, spec: {} });
  return isDeepStrictEqual(present.spec, defaults.spec);
}
