// Whose a resource is. Operators write under the mark of an owner and never touch what another owner has, decided in
// the same step as the write, so that two of them cannot take a resource from each other in turns. Everybody else may
// write an owned resource as before (its owner will put it right); the mark stays, unless the local admin frees it. Pure.
import { GatehouseError } from '#core/errors/error.ts';
import { OWNER_LABEL, OWNER_NAME_LABEL, ownerOf } from '#core/owner-mark.ts';
import type { Resource } from '#core/resource.ts';
import type { Caller } from '../guard/caller.ts';

/** What a caller is to the marks. */
export type Writer = 'local-admin' | 'operator' | 'other';

const OWNER_ID = /^[0-9a-f]{64}$/;
const MARKS: readonly string[] = [OWNER_LABEL, OWNER_NAME_LABEL];

export const isOwnerMark = (label: string): boolean => MARKS.includes(label);

export function writerOf({ identity }: Caller): Writer {
  if (identity?.kind === 'admin') return 'local-admin';
  return identity?.kind === 'host' && identity.roles.includes('operator') ? 'operator' : 'other';
}

/** As it is to be stored: with the marks of `before` where it says nothing about them, without any where it frees it. */
export function withMarks(resource: Resource, before: Resource | undefined): Resource {
  const { labels, ...metadata } = resource.metadata;
  const isFreed = labels?.[OWNER_LABEL] === '';
  const kept = isFreed
    ? []
    : Object.entries(before?.metadata.labels ?? {}).filter(([key]) => isOwnerMark(key));
  const own = Object.entries(labels ?? {}).filter(([key]) => !(isFreed && isOwnerMark(key)));
  if (kept.length === 0 && !isFreed) return resource;
  const all = Object.fromEntries([...kept, ...own]);
  return { ...resource, metadata: { ...metadata, ...(Object.keys(all).length > 0 && { labels: all }) } };
}

/**
 * Of operators: OWNED when `before` has another owner than `given` names, BAD_REQUEST when it names none. `given` is
 * what came, before `withMarks`. To free a resource they name the revision they saw. `title` goes into messages.
 */
export function requireOwner(
  writer: Writer,
  title: string,
  {
    given,
    before,
    revision,
  }: { given: Resource; before?: Resource | undefined; revision?: string | undefined },
): void {
  if (writer !== 'operator') return;
  const named = given.metadata.labels?.[OWNER_LABEL];
  const owner = before && ownerOf(before);
  const isFreeing = named === '' && owner !== undefined && revision !== undefined;
  if (isFreeing) return;
  if (named === undefined || !OWNER_ID.test(named)) {
    throw new GatehouseError(
      'BAD_REQUEST',
      `metadata.labels["${OWNER_LABEL}"]: an operator must say in whose name it writes`,
      { details: { field: 'metadata.labels' } },
    );
  }
  if (owner !== undefined && owner.id !== named) throw owned(title, owner);
}

/** Of operators: OWNED unless the resource has this owner. */
export function requireOwnerToRemove(
  writer: Writer,
  title: string,
  before: Resource,
  named: string | undefined,
): void {
  if (writer !== 'operator') return;
  const owner = ownerOf(before);
  if (owner === undefined || owner.id !== named) throw owned(title, owner);
}

function owned(
  title: string,
  owner: { readonly id: string; readonly name: string } | undefined,
): GatehouseError {
  if (owner === undefined) {
    return new GatehouseError('OWNED', `${title} was not made by an operator, so none removes it`);
  }
  return new GatehouseError('OWNED', `${title} belongs to ${owner.name || owner.id}`, {
    details: { owner: owner.id, owner_name: owner.name },
  });
}
