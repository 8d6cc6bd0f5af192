// The calls to auth by which a mirror makes, changes, frees and removes its resource: each guarded by owner and revision,
// each telling what to do about a refusal.
import type { Api } from '#client/api.ts';
import { apply } from '#core/api/resources.ts';
import { isCode } from '#core/errors/error.ts';
import type { Kind } from '#core/kind.ts';
import { OWNER_LABEL, OWNER_NAME_LABEL } from '#core/owner-mark.ts';
import type { Resource } from '#core/resource.ts';
import { isPlainObject } from '#core/schema/check.ts';
import { conflictWith } from './ownership.ts';
import type { Finding } from './status.ts';

type Caller = Pick<Api, 'call'>;

/** The resource as stored; what is refused throws as auth says it. */
export async function writeDocument(
  api: Caller,
  document: Readonly<Record<string, unknown>>,
  mode: 'create' | { readonly revision: string | undefined },
): Promise<Resource | undefined> {
  const metadata = document['metadata'] as object;
  const sent =
    mode === 'create' || mode.revision === undefined
      ? document
      : { ...document, metadata: { ...metadata, revision: mode.revision } };
  const { results } = await api.call(apply, {
    mode: mode === 'create' ? 'create' : 'replace',
    dry_run: false,
    documents: [sent],
    remove: [],
  });
  const after = results[0]?.after;
  return isPlainObject(after) ? (after as unknown as Resource) : undefined;
}

/** Removes what carries the owner's mark; one that is gone is fine. */
export async function removeResource(api: Caller, resource: Resource, owner: string): Promise<void> {
  const { name, revision } = resource.metadata;
  const removal = { kind: resource.kind, name, owner, ...(revision === undefined ? {} : { revision }) };
  await api
    .call(apply, { mode: 'replace', dry_run: false, documents: [], remove: [removal] })
    .catch((error: unknown) => {
      if (!isCode(error, 'NOT_FOUND')) throw error;
    });
}

/** Takes the mark off, and leaves the resource as it is. Kinds with secrets cannot be freed so: their copy lacks them. */
export async function freeResource(api: Caller, resource: Resource): Promise<void> {
  const { [OWNER_NAME_LABEL]: _name, ...labels } = resource.metadata.labels ?? {};
  const metadata = { ...resource.metadata, labels: { ...labels, [OWNER_LABEL]: '' } };
  await api.call(apply, {
    mode: 'replace',
    dry_run: false,
    documents: [{ ...resource, metadata }],
    remove: [],
  });
}

/** What a refusal means; undefined when it is no answer about the resource, but a failure to get one. */
export function findingOf(kind: Kind, error: unknown, hasSecrets: boolean): Finding | undefined {
  if (isCode(error, 'OWNED')) {
    const { owner_name: name } = error.details;
    return { is: 'conflict', message: conflictWith(kind, { name: typeof name === 'string' ? name : '' }) };
  }
  if (isCode(error, 'INVALID_RESOURCE', 'BAD_REQUEST', 'TOO_LARGE')) {
    // A refusal may quote the value that it refuses.
    const message = hasSecrets ? 'the auth service refuses the resource; its log says why' : error.message;
    return { is: 'waiting', reason: 'Refused', message };
  }
  if (isCode(error, 'ACCESS_DENIED', 'LOCKED')) {
    const message = `the auth service does not let the operator write this ${kind.name}; its audit log says why`;
    return { is: 'failed', reason: 'Refused', message };
  }
  if (isCode(error, 'IN_USE')) return { is: 'waiting', reason: 'InUse', message: error.message };
  return undefined;
}
