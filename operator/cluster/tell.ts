// Writes the status of a GatehouseCluster when it is another than before, and an event for each thing that changed in it.
import type { KubeObject } from '../kube/kube.ts';
import { covers } from './apply.ts';
import type { Problem } from './checks.ts';
import { conditionsOf, transitions } from './conditions.ts';
import { revisionNamed } from './memory.ts';
import type { ClusterPlan } from './plan.ts';
import { statusOf } from './status.ts';
import type { Decision, Step } from './upgrade.ts';
import type { Work } from './work.ts';

/** What came of a look. */
export interface Done {
  readonly decision: Decision;
  readonly problems: readonly Problem[];
  readonly plan?: ClusterPlan;
  readonly wanted?: Readonly<Record<Step, string>>;
}

const BAD_REASONS = new Set(['RolledBack', 'RollingBack', 'Failed']);
/** Said by another condition already. */
const ECHOES = new Set(['Reconciling', 'Stalled']);

/** The object as it is then; undefined when nothing is new, which costs no call. */
export async function tell(
  work: Work,
  done: Done & { readonly isPaused: boolean },
): Promise<KubeObject | undefined> {
  const { context, object, gathering, key } = work;
  const { checked, seen, counts, memory, caPins } = gathering;
  const { decision, problems, plan, wanted, isPaused } = done;
  const spec = checked.spec.ok ? checked.spec.value : undefined;
  const status = statusOf(
    {
      object,
      isPaused,
      problems,
      counts,
      seen,
      rollout: decision.rollout,
      targets: decision.targets,
      wanted,
      replicas: spec === undefined ? undefined : { auth: spec.auth.replicas, proxy: spec.proxy.replicas },
      version: revisionNamed(memory, 'auth', decision.rollout.good.auth)?.version,
      caPins,
      publicAddress: plan?.publicAddress,
    },
    context.clock.now(),
  );
  const before = conditionsOf(object);
  if (covers(object['status'], status) && before.length === status.conditions.length) return undefined;
  const { apiVersion, kind } = object;
  const told = await context.kube.applyStatus({ apiVersion, kind, metadata: key, status }, { force: true });
  for (const { type, status: value, reason, message } of transitions(before, status.conditions)) {
    if (ECHOES.has(type)) continue;
    const isBad = type === 'Ready' ? value === 'False' : BAD_REASONS.has(reason) || problems.length > 0;
    context.record(object, { type: isBad ? 'Warning' : 'Normal', reason, message });
  }
  return told;
}
