// What a StatefulSet and its pods say of a revision: under way, ready, or never going to be. Pure, and apart from the order
// of upgrades because it knows the words of Kubernetes, and that one does not.
import type { KubeObject } from '../kube/kube.ts';
import { REVISION_LABEL } from './names.ts';
import type { Seen } from './upgrade.ts';

/** Restarts of a container after which waiting longer is no use. */
const RESTARTS = 3;
const MAX_MESSAGE = 600;
/** What a container that waits will go on waiting for. A first ErrImagePull may be a moment of the network. */
const HOPELESS: Readonly<Record<string, string>> = {
  ImagePullBackOff: 'ImagePullFailed',
  InvalidImageName: 'ImagePullFailed',
  ErrImageNeverPull: 'ImagePullFailed',
  CreateContainerConfigError: 'ContainerFailed',
  CreateContainerError: 'ContainerFailed',
  RunContainerError: 'ContainerFailed',
};

interface SetStatus {
  readonly observedGeneration?: number;
  readonly replicas?: number;
  readonly readyReplicas?: number;
  readonly availableReplicas?: number;
  readonly updatedReplicas?: number;
}

interface ContainerState {
  readonly waiting?: { readonly reason?: string; readonly message?: string };
  readonly terminated?: { readonly reason?: string; readonly message?: string; readonly exitCode?: number };
}

interface ContainerStatus {
  readonly name: string;
  readonly ready?: boolean;
  readonly restartCount?: number;
  readonly state?: ContainerState;
  readonly lastState?: ContainerState;
}

export interface Counts {
  readonly replicas: number;
  readonly ready: number;
}

/** The revision that a StatefulSet was last given. */
export const revisionOf = (set: KubeObject | undefined): string | undefined =>
  set?.metadata.labels?.[REVISION_LABEL];

/** `replicas` is what the StatefulSet has at present; both 0 when there is none. */
export function countsOf(set: KubeObject | undefined): Counts {
  const { replicas = 0, readyReplicas = 0 } = (set?.['status'] ?? {}) as SetStatus;
  return { replicas, ready: readyReplicas };
}

/** `podList`: those of the step, of whatever revision. */
export function lookAt(set: KubeObject | undefined, podList: readonly KubeObject[]): Seen {
  const revision = revisionOf(set);
  if (set === undefined || revision === undefined) {
    const message = 'there is no StatefulSet yet';
    return { revision: undefined, state: 'absent', pods: 0, reason: 'Absent', message };
  }
  const { wanted, there } = progressOf(set);
  const pods = there ?? 0;
  if (there !== undefined && there >= wanted) {
    return {
      revision,
      state: 'ready',
      pods,
      reason: 'Ready',
      message: `${wanted} of ${wanted} pods are ready`,
    };
  }
  const ofRevision = podList.filter(({ metadata }) => metadata.labels?.[REVISION_LABEL] === revision);
  const trouble = ofRevision.map(troubleOf).find((one) => one !== undefined);
  if (trouble !== undefined) return { revision, state: 'broken', pods, ...trouble };
  const waiting =
    there === undefined
      ? 'the StatefulSet was not looked at yet by its controller'
      : `${there} of ${wanted} pods are ready at this revision`;
  const hint = ofRevision.map(hintOf).find((text) => text !== undefined);
  const message = hint === undefined ? waiting : `${waiting}; ${hint}`;
  return { revision, state: 'rolling', pods, reason: 'Rolling', message };
}

/** How many pods are ready at the last revision; undefined while the status is older than the spec. */
function progressOf(set: KubeObject): { wanted: number; there: number | undefined } {
  const { replicas: wanted = 1 } = set['spec'] as { replicas?: number };
  const status = (set['status'] ?? {}) as SetStatus;
  const { observedGeneration = 0, updatedReplicas = 0, availableReplicas = 0 } = status;
  const isObserved = observedGeneration >= (set.metadata.generation ?? 1);
  return { wanted, there: isObserved ? Math.min(updatedReplicas, availableReplicas) : undefined };
}

interface Trouble {
  readonly reason: string;
  readonly message: string;
}

function troubleOf(pod: KubeObject): Trouble | undefined {
  const of = (container: ContainerStatus): Trouble | undefined => {
    const about = `pod ${pod.metadata.name}, container ${container.name}`;
    const { reason = '', message = reason } = container.state?.waiting ?? {};
    const hopeless = HOPELESS[reason];
    if (hopeless !== undefined) return { reason: hopeless, message: clip(`${about}: ${message}`) };
    const { ready = false, restartCount = 0 } = container;
    if (ready || restartCount < RESTARTS) return undefined;
    const words = `ended ${restartCount} times: ${lastWords(container)}`;
    return { reason: 'CrashLoop', message: clip(`${about} ${words}`) };
  };
  return containersOf(pod)
    .map(of)
    .find((trouble) => trouble !== undefined);
}

/** Why a pod is not ready yet, as far as it says so. */
function hintOf(pod: KubeObject): string | undefined {
  for (const container of containersOf(pod)) {
    const ended = container.state?.terminated ?? container.lastState?.terminated;
    if (container.ready !== true && ended !== undefined) {
      return clip(`pod ${pod.metadata.name}, container ${container.name}: ${lastWords(container)}`);
    }
  }
  const { conditions = [] } = (pod['status'] ?? {}) as {
    conditions?: { type: string; status: string; message?: string }[];
  };
  const unscheduled = conditions.find(({ type, status }) => type === 'PodScheduled' && status === 'False');
  return unscheduled?.message === undefined
    ? undefined
    : clip(`pod ${pod.metadata.name} has no node: ${unscheduled.message}`);
}

function containersOf(pod: KubeObject): readonly ContainerStatus[] {
  const { initContainerStatuses = [], containerStatuses = [] } = (pod['status'] ?? {}) as {
    initContainerStatuses?: ContainerStatus[];
    containerStatuses?: ContainerStatus[];
  };
  return [...initContainerStatuses, ...containerStatuses];
}

function lastWords({ state, lastState }: ContainerStatus): string {
  const ended = lastState?.terminated ?? state?.terminated;
  const said = ended?.message?.trim();
  if (said !== undefined && said !== '') return said;
  return `${ended?.reason ?? 'Error'}, exit code ${ended?.exitCode ?? 'unknown'}`;
}

/** The end, because a process says last why it ends. */
function clip(text: string): string {
  const line = text.replaceAll(/\s+/g, ' ');
  return line.length <= MAX_MESSAGE ? line : `${line.slice(0, 120)} ... ${line.slice(-(MAX_MESSAGE - 125))}`;
}
