// The reconciler of every mirrored kind, without a word about any of them. Two calls to the API server bring an object
// from new to ready (its finalizer and its status); one where nothing changes costs none.
import { isDeepStrictEqual } from 'node:util';
import type { Houses } from '../house/houses.ts';
import { isCode } from '#core/errors/error.ts';
import type { Timer } from '#core/clock.ts';
import { CLUSTER } from '../crds/cluster.ts';
import { MIRRORS, type Mirror } from '../crds/mirror.ts';
import type { KubeObject, ObjectKey } from '../kube/kube.ts';
import { keyOf, keyText, SECRETS } from '../kube/object-types.ts';
import type { Cache, Controller, OperatorContext, Outcome, Related } from '../runtime/controller.ts';
import { Newest } from '../runtime/newest.ts';
import { belongsToAnother } from './cluster-choice.ts';
import { readEnvelope, type Envelope } from './envelope.ts';
import { Interests } from './interests.ts';
import { lookAndWrite, type Found, type Look } from './mirrored.ts';
import { MIRROR_FINALIZER } from './names.ts';
import { ownerFor } from './ownership.ts';
import { hasNothingLeft, removeMade } from './remove.ts';
import { Settled } from './settled.ts';
import { nextStatus, reasonOf, statusOf, type Finding, type MirrorStatus } from './status.ts';

/** The controllers of all mirrored kinds. The houses stay the caller's to close, after the controllers. */
export function mirrorControllers(context: OperatorContext, houses: Houses): readonly Controller[] {
  return MIRRORS.map((mirror) => mirrorController(context, mirror, houses));
}

/** Many at once: each spends its time waiting for answers, also of auth services that are in no hurry to give them. */
const CONCURRENCY = 64;
const PER_NAMESPACE = 16;
/** Those that wait for something are looked at together, once a burst of changes is over. */
const GATHER_MS = 200;

export function mirrorController(context: OperatorContext, mirror: Mirror, houses: Houses): Controller {
  const reconciler = new MirrorReconciler(context, mirror, houses);
  return {
    name: reconciler.name,
    type: mirror.type,
    concurrency: CONCURRENCY,
    concurrencyPerNamespace: PER_NAMESPACE,
    related: relatedTo(mirror),
    reconcile: (key, object) => reconciler.reconcile(key, object),
  };
}

function relatedTo({ kind, type }: Mirror): readonly Related[] {
  const all = (cache: Cache, namespace: string | undefined): readonly KubeObject[] =>
    cache.list(type, namespace);
  const usesSecret = (object: KubeObject, name: string): boolean =>
    readEnvelope(kind, object).secretRefs.some((ref) => ref.name === name);
  return [
    {
      type: CLUSTER,
      keysOf: ({ metadata }, cache) => all(cache, metadata.namespace).map(keyOf),
    },
    {
      type: SECRETS,
      selection: { isMetadataOnly: true },
      keysOf: ({ metadata }, cache) =>
        all(cache, metadata.namespace)
          .filter((object) => usesSecret(object, metadata.name))
          .map(keyOf),
    },
  ];
}

class MirrorReconciler {
  readonly name: string;
  readonly #context: OperatorContext;
  readonly #mirror: Mirror;
  readonly #houses: Houses;
  readonly #interests = new Interests();
  readonly #settled = new Settled();
  readonly #newest = new Newest();
  readonly #gathering = new Map<string, Timer>();

  constructor(context: OperatorContext, mirror: Mirror, houses: Houses) {
    this.name = `mirror/${mirror.kind.name}`;
    this.#context = context;
    this.#mirror = mirror;
    this.#houses = houses;
    houses.onChange((cluster, changes) => {
      const text = keyText(cluster);
      // The connection changed: what happened meanwhile is in no change.
      if (changes.length === 0) this.#wake(this.#interests.allOf(text));
      for (const { key } of changes) {
        this.#wake(this.#interests.concernedBy(text, key));
      }
      this.#wakeWaiting(text);
    });
  }

  async reconcile(key: ObjectKey, seen: KubeObject | undefined): Promise<Outcome> {
    if (seen === undefined) {
      this.#interests.forget(key);
      this.#newest.forget(key);
      return {};
    }
    const object = this.#newest.of(seen);
    const envelope = readEnvelope(this.#mirror.kind, object);
    if (this.#isOfAnother(object, envelope)) return {};
    const isGoing = object.metadata.deletionTimestamp !== undefined;
    // A pause is no reason to hold up a namespace that goes with its cluster.
    if (envelope.isPaused && !(isGoing && hasNothingLeft(this.#look(object, envelope)))) return {};
    const found = isGoing ? await this.#end(object, envelope) : await this.#bring(object, envelope);
    if (found === undefined) return {};
    if (found.interest === undefined) this.#interests.forget(key);
    else this.#interests.note(key, found.interest);
    if (found.finding !== undefined) await this.#tell(this.#newest.of(object), found.finding);
    return found.again === undefined ? {} : { again: found.again };
  }

  /** Then it is not touched, and nothing said of it. */
  #isOfAnother(object: KubeObject, { clusterName }: Envelope): boolean {
    const { cache, operator } = this.#context;
    const clusters = cache.list(CLUSTER, object.metadata.namespace);
    return belongsToAnother(clusterName ?? statusOf(object).cluster, clusters, operator.namespace);
  }

  #bring(object: KubeObject, envelope: Envelope): Promise<Found> {
    return lookAndWrite({ ...this.#look(object, envelope), hold: () => this.#hold(object) });
  }

  /** Undefined when the object may go. */
  async #end(object: KubeObject, envelope: Envelope): Promise<Found | undefined> {
    const { finalizers = [] } = object.metadata;
    if (!finalizers.includes(MIRROR_FINALIZER)) return undefined;
    const look = this.#look(object, envelope);
    const left = await removeMade(look);
    if (left !== 'done') return left;
    this.#settled.forget(look.owner.id);
    await this.#letGo(
      object,
      finalizers.filter((one) => one !== MIRROR_FINALIZER),
    );
    return undefined;
  }

  #look(object: KubeObject, envelope: Envelope): Omit<Look, 'hold'> {
    return {
      context: this.#context,
      houses: this.#houses,
      settled: this.#settled,
      kind: this.#mirror.kind,
      object,
      envelope,
      owner: ownerFor(this.#context.operator.id, object),
    };
  }

  async #hold(object: KubeObject): Promise<void> {
    const { finalizers = [] } = object.metadata;
    if (finalizers.includes(MIRROR_FINALIZER)) return;
    await this.#setFinalizers(object, [...finalizers, MIRROR_FINALIZER]);
  }

  async #letGo(object: KubeObject, finalizers: readonly string[]): Promise<void> {
    try {
      await this.#setFinalizers(object, finalizers);
    } catch (error) {
      if (!isCode(error, 'NOT_FOUND')) throw error;
    }
  }

  async #setFinalizers(object: KubeObject, finalizers: readonly string[]): Promise<void> {
    const { resourceVersion } = object.metadata;
    const { kube } = this.#context;
    const patch = { metadata: { finalizers, resourceVersion } };
    this.#newest.note(await kube.patch(this.#mirror.type, keyOf(object), patch));
  }

  /** Writes the status if it is another than before, and an event if it says something new. */
  async #tell(object: KubeObject, finding: Finding): Promise<void> {
    const before = statusOf(object);
    const status = nextStatus(object, finding, this.#context.clock.now());
    if (isDeepStrictEqual(before, status)) return;
    try {
      const sent = { ...headOf(object), status };
      this.#newest.note(await this.#context.kube.applyStatus(sent, { force: true }));
    } catch (error) {
      // Gone meanwhile.
      if (!isCode(error, 'NOT_FOUND', 'CONDITION_FAILED')) throw error;
      return;
    }
    // That all is well from the start is no news: a thousand objects would be a thousand events.
    const isNews = finding.is !== 'applied' || before.conditions !== undefined;
    if (isNews && reasonOf(before) !== reasonOf(status)) this.#record(object, finding, status);
  }

  #record(object: KubeObject, { is }: Finding, status: MirrorStatus): void {
    this.#context.record(object, {
      type: is === 'applied' || is === 'waiting' ? 'Normal' : 'Warning',
      reason: reasonOf(status) ?? 'Unknown',
      message: status.conditions?.[0]?.message ?? '',
    });
  }

  #wake(keys: readonly ObjectKey[]): void {
    for (const key of keys) this.#context.enqueue(this.name, key);
  }

  #wakeWaiting(cluster: string): void {
    if (this.#gathering.has(cluster) || this.#interests.waitingFor(cluster).length === 0) return;
    const wake = (): void => {
      this.#gathering.delete(cluster);
      this.#wake(this.#interests.waitingFor(cluster));
    };
    this.#gathering.set(cluster, this.#context.clock.after(GATHER_MS, wake));
  }
}

/** What says which object it is, and no other of the name. */
function headOf({ apiVersion, kind, metadata }: KubeObject): KubeObject {
  const { name, namespace, uid } = metadata;
  return { apiVersion, kind, metadata: { name, ...(namespace && { namespace }), ...(uid && { uid }) } };
}
