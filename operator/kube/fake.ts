// An API server in memory for tests of reconcilers: revisions, conflicts, generations, the status subresource, finalizers,
// server-side apply, watches, and faults on demand. Held to the real one by conformance/suite.ts. It does not validate,
// default or prune, collects no garbage of owners, knows of namespaces only as names, and merges lists by key only where
// fake-fields.ts says so.
import { isDeepStrictEqual } from 'node:util';
import type { Clock } from '#core/clock.ts';
import { GatehouseError } from '#core/errors/error.ts';
import { Secret } from '#core/secret.ts';
import { applyFields, mergeFields, ownersAfterUpdate, type Fields } from './fake-fields.ts';
import {
  desiredOf,
  mergePatch,
  nextGeneration,
  ownable,
  serverFieldsOf,
  withoutServerFields,
} from './fake-object.ts';
import { FakeStore, type StoredObject } from './fake-store.ts';
import type {
  ApplyOptions,
  DeleteOptions,
  Kube,
  KubeObject,
  ObjectKey,
  ObjectType,
  Selection,
} from './kube.ts';
import { SERVICE_ACCOUNTS, typeTable, type TypeOf } from './object-types.ts';

export type FakeVerb =
  | 'get'
  | 'list'
  | 'watch'
  | 'create'
  | 'replace'
  | 'apply'
  | 'applyStatus'
  | 'patch'
  | 'delete'
  | 'requestToken';

export interface FakeCall {
  readonly verb: FakeVerb;
  readonly type: ObjectType;
  /** Not of list and watch. */
  readonly key?: ObjectKey;
  /** What was sent. */
  readonly body?: unknown;
}

/** What happens to a call: fails before anything is done, or is done and its answer is lost. */
export type Fault = { readonly before: GatehouseError } | { readonly after: GatehouseError };

export interface FakeKube extends Kube {
  /** Every call so far, in order. */
  readonly calls: readonly FakeCall[];
  /** Asked at each call until the returned function is called. */
  inject(fault: (call: FakeCall) => Fault | undefined): () => void;
  /** Writes as another manager would, status included; creates or replaces. */
  seed(object: KubeObject): KubeObject;
  /** What is there now, without a call. */
  find(type: ObjectType, key: ObjectKey): KubeObject | undefined;
  all(type: ObjectType, namespace?: string): readonly KubeObject[];
  /** Ends all watches as a server does; `hasExpired`: and their revisions are too old to go on from. */
  cutWatches(options?: { readonly hasExpired?: boolean }): void;
  /** How many watches are open. */
  watching(): number;
}

const DEFAULT_MANAGER = 'gatehouse-operator';
/** Groups whose objects have no generation. */
const WITHOUT_GENERATION = ['', 'coordination.k8s.io', 'rbac.authorization.k8s.io'];

/** An empty cluster. `types`: custom resources besides the types that come with Kubernetes. */
export function openFakeKube(options: {
  readonly clock: Clock;
  readonly types?: readonly ObjectType[];
}): FakeKube {
  return new Fake(options.clock, typeTable(options.types ?? []));
}

class Fake implements FakeKube {
  readonly #clock: Clock;
  readonly #typeOf: TypeOf;
  readonly #store = new FakeStore();
  readonly #faults = new Set<(call: FakeCall) => Fault | undefined>();
  readonly calls: FakeCall[] = [];
  #made = 0;

  constructor(clock: Clock, typeOf: TypeOf) {
    this.#clock = clock;
    this.#typeOf = typeOf;
  }

  readonly get: Kube['get'] = (type, key, signal) =>
    this.#call({ verb: 'get', type, key }, () => this.#stored(type, key).object, signal);

  readonly list: Kube['list'] = (type, selection, signal) =>
    this.#call(
      { verb: 'list', type },
      () => ({
        items: this.#store.list(type, selection).map((object) => view(object, selection)),
        resourceVersion: this.#store.revision(),
      }),
      signal,
    );

  async *watch(...[type, selection, signal]: Parameters<Kube['watch']>): ReturnType<Kube['watch']> {
    await this.#call({ verb: 'watch', type }, () => undefined, signal);
    for await (const event of this.#store.watch(type, selection, signal)) {
      yield event.type === 'BOOKMARK' ? event : { ...event, object: view(event.object, selection) };
    }
  }

  readonly create: Kube['create'] = (object, signal) => {
    const { type, key } = this.#identify(object);
    const call: FakeCall = { verb: 'create', type, key, body: object };
    return this.#call(
      call,
      () => {
        if (this.#store.find(type, key) !== undefined) {
          throw new GatehouseError('ALREADY_EXISTS', `${type.plural} "${key.name}" already exists`);
        }
        return this.#createNew(type, object, `${DEFAULT_MANAGER} (update)`);
      },
      signal,
    );
  };

  readonly replace: Kube['replace'] = (object, signal) => {
    const { type, key } = this.#identify(object);
    const call: FakeCall = { verb: 'replace', type, key, body: object };
    return this.#call(
      call,
      () => {
        const stored = this.#stored(type, key);
        requireSame(stored, object.metadata);
        return this.#update(stored, { ...object, status: stored.object['status'] });
      },
      signal,
    );
  };

  readonly apply: Kube['apply'] = (object, options = {}) => {
    const { type, key } = this.#identify(object);
    const call: FakeCall = { verb: 'apply', type, key, body: object };
    return this.#call(call, () => this.#apply(type, key, object, options), options.signal);
  };

  readonly applyStatus: Kube['applyStatus'] = (object, options = {}) => {
    const { type, key } = this.#identify(object);
    const call: FakeCall = { verb: 'applyStatus', type, key, body: object };
    return this.#call(
      call,
      () => {
        const stored = this.#stored(type, key);
        requireSame(stored, object.metadata);
        return this.#merge(stored, { status: object['status'] }, { ...options, part: 'status' });
      },
      options.signal,
    );
  };

  readonly patch: Kube['patch'] = (type, key, patch) =>
    this.#call({ verb: 'patch', type, key, body: patch }, () => {
      const stored = this.#stored(type, key);
      requireSame(stored, (patch['metadata'] ?? {}) as Partial<KubeObject['metadata']>);
      const patched = mergePatch(stored.object, patch) as KubeObject;
      return this.#update(stored, { ...patched, status: stored.object['status'] });
    });

  readonly delete: Kube['delete'] = (type, key, options: DeleteOptions = {}) =>
    this.#call({ verb: 'delete', type, key, body: options }, () => {
      const stored = this.#store.find(type, key);
      if (stored === undefined) return;
      const { metadata } = stored.object;
      if (options.uid !== undefined) requireSame(stored, { uid: options.uid });
      if ((metadata.finalizers ?? []).length === 0) {
        this.#store.write(stored, true);
      } else if (metadata.deletionTimestamp === undefined) {
        const deletionTimestamp = this.#time();
        const generation = nextGeneration(metadata.generation);
        this.#store.write({
          ...stored,
          object: { ...stored.object, metadata: { ...metadata, deletionTimestamp, ...generation } },
        });
      }
    });

  readonly requestToken: Kube['requestToken'] = (key, request, signal) => {
    const call: FakeCall = { verb: 'requestToken', type: SERVICE_ACCOUNTS, key, body: request };
    return this.#call(
      call,
      () => {
        this.#stored(SERVICE_ACCOUNTS, key);
        return new Secret(`fake-token:${key.namespace ?? ''}:${key.name}:${request.audience}`);
      },
      signal,
    );
  };

  inject(fault: (call: FakeCall) => Fault | undefined): () => void {
    this.#faults.add(fault);
    return () => void this.#faults.delete(fault);
  }

  seed(object: KubeObject): KubeObject {
    const { type, key } = this.#identify(object);
    const stored = this.#store.find(type, key);
    if (stored === undefined) this.#createNew(type, object, 'somebody');
    else this.#update(stored, { ...object, status: stored.object['status'] }, 'somebody');
    const written = this.#stored(type, key);
    if (object['status'] === undefined) return written.object;
    return this.#update(written, { ...written.object, status: object['status'] }, 'somebody');
  }

  find(type: ObjectType, key: ObjectKey): KubeObject | undefined {
    return this.#store.find(type, key)?.object;
  }

  all(type: ObjectType, namespace?: string): readonly KubeObject[] {
    return this.#store.list(type, { namespace });
  }

  cutWatches({ hasExpired = false }: { hasExpired?: boolean } = {}): void {
    this.#store.cutWatches(hasExpired);
  }

  watching(): number {
    return this.#store.watching();
  }

  async #call<T>(call: FakeCall, work: () => T, signal?: AbortSignal): Promise<T> {
    this.calls.push(call);
    await Promise.resolve();
    signal?.throwIfAborted();
    const fault = [...this.#faults].map((ask) => ask(call)).find((one) => one !== undefined);
    if (fault !== undefined && 'before' in fault) throw fault.before;
    const result = work();
    await Promise.resolve();
    if (fault !== undefined) throw fault.after;
    return result;
  }

  #identify(object: KubeObject): { type: ObjectType; key: ObjectKey } {
    const type = this.#typeOf(object);
    const { name, namespace } = object.metadata;
    if (type.isNamespaced === (namespace === undefined)) {
      throw new GatehouseError(
        'BAD_REQUEST',
        `${type.kind} "${name}": a namespace is ${type.isNamespaced ? 'needed' : 'not allowed'}`,
      );
    }
    return { type, key: { namespace, name } };
  }

  #stored(type: ObjectType, key: ObjectKey): StoredObject {
    const found = this.#store.find(type, key);
    if (found !== undefined) return found;
    throw new GatehouseError('NOT_FOUND', `${type.plural} "${key.name}" not found`);
  }

  #createNew(type: ObjectType, sent: KubeObject, manager: string): KubeObject {
    const { status: _, ...object } = sent;
    this.#made += 1;
    const metadata = {
      ...withoutServerFields(sent.metadata),
      uid: `00000000-0000-4000-8000-${String(this.#made).padStart(12, '0')}`,
      creationTimestamp: this.#time(),
      ...(WITHOUT_GENERATION.includes(type.group) ? {} : { generation: 1 }),
    };
    const owners = ownersAfterUpdate(new Map(), manager, {}, ownable(object));
    return this.#store.write({ type, object: { ...object, metadata } as unknown as KubeObject, owners });
  }

  #apply(type: ObjectType, key: ObjectKey, sent: KubeObject, options: ApplyOptions): KubeObject {
    const stored = this.#store.find(type, key);
    const wanted = ownable(sent);
    if (stored !== undefined) {
      requireSame(stored, sent.metadata);
      return this.#merge(stored, wanted, { ...options, part: 'main' });
    }
    if (sent.metadata.uid !== undefined || sent.metadata.resourceVersion !== undefined) {
      throw new GatehouseError('CONDITION_FAILED', `${type.plural} "${key.name}" is not there any more`);
    }
    const manager = `${options.fieldManager ?? DEFAULT_MANAGER} (apply, main)`;
    if (options.dryRun === true) return sent;
    return this.#createNew(type, sent, manager);
  }

  #merge(
    stored: StoredObject,
    wanted: Fields,
    options: ApplyOptions & { part: 'main' | 'status' },
  ): KubeObject {
    const { fieldManager = DEFAULT_MANAGER, force = false, part, dryRun = false } = options;
    const manager = `${fieldManager} (apply, ${part})`;
    const applied = applyFields(stored.object, stored.owners, { wanted, manager, force });
    if (!('fields' in applied)) {
      const [first] = applied;
      throw new GatehouseError(
        'CONDITION_FAILED',
        `apply failed with ${applied.length} conflicts: ${first?.path} belongs to ${first?.manager}`,
      );
    }
    const { metadata } = applied.fields as unknown as KubeObject;
    const object = {
      ...applied.fields,
      metadata: mergeFields(metadata, serverFieldsOf(stored.object.metadata)),
    } as unknown as KubeObject;
    if (dryRun) return object;
    return this.#save(stored, { ...stored, object, owners: applied.owners });
  }

  #update(stored: StoredObject, wanted: KubeObject, manager = `${DEFAULT_MANAGER} (update)`): KubeObject {
    const metadata = { ...withoutServerFields(wanted.metadata), ...serverFieldsOf(stored.object.metadata) };
    const { status, ...rest } = wanted;
    const object = {
      ...rest,
      ...(status === undefined ? {} : { status }),
      metadata,
    } as unknown as KubeObject;
    const owners = ownersAfterUpdate(stored.owners, manager, ownable(stored.object), ownable(object));
    return this.#save(stored, { ...stored, object, owners });
  }

  /** A write that changes nothing makes no revision; the generation counts changes beside metadata and status. */
  #save(before: StoredObject, after: StoredObject): KubeObject {
    if (isDeepStrictEqual(before.object, after.object)) {
      if (isDeepStrictEqual(before.owners, after.owners)) return before.object;
      return this.#store.write(after);
    }
    const { metadata } = after.object;
    const isNew = !isDeepStrictEqual(desiredOf(before.object), desiredOf(after.object));
    const object = isNew
      ? { ...after.object, metadata: { ...metadata, ...nextGeneration(metadata.generation) } }
      : after.object;
    const isGone = metadata.deletionTimestamp !== undefined && (metadata.finalizers ?? []).length === 0;
    return this.#store.write({ ...after, object }, isGone);
  }

  #time(): string {
    return new Date(this.#clock.now()).toISOString().replace(/\.\d+Z$/, 'Z');
  }
}

function requireSame(
  { object }: StoredObject,
  { uid, resourceVersion }: Partial<KubeObject['metadata']>,
): void {
  const { metadata } = object;
  if (uid !== undefined && uid !== metadata.uid) {
    throw new GatehouseError(
      'CONDITION_FAILED',
      `"${metadata.name}" is another object by now: its uid is ${metadata.uid}`,
    );
  }
  if (resourceVersion !== undefined && resourceVersion !== metadata.resourceVersion) {
    throw new GatehouseError('CONDITION_FAILED', `"${metadata.name}" has been modified: read it again`);
  }
}

function view(object: KubeObject, { isMetadataOnly }: Selection): KubeObject {
  if (isMetadataOnly !== true) return object;
  const { apiVersion, kind, metadata } = object;
  return { apiVersion, kind, metadata };
}
