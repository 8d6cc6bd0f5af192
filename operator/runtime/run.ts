// Controllers at work: their informers feed their queues, and each key is reconciled when all that its controller looks at
// has been listed. Tests of reconcilers open a runtime on the fake.
import type { Clock } from '#core/clock.ts';
import type { Log } from '#core/log.ts';
import type { Registry } from '#core/metrics/registry.ts';
import type { Kube, KubeObject, ObjectKey } from '../kube/kube.ts';
import { keyOf, keyText } from '../kube/object-types.ts';
import type { Controller, OperatorContext, Related } from './controller.ts';
import { openRecorder } from './events.ts';
import { Informers } from './informers.ts';
import { openRuntimeMetrics, type RuntimeMetrics } from './metrics.ts';
import { openQueue, type Queue } from './queue.ts';

export interface RuntimeOptions {
  readonly kube: Kube;
  readonly clock: Clock;
  readonly log: Log;
  readonly metrics: Registry;
  readonly operator: OperatorContext['operator'];
}

export interface Runtime {
  /** For the makers of controllers. */
  readonly context: OperatorContext;
  /** Call it once. Resolves when every controller has all it looks at and has begun; waits for types that are missing. */
  start(controllers: readonly Controller[]): Promise<void>;
  /** Why it is not ready; empty when it is. */
  reasons(): readonly string[];
  /** Nothing waits and nothing is being done; timers may still come. */
  isIdle(): boolean;
  /** Calls of reconcilers end by their signal; resolves when all have. */
  close(): Promise<void>;
}

interface Working {
  readonly controller: Controller;
  readonly queue: Queue;
  readonly enqueue: (key: ObjectKey) => void;
  isReady: boolean;
}

export function openRuntime(options: RuntimeOptions): Runtime {
  return new ControllerRuntime(options);
}

class ControllerRuntime implements Runtime {
  readonly context: OperatorContext;
  readonly #options: RuntimeOptions;
  readonly #informers: Informers;
  readonly #metrics: RuntimeMetrics;
  readonly #recorder: ReturnType<typeof openRecorder>;
  readonly #working = new Map<string, Working>();
  readonly #end = new AbortController();

  constructor(options: RuntimeOptions) {
    const { kube, clock, log, operator, metrics } = options;
    this.#options = options;
    this.#informers = new Informers({ kube, clock, log, namespace: operator.watchNamespace });
    this.#recorder = openRecorder({ kube, clock, log, instance: operator.id });
    this.#metrics = openRuntimeMetrics(metrics, {
      queues: () => [...this.#working.values()].map(({ controller, queue }) => [controller.name, queue]),
      counts: () => this.#informers.counts(),
      problems: () => this.#informers.problems().length,
    });
    this.context = {
      kube,
      clock,
      log,
      operator,
      cache: this.#informers,
      record: (object, event) => this.#recorder.record(object, event),
      enqueue: (name, key) => this.#working.get(name)?.enqueue(key),
    };
  }

  async start(controllers: readonly Controller[]): Promise<void> {
    const begun = controllers.map((controller) => this.#begin(controller));
    await Promise.race([Promise.all(begun), untilAborted(this.#end.signal)]);
  }

  reasons(): readonly string[] {
    const waiting = [...this.#working.values()].filter((one) => !one.isReady);
    const problems = this.#informers.problems();
    return problems.length > 0
      ? problems
      : waiting.map(({ controller }) => `${controller.name}: not ready yet`);
  }

  isIdle(): boolean {
    return [...this.#working.values()].every(
      ({ queue, isReady }) => isReady && queue.waiting() + queue.running() === 0,
    );
  }

  async close(): Promise<void> {
    this.#end.abort();
    await Promise.all([...this.#working.values()].map(({ queue }) => queue.close()));
    await this.#informers.close();
    await this.#recorder.close();
  }

  /** Resolves when it is ready. What changes before that waits. */
  async #begin(controller: Controller): Promise<void> {
    const held = new Map<string, ObjectKey>();
    const queue = this.#queueOf(controller);
    const working: Working = {
      controller,
      queue,
      isReady: false,
      enqueue: (key) => {
        if (working.isReady) queue.add(key);
        else held.set(keyText(key), key);
      },
    };
    this.#working.set(controller.name, working);
    const own = this.#informers.follow(controller.type, {}, (object) => working.enqueue(keyOf(object)));
    const others = (controller.related ?? []).map((related) =>
      this.#informers.follow(related.type, related.selection ?? {}, (object) => {
        for (const key of this.#keysOf(controller, related, object)) working.enqueue(key);
      }),
    );
    await Promise.all([own, ...others].map(({ synced }) => synced));
    working.isReady = true;
    this.#options.log.info({ controller: controller.name, objects: held.size }, 'controller is at work');
    for (const key of held.values()) queue.add(key);
  }

  /** One object that nobody can make sense of must not hold up the others. */
  #keysOf({ name }: Controller, related: Related, object: KubeObject): readonly ObjectKey[] {
    try {
      return related.keysOf(object, this.#informers);
    } catch (error) {
      const { namespace, name: objectName } = object.metadata;
      const fields = { err: error, controller: name, kind: object.kind, namespace, name: objectName };
      this.#options.log.error(fields, 'whom a change concerns could not be told');
      return [];
    }
  }

  #queueOf(controller: Controller): Queue {
    const { clock } = this.#options;
    const log = this.#options.log.child({ controller: controller.name });
    const { signal } = this.#end;
    return openQueue({
      clock,
      concurrency: controller.concurrency ?? 1,
      perNamespace: controller.concurrencyPerNamespace,
      work: async (key) => {
        const began = clock.now();
        const object = this.#informers.get(controller.type, key);
        const context = { signal, log: log.child({ namespace: key.namespace, name: key.name }) };
        const outcome = await controller.reconcile(key, object, context).finally(() => {
          this.#metrics.took(controller.name, clock.now() - began);
        });
        this.#metrics.ended(controller.name, 'done');
        return outcome.again;
      },
      onFailure: (key, error, retryMs) => {
        this.#metrics.ended(controller.name, 'failed');
        const fields = { err: error, namespace: key.namespace, name: key.name, retryMs };
        log.warn(fields, 'reconciling failed; it is tried again');
      },
    });
  }
}

function untilAborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    signal.addEventListener('abort', () => resolve(), { once: true });
  });
}
