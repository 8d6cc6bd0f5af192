// What a reconciler is to the runtime: what it watches, which keys a change concerns, and one function that brings one
// key to what it should be. Contract between runtime/ and mirror/, cluster/, storage/.
import type { Clock } from '#core/clock.ts';
import type { Log } from '#core/log.ts';
import type { Kube, KubeObject, ObjectKey, ObjectType, Selection } from '../kube/kube.ts';

export interface Controller {
  /** In logs, metrics and events: `mirror/role`. */
  readonly name: string;
  /** The objects it reconciles. */
  readonly type: ObjectType;
  /** Other objects whose changes concern them, with the keys that each concerns. */
  readonly related?: readonly Related[];
  /** How many keys at once; 1 when left out. */
  readonly concurrency?: number;
  /** How many of them of one namespace; all when left out. */
  readonly concurrencyPerNamespace?: number;
  /**
   * Brings the object of this key to what it should be; called again soon after an error (with back-off), and after
   * `again`. `undefined` object: it is gone. Never two at once for one key. Errors are logged and counted; a condition in the status is the
   * reconciler's own business.
   */
  reconcile(key: ObjectKey, object: KubeObject | undefined, context: ReconcileContext): Promise<Outcome>;
}

export interface Related {
  readonly type: ObjectType;
  readonly selection?: Selection;
  /** Pure; `cache` is the informers' copy. */
  keysOf(object: KubeObject, cache: Cache): readonly ObjectKey[];
}

export interface Outcome {
  /** Look again after so many milliseconds, also without a change. */
  readonly again?: number;
}

export interface ReconcileContext {
  readonly signal: AbortSignal;
  readonly log: Log;
}

/** The informers' copy of watched types; no call to the API server. Objects are frozen as they came. */
export interface Cache {
  get(type: ObjectType, key: ObjectKey): KubeObject | undefined;
  list(type: ObjectType, namespace?: string): readonly KubeObject[];
}

/** What every reconciler is made with. */
export interface OperatorContext {
  readonly kube: Kube;
  readonly cache: Cache;
  readonly clock: Clock;
  readonly log: Log;
  /** Records a Kubernetes event on `object`; equal ones in a row are counted, never flood. */
  record(object: KubeObject, event: { type: 'Normal' | 'Warning'; reason: string; message: string }): void;
  /** Has the controller of this name look at the key again now. */
  enqueue(controller: string, key: ObjectKey): void;
  readonly operator: {
    /** Identifies this operator among all that write to one cluster. */
    readonly id: string;
    readonly namespace: string;
    readonly serviceAccount: string;
    readonly version: string;
    /** Only objects of this namespace; undefined: all. */
    readonly watchNamespace?: string | undefined;
  };
}
