// What the operator remembers of a cluster's roll-outs, in the ConfigMap `<name>-good`: where it is, and the revisions it
// may have to go back to, whole, so that going back needs nothing else. What lies in a ConfigMap is believed as far as its
// digest and what only operators write vouch for it: who may write ConfigMaps but no pods gets none through the operator.
import type { KubeObject } from '../kube/kube.ts';
import { isHarmless } from './harmless.ts';
import { labelsOf, memoryName, ownerOf, stepName } from './names.ts';
import type { ClusterPlan, Revision } from './plan.ts';
import { isTrueToName } from './resources/revision.ts';
import { EMPTY_ROLLOUT, STEPS, type Rollout, type Step } from './upgrade.ts';

export interface Memory {
  readonly rollout: Rollout;
  readonly revisions: Readonly<Record<Step, readonly Revision[]>>;
  /** The pins that the proxies have in their file. */
  readonly caPins: readonly string[];
}

export const EMPTY_MEMORY: Memory = {
  rollout: EMPTY_ROLLOUT,
  revisions: { auth: [], proxy: [] },
  caPins: [],
};

const KEY = 'memory.json';

/** Names of the revisions that run, and of those that the status calls good. */
export type Vouched = Readonly<Record<Step, ReadonlySet<string | undefined>>>;

/**
 * Of the cluster of this name. What cannot be read, or was not written by an operator, counts as nothing: the revision that
 * runs becomes the good one again as soon as it is ready. A good revision that nothing else vouches for is none.
 */
export function readMemory(cluster: string, object: KubeObject | undefined, vouched: Vouched): Memory {
  const { [KEY]: text } = (object?.['data'] ?? {}) as Record<string, string | undefined>;
  if (text === undefined) return EMPTY_MEMORY;
  try {
    const value: unknown = JSON.parse(text);
    return isMemory(value, cluster) ? withVouched(value, vouched) : EMPTY_MEMORY;
  } catch {
    return EMPTY_MEMORY;
  }
}

function withVouched(memory: Memory, vouched: Vouched): Memory {
  const kept = STEPS.flatMap((step) => {
    const name = memory.rollout.good[step];
    return name !== undefined && vouched[step].has(name) ? [[step, name] as const] : [];
  });
  return { ...memory, rollout: { ...memory.rollout, good: Object.fromEntries(kept) } };
}

export function memoryObject(
  { key, object }: Pick<ClusterPlan, 'key' | 'object'>,
  memory: Memory,
): KubeObject {
  return {
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: {
      name: memoryName(key.name),
      namespace: key.namespace,
      labels: labelsOf(key.name),
      ownerReferences: [ownerOf(object)],
    },
    data: { [KEY]: JSON.stringify(memory) },
  };
}

export function revisionNamed(memory: Memory, step: Step, name: string | undefined): Revision | undefined {
  return memory.revisions[step].find((revision) => revision.name === name);
}

/** `known` and those of before, as far as one of `names` is theirs. */
export function keepRevisions(
  memory: Memory,
  known: Readonly<Record<Step, Revision | undefined>>,
  names: Readonly<Record<Step, ReadonlySet<string | undefined>>>,
): Memory['revisions'] {
  const kept = (step: Step): Revision[] => {
    const all = new Map(memory.revisions[step].map((revision) => [revision.name, revision]));
    const fresh = known[step];
    if (fresh !== undefined) all.set(fresh.name, fresh);
    return [...all.values()].filter(({ name }) => names[step].has(name));
  };
  return { auth: kept('auth'), proxy: kept('proxy') };
}

/** Written by this operator or by somebody who may write ConfigMaps here: as much as is relied upon is looked at. */
function isMemory(value: unknown, cluster: string): value is Memory {
  const { rollout, revisions, caPins } = (value ?? {}) as Partial<Memory>;
  if (!isRollout(rollout) || !Array.isArray(caPins) || !caPins.every(isText)) return false;
  return STEPS.every((step) => {
    const list: unknown = revisions?.[step];
    const account = stepName(cluster, step);
    return (
      Array.isArray(list) &&
      list.every(
        (one) => isRevision(one) && isTrueToName(one, cluster, step) && isHarmless(one.template, account),
      )
    );
  });
}

function isRollout(value: unknown): value is Rollout {
  const { good, moving, failed } = (value ?? {}) as Partial<Rollout>;
  if (typeof good !== 'object' || good === null) return false;
  const areNames = STEPS.every((step) => good[step] === undefined || isText(good[step]));
  return areNames && isMoving(moving) && isFailure(failed);
}

function isMoving(moving: Rollout['moving']): boolean {
  if (moving === undefined) return true;
  return (
    STEPS.includes(moving.step) && isText(moving.revision) && Number.isFinite(moving.since + moving.pods)
  );
}

function isFailure(failed: Rollout['failed']): boolean {
  if (failed === undefined) return true;
  return STEPS.includes(failed.step) && [failed.wanted, failed.reason, failed.message].every(isText);
}

function isRevision(value: unknown): value is Revision {
  const { name, version, template, files } = (value ?? {}) as Partial<Revision>;
  return (
    isText(name) &&
    isText(version) &&
    typeof template === 'object' &&
    template !== null &&
    typeof files === 'object' &&
    files !== null &&
    Object.values(files).every(isText)
  );
}

const isText = (value: unknown): value is string => typeof value === 'string';
