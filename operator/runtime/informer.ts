// One type of object, listed once and then followed by a watch, in a copy that costs the API server nothing to read. A
// broken watch goes on where it was; only a revision that the server has forgotten, or its refusal, leads to a new list.
import { backoffMs } from '#client/member/backoff.ts';
import { sleep, type Clock } from '#core/clock.ts';
import { isCode } from '#core/errors/error.ts';
import type { Log } from '#core/log.ts';
import type { Kube, KubeObject, ObjectKey, ObjectType, Selection } from '../kube/kube.ts';
import { keyText } from '../kube/object-types.ts';

export interface InformerOptions {
  readonly kube: Kube;
  readonly clock: Clock;
  readonly log: Log;
  readonly type: ObjectType;
  readonly selection: Selection;
  /** Told after the copy has changed; `object` as it is, or as it was last when it is gone. */
  onChange(object: KubeObject, isGone: boolean): void;
}

export interface Informer {
  /** Resolves when the first list is in the copy; never rejects. */
  readonly synced: Promise<void>;
  hasSynced(): boolean;
  /** Why the copy may be old; undefined while it is followed. */
  problem(): string | undefined;
  get(key: ObjectKey): KubeObject | undefined;
  list(namespace?: string): readonly KubeObject[];
  close(): Promise<void>;
}

const BACKOFF = { firstMs: 500, maxMs: 30_000 };
/** A type that the cluster does not have may come at any moment. */
const MISSING_MS = 10_000;
/** A watch that ends sooner than this counts as failed. */
const SHORT_WATCH_MS = 1000;

export function startInformer(options: InformerOptions): Informer {
  return new Follower(options);
}

class Follower implements Informer {
  readonly #options: InformerOptions;
  readonly #end = new AbortController();
  readonly #done: Promise<void>;
  #byNamespace = new Map<string, Map<string, KubeObject>>();
  #revision: string | undefined;
  readonly #sync = Promise.withResolvers<void>();
  #hasSynced = false;
  #problem: string | undefined = 'not listed yet';
  #failures = 0;

  constructor(options: InformerOptions) {
    this.#options = options;
    this.#done = this.#follow();
  }

  get synced(): Promise<void> {
    return this.#sync.promise;
  }

  hasSynced(): boolean {
    return this.#hasSynced;
  }

  problem(): string | undefined {
    return this.#problem;
  }

  get({ namespace = '', name }: ObjectKey): KubeObject | undefined {
    return this.#byNamespace.get(namespace)?.get(name);
  }

  list(namespace?: string): readonly KubeObject[] {
    const maps =
      namespace === undefined ? [...this.#byNamespace.values()] : [this.#byNamespace.get(namespace)];
    return maps.flatMap((objects) => [...(objects?.values() ?? [])]);
  }

  async close(): Promise<void> {
    this.#end.abort();
    await this.#done;
  }

  async #follow(): Promise<void> {
    const { clock } = this.#options;
    const { signal } = this.#end;
    while (!signal.aborted) {
      const began = clock.now();
      const error = await this.#round().then(
        () => undefined,
        (cause: unknown) => cause ?? new Error('unknown'),
      );
      if (signal.aborted) return;
      const wasLong = clock.now() - began >= SHORT_WATCH_MS;
      if (wasLong) this.#failures = 0;
      if (error === undefined && wasLong) continue;
      await sleep(clock, this.#waitAfter(error), signal).catch(() => undefined);
    }
  }

  /** Milliseconds until the next round. */
  #waitAfter(error: unknown): number {
    const { log, type } = this.#options;
    this.#failures += 1;
    const isMissing = isCode(error, 'NOT_FOUND');
    const isNew = this.#problem === undefined || this.#failures === 1;
    if (isCode(error, 'REVISION_COMPACTED', 'NOT_FOUND', 'ACCESS_DENIED')) this.#revision = undefined;
    if (error !== undefined && !isCode(error, 'REVISION_COMPACTED')) {
      this.#problem = isMissing
        ? `the cluster has no ${type.plural}.${type.group}: apply the custom resource definitions`
        : `cannot follow ${type.plural}: ${error instanceof Error ? error.message : String(error)}`;
      if (isNew) log.warn({ err: error, type: type.kind }, 'objects cannot be followed; trying again');
    }
    const bound = isMissing ? { ...BACKOFF, maxMs: MISSING_MS } : BACKOFF;
    return backoffMs(bound, this.#failures);
  }

  async #round(): Promise<void> {
    const { kube, type, selection } = this.#options;
    const { signal } = this.#end;
    this.#revision ??= await this.#list();
    const from = { ...selection, resourceVersion: this.#revision };
    for await (const event of kube.watch(type, from, signal)) {
      this.#went();
      if (event.type === 'BOOKMARK') this.#revision = event.resourceVersion;
      else this.#take(event.object, event.type === 'DELETED');
    }
    this.#went();
  }

  async #list(): Promise<string> {
    const { kube, type, selection, log } = this.#options;
    const { items, resourceVersion } = await kube.list(type, selection, this.#end.signal);
    const listed = new Set(items.map((item) => keyText(item.metadata)));
    const gone = this.list().filter((object) => !listed.has(keyText(object.metadata)));
    for (const object of items) {
      const isSame = this.get(object.metadata)?.metadata.resourceVersion === object.metadata.resourceVersion;
      if (!isSame) this.#take(object, false);
    }
    for (const object of gone) this.#take(object, true);
    this.#went();
    this.#hasSynced = true;
    this.#sync.resolve();
    log.debug({ type: type.kind, objects: items.length }, 'objects listed');
    return resourceVersion;
  }

  #went(): void {
    if (this.#problem !== undefined && this.#hasSynced) {
      this.#options.log.info({ type: this.#options.type.kind }, 'objects are followed again');
    }
    this.#problem = undefined;
  }

  #take(object: KubeObject, isGone: boolean): void {
    const { namespace = '', name, resourceVersion } = object.metadata;
    const kept = withoutManagers(object);
    const objects = this.#byNamespace.get(namespace) ?? new Map<string, KubeObject>();
    if (isGone) objects.delete(name);
    else objects.set(name, kept);
    if (objects.size === 0) this.#byNamespace.delete(namespace);
    else this.#byNamespace.set(namespace, objects);
    if (this.#revision !== undefined && resourceVersion !== undefined) this.#revision = resourceVersion;
    this.#options.onChange(kept, isGone);
  }
}

/** They are half of most objects, and nobody here reads them. */
function withoutManagers(object: KubeObject): KubeObject {
  if (object.metadata.managedFields === undefined) return object;
  const { managedFields: _, ...metadata } = object.metadata;
  return { ...object, metadata };
}
