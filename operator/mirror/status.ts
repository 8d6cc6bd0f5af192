// What an object says of itself after a look: conditions in the words that kstatus, Argo and Flux know. Pure; a look that
// found nothing new gives the same status, so that nothing is written.
import type { KubeObject } from '../kube/kube.ts';
import { plainText } from '../runtime/plain-text.ts';

export type Finding =
  /** As it should be. */
  | { readonly is: 'applied'; readonly cluster: string; readonly revision: string | undefined }
  /** Something has to come, and will be noticed: a role, a Secret, a cluster. */
  | { readonly is: 'waiting'; readonly reason: string; readonly message: string }
  /** Somebody has to change the object. */
  | { readonly is: 'failed'; readonly reason: string; readonly message: string }
  /** Another has the resource. */
  | { readonly is: 'conflict'; readonly message: string };

export interface Condition {
  readonly type: string;
  readonly status: 'True' | 'False';
  readonly reason: string;
  readonly message: string;
  readonly observedGeneration: number;
  readonly lastTransitionTime: string;
}

export interface MirrorStatus {
  readonly observedGeneration?: number;
  readonly cluster?: string;
  readonly revision?: string;
  readonly conditions?: readonly Condition[];
}

export const statusOf = (object: KubeObject): MirrorStatus => (object['status'] ?? {}) as MirrorStatus;

/** `now` in milliseconds since the epoch. */
export function nextStatus(object: KubeObject, finding: Finding, now: number): MirrorStatus {
  const before = statusOf(object);
  const generation = object.metadata.generation ?? 1;
  const time = new Date(now).toISOString().replace(/\.\d+Z$/, 'Z');
  const conditions = conditionsOf(finding).map((condition) => {
    const old = before.conditions?.find(({ type }) => type === condition.type);
    const isSame = old?.status === condition.status;
    return {
      ...condition,
      message: plainText(condition.message, MAX_MESSAGE),
      observedGeneration: generation,
      lastTransitionTime: isSame ? old.lastTransitionTime : time,
    };
  });
  const cluster = finding.is === 'applied' ? finding.cluster : before.cluster;
  const revision = finding.is === 'applied' ? finding.revision : before.revision;
  return {
    observedGeneration: generation,
    ...(cluster === undefined ? {} : { cluster }),
    ...(revision === undefined ? {} : { revision }),
    conditions,
  };
}

const MAX_MESSAGE = 4096;

type Said = Pick<Condition, 'type' | 'status' | 'reason' | 'message'>;

/** What is wrong stands there only while it is. */
function conditionsOf(finding: Finding): readonly Said[] {
  if (finding.is === 'applied') {
    const message = `the resource in the cluster ${finding.cluster} is as this object says`;
    return [{ type: 'Ready', status: 'True', reason: 'Applied', message }];
  }
  const { message } = finding;
  const reason = finding.is === 'conflict' ? 'Conflict' : finding.reason;
  const wrong = (type: string): Said => ({ type, status: 'True', reason, message });
  const ready: Said = { type: 'Ready', status: 'False', reason, message };
  switch (finding.is) {
    case 'waiting':
      return [ready, wrong('Progressing')];
    case 'failed':
      return [ready, wrong('Stalled')];
    case 'conflict':
      return [ready, wrong('Conflict'), wrong('Stalled')];
  }
}

/** Ready, and that was said of what the object says now. */
export function isReadyAsIs(object: KubeObject): boolean {
  const ready = statusOf(object).conditions?.find(({ type }) => type === 'Ready');
  return ready?.status === 'True' && ready.observedGeneration === object.metadata.generation;
}

export const reasonOf = (status: MirrorStatus): string | undefined =>
  status.conditions?.find(({ type }) => type === 'Ready')?.reason;
