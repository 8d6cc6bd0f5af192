// What Flux (kstatus) and Argo CD say of a custom resource, by their published rules, so that stories look at health with
// their eyes. Pure.

export interface Condition {
  readonly type: string;
  readonly status: string;
  readonly reason?: string;
  readonly message?: string;
  readonly observedGeneration?: number;
}

/** A custom resource as the API server has it. */
export interface CustomObject {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: {
    readonly name: string;
    readonly uid: string;
    readonly generation: number;
    readonly resourceVersion: string;
    readonly deletionTimestamp?: string;
    readonly finalizers?: readonly string[];
    readonly labels?: Readonly<Record<string, string>>;
    readonly annotations?: Readonly<Record<string, string>>;
  };
  readonly spec?: Readonly<Record<string, unknown>>;
  readonly status?: {
    readonly observedGeneration?: number;
    readonly conditions?: readonly Condition[];
    readonly [field: string]: unknown;
  };
}

export type Health = 'Current' | 'InProgress' | 'Failed' | 'Terminating';

/** As kstatus computes it for a type it knows nothing of; one without any status is finished in its eyes. */
export function kstatus({ metadata, status }: CustomObject): Health {
  if (metadata.deletionTimestamp !== undefined) return 'Terminating';
  const { observedGeneration, conditions = [] } = status ?? {};
  if (observedGeneration !== undefined && observedGeneration !== metadata.generation) return 'InProgress';
  const isTrue = (wanted: string): boolean =>
    conditions.some(({ type, status: value }) => type === wanted && value === 'True');
  if (isTrue('Reconciling')) return 'InProgress';
  if (isTrue('Stalled')) return 'Failed';
  const ready = conditions.find(({ type }) => type === 'Ready');
  return ready === undefined || ready.status === 'True' ? 'Current' : 'InProgress';
}

export const conditionOf = ({ status }: CustomObject, wanted: string): Condition | undefined =>
  status?.conditions?.find(({ type }) => type === wanted);
