// What the status of a GatehouseCluster says. Pure: from what was found and decided to conditions and fields.
import type { KubeObject } from '../kube/kube.ts';
import { conditionsFor, type Condition, type Verdict } from './conditions.ts';
import type { Problem } from './checks.ts';
import type { Counts } from './health.ts';
import { STEPS, type Failure, type Rollout, type Seen, type Step, type Targets } from './upgrade.ts';

export interface Findings {
  readonly object: KubeObject;
  readonly isPaused: boolean;
  readonly problems: readonly Problem[];
  readonly counts: Readonly<Record<Step, Counts>>;
  /** How many pods each step should have; undefined when the spec cannot be read. */
  readonly replicas?: Readonly<Record<Step, number>> | undefined;
  readonly seen: Readonly<Record<Step, Seen>>;
  readonly rollout: Rollout;
  readonly targets: Targets;
  readonly wanted?: Readonly<Record<Step, string>> | undefined;
  readonly version?: string | undefined;
  readonly caPins: readonly string[];
  readonly publicAddress?: string | undefined;
}

export interface ClusterStatus {
  readonly conditions: readonly Condition[];
  readonly observedGeneration: number;
  readonly [field: string]: unknown;
}

export function statusOf(findings: Findings, now: number): ClusterStatus {
  const { object, rollout, wanted, counts, caPins, version, publicAddress } = findings;
  const progress = progressOf(findings);
  const stalled = stalledOf(findings);
  const verdicts: Verdict[] = [
    readyOf(findings),
    progress,
    ...(progress.status === 'True' ? [{ ...progress, type: 'Reconciling' }] : []),
    ...(stalled === undefined ? [] : [stalled]),
  ];
  return {
    conditions: conditionsFor(object, verdicts, now),
    observedGeneration: object.metadata.generation ?? 0,
    ...definedOf({
      version,
      revision: wanted === undefined ? undefined : `${wanted.auth}/${wanted.proxy}`,
      lastGoodRevision:
        rollout.good.auth === undefined && rollout.good.proxy === undefined
          ? undefined
          : `${rollout.good.auth ?? 'none'}/${rollout.good.proxy ?? 'none'}`,
      publicAddress,
    }),
    auth: counts.auth,
    proxy: counts.proxy,
    ...(caPins.length === 0 ? {} : { caPins }),
  };
}

/** Whether it serves, whatever is being changed at the moment. */
function readyOf({ counts, replicas, seen }: Findings): Verdict {
  const lacking = STEPS.filter((step) => counts[step].ready === 0 && (replicas?.[step] ?? 1) > 0);
  if (lacking.length === 0) {
    const words = STEPS.map(
      (step) => `${counts[step].ready} of ${replicas?.[step] ?? counts[step].replicas} ${step}`,
    );
    return { type: 'Ready', status: 'True', reason: 'Serving', message: `ready: ${words.join(', ')}` };
  }
  const why = lacking.map((step) => `${step}: ${seen[step].message}`);
  return { type: 'Ready', status: 'False', reason: 'NotServing', message: why.join('; ') };
}

const progress = (status: 'True' | 'False', reason: string, message: string): Verdict => ({
  type: 'Progressing',
  status,
  reason,
  message,
});

function progressOf(findings: Findings): Verdict {
  const { isPaused, problems, rollout, seen } = findings;
  const { failed, moving, good } = rollout;
  const [first] = problems;
  if (isPaused) return progress('False', 'Paused', 'the annotation gatehouse.dev/paused is "true"');
  if (first !== undefined) return progress('False', first.reason, messagesOf(problems));
  if (failed !== undefined) return failureOf(findings, failed);
  if (moving !== undefined) {
    const isFirst = good[moving.step] === undefined;
    return progress(
      'True',
      isFirst ? 'Installing' : 'Upgrading',
      `${moving.step} goes to revision ${moving.revision}: ${seen[moving.step].message}`,
    );
  }
  const unready = STEPS.find((step) => seen[step].state !== 'ready');
  if (unready !== undefined) return progress('True', 'Waiting', `${unready}: ${seen[unready].message}`);
  return scalingOf(findings) ?? progress('False', 'Settled', 'everything is as the spec says');
}

/** Of a step that failed: on its way back, or back, or nowhere to go back to. */
function failureOf(
  { rollout, seen, wanted, targets }: Findings,
  failed: NonNullable<Findings['rollout']['failed']>,
): Verdict {
  const { moving } = rollout;
  const isBack = targets[failed.step] !== wanted?.[failed.step];
  if (moving === undefined || !isBack) {
    return progress('False', isBack ? 'RolledBack' : 'Failed', failureText(failed, isBack));
  }
  return progress(
    'True',
    'RollingBack',
    `${failed.step} goes back to revision ${moving.revision}: ${seen[failed.step].message}`,
  );
}

/** Looked at before it was applied: a StatefulSet that does not know yet how many pods it shall have. */
function scalingOf({ counts, replicas }: Findings): Verdict | undefined {
  const scaling = STEPS.find((step) => {
    const many = replicas?.[step] ?? counts[step].replicas;
    return counts[step].ready !== many || counts[step].replicas !== many;
  });
  if (scaling === undefined) return undefined;
  const { ready, replicas: there } = counts[scaling];
  const message = `${scaling}: ${there} pods, ${ready} of them ready, on the way to ${replicas?.[scaling] ?? there}`;
  return progress('True', 'Scaling', message);
}

function stalledOf({ isPaused, problems, rollout, targets, wanted }: Findings): Verdict | undefined {
  const stalled = (reason: string, message: string): Verdict => ({
    type: 'Stalled',
    status: 'True',
    reason,
    message,
  });
  if (isPaused) return undefined;
  const [first] = problems;
  if (first !== undefined) return stalled(first.reason, messagesOf(problems));
  const { failed } = rollout;
  if (failed === undefined) return undefined;
  const isBack = targets[failed.step] !== wanted?.[failed.step];
  return stalled(isBack ? 'RolledBack' : 'Failed', failureText(failed, isBack));
}

function failureText({ step, reason, message }: Failure, isBack: boolean): string {
  const after = isBack
    ? 'the last good revision is back, and nothing is tried until the spec changes'
    : 'there is nothing to go back to; correct the spec';
  return `${step} did not get ready (${reason}): ${message}; ${after}`;
}

const messagesOf = (problems: readonly Problem[]): string =>
  problems.map(({ message }) => message).join('; ');

const definedOf = (fields: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> =>
  Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined));
