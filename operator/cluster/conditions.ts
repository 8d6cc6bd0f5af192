// Conditions as kstatus, Argo and Flux read them: Ready and Progressing are always there, Reconciling and Stalled only while
// they are true. Pure; the time of a change is kept as long as nothing changes.
import type { KubeObject } from '../kube/kube.ts';
import { plainLine } from '../runtime/plain-text.ts';

export interface Condition {
  readonly type: string;
  readonly status: 'True' | 'False' | 'Unknown';
  readonly reason: string;
  readonly message: string;
  readonly observedGeneration: number;
  readonly lastTransitionTime: string;
}

export type Verdict = Pick<Condition, 'type' | 'status' | 'reason' | 'message'>;

/** What Kubernetes takes of a message. */
const MAX_MESSAGE = 4096;

/** The conditions to write, with the times of those of `object` whose status stays. */
export function conditionsFor(
  object: KubeObject,
  verdicts: readonly Verdict[],
  nowMs: number,
): readonly Condition[] {
  const before = conditionsOf(object);
  const now = new Date(nowMs).toISOString().replace(/\.\d+Z$/, 'Z');
  return verdicts.map((verdict) => {
    const old = before.find(({ type, status }) => type === verdict.type && status === verdict.status);
    return {
      ...verdict,
      message: plainLine(verdict.message, MAX_MESSAGE),
      observedGeneration: object.metadata.generation ?? 0,
      lastTransitionTime: old?.lastTransitionTime ?? now,
    };
  });
}

export function conditionsOf(object: KubeObject): readonly Condition[] {
  const { conditions = [] } = (object['status'] ?? {}) as { conditions?: readonly Condition[] };
  return conditions;
}

/** Those of `after` whose status or reason is another than before: worth an event. */
export function transitions(before: readonly Condition[], after: readonly Condition[]): readonly Condition[] {
  return after.filter(
    (condition) =>
      !before.some(
        ({ type, status, reason }) =>
          type === condition.type && status === condition.status && reason === condition.reason,
      ),
  );
}
