// What the operator that leads does: finds out which Kubernetes cluster this is, becomes a member of the clusters it makes,
// and reconciles. Apart from main.ts because an operator that waits for the lease does none of it.
import { backoffMs } from '#client/member/backoff.ts';
import { sleep, type Clock } from '#core/clock.ts';
import { isCode } from '#core/errors/error.ts';
import type { Log } from '#core/log.ts';
import type { Registry } from '#core/metrics/registry.ts';
import { allControllers } from './all.ts';
import { MIRRORS } from './crds/mirror.ts';
import { openHouses } from './house/houses.ts';
import { serviceAccountProof } from './house/proof.ts';
import type { Kube } from './kube/kube.ts';
import { NAMESPACES } from './kube/object-types.ts';
import type { OperatorContext } from './runtime/controller.ts';
import { openRuntime } from './runtime/run.ts';

export interface DutyOptions {
  readonly kube: Kube;
  readonly clock: Clock;
  readonly log: Log;
  readonly metrics: Registry;
  readonly operator: Omit<OperatorContext['operator'], 'id'>;
  /** The pod that the operator runs in. */
  readonly podName: string | undefined;
  /** Repository of the image when a GatehouseCluster names none. */
  readonly imageRepository: string;
}

export interface Duty {
  /** Why nothing, or not everything, is reconciled; empty when all is. */
  reasons(): readonly string[];
  /** Resolves when nothing is being done any more. */
  close(): Promise<void>;
}

const BACKOFF = { firstMs: 500, maxMs: 15_000 };

/** Begins at once and goes on when Kubernetes comes later. */
export function startDuty(options: DutyOptions): Duty {
  const end = new AbortController();
  const running: { problem: string; reasons?: () => readonly string[]; closers: (() => Promise<void>)[] } = {
    problem: 'starting',
    closers: [],
  };
  const begun = (async () => {
    const id = await identify(options, end.signal, (problem) => (running.problem = problem));
    if (id === undefined) return;
    const { runtime, houses } = openParts(options, id);
    running.reasons = () => runtime.reasons();
    running.closers = [() => runtime.close(), () => houses.close()];
    const { imageRepository } = options;
    const controllers = allControllers(runtime.context, { houses, imageRepository });
    void runtime.start(controllers).then(() => options.log.info({ operator: id }, 'the operator is at work'));
  })();
  return {
    reasons: () => running.reasons?.() ?? [running.problem],
    async close() {
      end.abort();
      await begun;
      for (const close of running.closers) await close();
    },
  };
}

function openParts(options: DutyOptions, id: string) {
  const { kube, clock, log, metrics, podName } = options;
  const operator = { ...options.operator, id };
  const runtime = openRuntime({ kube, clock, log, metrics, operator });
  const serviceAccount = { namespace: operator.namespace, name: operator.serviceAccount };
  const houses = openHouses({
    kinds: MIRRORS.map(({ kind }) => kind),
    proof: (cluster) => serviceAccountProof({ kube, serviceAccount, podName }, cluster),
    nodeName: podName ?? 'gatehouse-operator',
    clock,
    log,
  });
  return { runtime, houses };
}

/** Which operator this is among all that write to one Gatehouse cluster. Undefined when it ends before it is known. */
async function identify(
  { kube, clock, log, operator }: DutyOptions,
  signal: AbortSignal,
  tell: (problem: string) => void,
): Promise<string | undefined> {
  for (let failures = 1; !signal.aborted; failures++) {
    try {
      const system = await kube.get(NAMESPACES, { name: 'kube-system' }, signal);
      return `${system.metadata.uid}/${operator.namespace}`;
    } catch (error) {
      if (signal.aborted) return undefined;
      tell(`cannot read the namespace kube-system: ${isCode(error) ? error.message : 'unknown error'}`);
      log.warn({ err: error }, 'the cluster could not be identified; trying again');
      await sleep(clock, backoffMs(BACKOFF, failures), signal).catch(() => undefined);
    }
  }
  return undefined;
}
