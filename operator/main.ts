// The operator: opens the way to Kubernetes, waits until it leads, does its duty, and closes all of it in reverse. The only
// file of this room that others may import.
import type { Clock } from '#core/clock.ts';
import type { GatehouseError } from '#core/errors/error.ts';
import type { Log } from '#core/log.ts';
import type { Registry } from '#core/metrics/registry.ts';
import { OUR_TYPES } from './all.ts';
import { startDuty, type Duty } from './duty.ts';
import type { ApiServer } from './kube/api-server.ts';
import { connectKube } from './kube/connect.ts';
import { startLeader } from './runtime/leader.ts';

export interface OperatorOptions {
  readonly clock: Clock;
  readonly log: Log;
  readonly metrics: Registry;
  /** Of the process: says how Kubernetes is reached. */
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly version: string;
  /** Where it runs, and as whom. */
  readonly namespace: string;
  readonly serviceAccount: string;
  /** Unset outside of a pod, where it cannot join the clusters it makes. */
  readonly podName?: string | undefined;
  /** Only objects of this namespace; default: all. */
  readonly watchNamespace?: string | undefined;
  /** Of several operators in `namespace` one acts. */
  readonly leaderElect: boolean;
  readonly imageRepository: string;
  /** In place of what the environment says. */
  readonly server?: ApiServer | undefined;
}

export interface Operator {
  /** Why it is not ready; empty when it is. One that waits for another to let go of the lease is ready. */
  reasons(): readonly string[];
  isLeader(): boolean;
  /** Resolves when the process has to end, because another operator may act soon. */
  readonly lost: Promise<GatehouseError>;
  /** Ends reconciling, then lets go of the lease. Repeatable. */
  close(): Promise<void>;
}

const LEASE = 'gatehouse-operator';

/** Resolves at once; Kubernetes may come later. INVALID_CONFIG when it is not said how to reach it. */
export async function startOperator(options: OperatorOptions): Promise<Operator> {
  const { clock, log, metrics, environment, version, namespace, serviceAccount, watchNamespace } = options;
  const { podName, imageRepository, server, leaderElect } = options;
  const requests = metrics.counter(
    'gatehouse_operator_kube_requests_total',
    'Calls to the Kubernetes API by verb, resource and status; 0: no answer.',
  );
  const kube = await connectKube({
    clock,
    environment,
    version,
    types: OUR_TYPES,
    server,
    observe: ({ verb, resource, code }) => requests.add({ verb, resource, code: String(code) }),
  });
  const lease = { namespace, name: LEASE };
  const leader = leaderElect
    ? startLeader({ kube, clock, log, lease, holder: podName ?? 'operator' })
    : undefined;
  let duty: Duty | undefined;
  let closing: Promise<void> | undefined;
  const begin = (): void => {
    if (closing !== undefined) return;
    const operator = { namespace, serviceAccount, version, watchNamespace };
    duty = startDuty({ kube, clock, log, metrics, operator, podName, imageRepository });
  };
  if (leader === undefined) begin();
  else void leader.acquired.then(begin);
  const isLeader = (): boolean => leader?.isLeader() ?? true;
  metrics.gauge('gatehouse_operator_leader', '1 when this operator acts.', () => Number(isLeader()));
  const close = async (): Promise<void> => {
    await duty?.close();
    await leader?.close();
    kube.close();
  };
  return {
    reasons: () => duty?.reasons() ?? leader?.problems() ?? [],
    isLeader,
    lost: leader?.lost ?? new Promise<never>(() => {}),
    close: () => (closing ??= close()),
  };
}
