// What the runtime counts, under the names that dashboards know.
import type { Registry } from '#core/metrics/registry.ts';
import type { Queue } from './queue.ts';

export interface RuntimeMetrics {
  /** The time of one call of a reconciler, in milliseconds. */
  took(controller: string, durationMs: number): void;
  ended(controller: string, result: 'done' | 'failed'): void;
}

export interface RuntimeState {
  queues(): readonly (readonly [controller: string, queue: Queue])[];
  counts(): readonly (readonly [kind: string, count: number])[];
  problems(): number;
}

const SECONDS = [0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 30];

export function openRuntimeMetrics(registry: Registry, state: RuntimeState): RuntimeMetrics {
  const results = registry.counter(
    'gatehouse_operator_reconciles_total',
    'Reconciled objects by controller and result.',
  );
  const seconds = registry.histogram(
    'gatehouse_operator_reconcile_seconds',
    'Time of one reconcile by controller.',
    SECONDS,
  );
  const gauge = (name: string, help: string, read: (queue: Queue) => number): void =>
    registry.gauge(`gatehouse_operator_${name}`, help, () =>
      state.queues().map(([controller, queue]) => [{ controller }, read(queue)] as const),
    );
  gauge('queue_waiting', 'Objects that wait to be reconciled.', (queue) => queue.waiting());
  gauge('queue_running', 'Objects that are being reconciled.', (queue) => queue.running());
  gauge('queue_failing', 'Objects whose last reconcile failed.', (queue) => queue.failing());
  registry.gauge('gatehouse_operator_objects', 'Objects in the copy, by kind.', () =>
    state.counts().map(([kind, count]) => [{ kind }, count] as const),
  );
  registry.gauge(
    'gatehouse_operator_unfollowed_types',
    'Types whose changes are not followed at present.',
    () => state.problems(),
  );
  return {
    took: (controller, durationMs) => seconds.observe(durationMs / 1000, { controller }),
    ended: (controller, result) => results.add({ controller, result }),
  };
}
