// Carries out a write: plan, commit, and again when something a rule looked at changed in between. The store decides
// every conflict, so that several auth servers can write at once.
import { GatehouseError, isCode } from '#core/errors/error.ts';
import type { Kind } from '#core/kind.ts';
import type { Log } from '#core/log.ts';
import type { Resource } from '#core/resource.ts';
import { compareRevisions, type Revision } from '#core/revision.ts';
import type { Backend } from '#storage/backend.ts';
import type { Copy } from './copy.ts';
import { recordKey, stored } from './records.ts';
import type { Change } from './state.ts';
import { conditionError, planWrite, type WritePlan } from './write-plan.ts';

export interface WriteParts {
  readonly backend: Backend;
  readonly copy: Copy;
  readonly log: Log;
  readonly kindNamed: (name: string) => Kind;
}

/** Each failed try means that somebody else succeeded. */
const MAX_TRIES = 50;

/** See ClusterState.write. */
export async function writeChanges(
  changes: readonly Change[],
  parts: WriteParts,
): Promise<readonly (Resource | undefined)[]> {
  const { copy } = parts;
  copy.requireReady();
  if (changes.length === 0) return [];
  let refusedOnce = false;
  for (let tries = 0; tries < MAX_TRIES; tries++) {
    const judgedAt = copy.revision();
    let plan: WritePlan;
    try {
      plan = planWrite(changes, copy, parts.kindNamed);
    } catch (error) {
      // A copy that is behind may refuse what the store would take: look once more when it has caught up.
      if (refusedOnce || !isCode(error) || !(await catchUp(judgedAt, parts))) throw error;
      refusedOnce = true;
      continue;
    }
    const revision = await commit(plan, changes, parts);
    if (revision !== undefined) return finish(changes, revision, parts);
    await catchUp(judgedAt, parts);
  }
  throw new GatehouseError('CONDITION_FAILED', 'others keep changing what this write depends on; try again');
}

/** The revision; undefined when only a guard failed. */
async function commit(
  plan: WritePlan,
  changes: readonly Change[],
  parts: WriteParts,
): Promise<Revision | undefined> {
  try {
    return await parts.backend.atomicWrite(plan.steps);
  } catch (error) {
    if (!isCode(error, 'ALREADY_EXISTS', 'NOT_FOUND', 'CONDITION_FAILED')) throw error;
    const key = error.details['key'];
    if (typeof key !== 'string') throw error;
    if (plan.guards.has(key)) return undefined;
    const refusal = await ownError(error, key, changes, parts);
    // Whoever lost a race reads next what it lost to.
    await catchUp(parts.copy.revision(), parts);
    throw refusal;
  }
}

/** The store's error in words that name the resource; its own text holds the key, which may be a secret. */
async function ownError(
  error: GatehouseError,
  key: string,
  changes: readonly Change[],
  parts: WriteParts,
): Promise<GatehouseError> {
  for (const change of changes) {
    const kind = parts.kindNamed(change.do === 'delete' ? change.kind : change.resource.kind);
    const name = change.do === 'delete' ? change.name : change.resource.metadata.name;
    if (recordKey(kind, name) !== key) continue;
    if (isCode(error, 'ALREADY_EXISTS')) return conditionError('ALREADY_EXISTS', kind, name);
    const mustExist = change.do === 'update' || change.do === 'delete';
    const isGone = mustExist && (await parts.backend.get(key)) === undefined;
    return conditionError(
      isGone || isCode(error, 'NOT_FOUND') ? 'NOT_FOUND' : 'CONDITION_FAILED',
      kind,
      name,
    );
  }
  return error;
}

async function finish(
  changes: readonly Change[],
  revision: Revision,
  parts: WriteParts,
): Promise<readonly (Resource | undefined)[]> {
  try {
    await parts.copy.reached(revision);
  } catch (error) {
    // The write is done and must not be reported as failed; the next reader may see it late.
    parts.log.warn({ revision, err: error }, 'the local copy is behind a write that was made');
  }
  return changes.map((change) =>
    change.do === 'delete' ? undefined : asStored(change.resource, revision, parts),
  );
}

/** Nearly always in the copy, where it is decoded already; made anew when somebody has changed it since. */
function asStored(resource: Resource, revision: Revision, { copy, kindNamed }: WriteParts): Resource {
  const kind = kindNamed(resource.kind);
  try {
    const copied = kind.audience === 'internal' ? undefined : copy.get(kind, resource.metadata.name);
    if (copied?.metadata.revision === revision) return copied;
  } catch {
    // What cannot be read now is not what was written.
  }
  return stored(resource, revision);
}

/** Brings the copy to where the store stands; false when it was there already at `judgedAt`. */
async function catchUp(judgedAt: Revision, { backend, copy }: WriteParts): Promise<boolean> {
  const newest = await backend.revision();
  if (compareRevisions(judgedAt, newest) >= 0) return false;
  await copy.reached(newest);
  return true;
}
