// Carries out what upgrade.ts decided: what is remembered first, then files, then StatefulSets, then what nobody needs any more.
import type { KubeObject } from '../kube/kube.ts';
import { CONFIG_MAPS } from '../kube/object-types.ts';
import { keepRevisions, memoryObject, revisionNamed, type Memory } from './memory.ts';
import { INSTANCE_LABEL, REVISION_LABEL } from './names.ts';
import type { ClusterPlan, Revisions } from './plan.ts';
import { replaceOne } from './replace.ts';
import { configMap, statefulSet } from './resources/stateful-set.ts';
import { STEPS, type Decision, type Step } from './upgrade.ts';
import { applyOwn, type Work } from './work.ts';

export interface Roll {
  readonly plan: ClusterPlan;
  readonly wanted: Revisions;
  readonly decision: Decision;
}

type Names = Readonly<Record<Step, ReadonlySet<string | undefined>>>;

/** Remembering comes first: a revision that runs is always one that is known. Errors are those of applyOwn. */
export async function roll(work: Work, { plan, wanted, decision }: Roll): Promise<void> {
  const { memory, seen, sets } = work.gathering;
  const { good, moving } = decision.rollout;
  const namesOf = (step: Step): ReadonlySet<string | undefined> =>
    new Set([
      good[step],
      seen[step].revision,
      decision.targets[step],
      moving?.step === step ? moving.revision : undefined,
    ]);
  const names = { auth: namesOf('auth'), proxy: namesOf('proxy') };
  const next: Memory = {
    rollout: decision.rollout,
    revisions: keepRevisions(memory, wanted, names),
    caPins: plan.caPins,
  };
  await applyOwn(work, memoryObject(plan, next), work.gathering.memoryObject);
  for (const step of STEPS) {
    const revision = revisionNamed(next, step, decision.targets[step]);
    // A revision that runs and that nobody remembers stays as it is.
    if (revision === undefined) continue;
    await applyOwn(work, configMap(plan, step, revision));
    const set = await applyOwn(work, statefulSet(plan, step, revision), sets[step]);
    await replaceOne(work, step, set);
  }
  await removeOldFiles(work, names);
}

async function removeOldFiles({ context, key, object }: Work, names: Names): Promise<void> {
  const used = new Set([...names.auth, ...names.proxy]);
  const isOld = ({ metadata: { labels = {}, ownerReferences = [] } }: KubeObject): boolean =>
    labels[INSTANCE_LABEL] === key.name &&
    labels[REVISION_LABEL] !== undefined &&
    !used.has(labels[REVISION_LABEL]) &&
    ownerReferences.some(({ uid }) => uid === object.metadata.uid);
  for (const { metadata } of context.cache.list(CONFIG_MAPS, key.namespace).filter(isOld)) {
    const { namespace, name, uid } = metadata;
    await context.kube.delete(CONFIG_MAPS, { namespace, name }, { uid });
  }
}
