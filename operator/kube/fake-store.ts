// The objects of the fake, their revisions and the changes that watches are told. Apart from fake.ts, which is the verbs.
import { GatehouseError } from '#core/errors/error.ts';
import type { KubeObject, ObjectKey, ObjectType, Selection, WatchEvent } from './kube.ts';
import type { Owners } from './fake-fields.ts';
import { typeKey } from './object-types.ts';
import { isSelected } from './selectors.ts';

export interface StoredObject {
  readonly type: ObjectType;
  readonly object: KubeObject;
  readonly owners: Owners;
}

interface Change {
  readonly revision: number;
  readonly type: ObjectType;
  readonly before: KubeObject | undefined;
  /** When it was removed: as it was, with the revision of its end. */
  readonly object: KubeObject;
  readonly isGone: boolean;
}

type Tell = (change: Change | 'cut' | 'expired') => void;

export class FakeStore {
  readonly #objects = new Map<string, StoredObject>();
  readonly #watchers = new Set<Tell>();
  #changes: Change[] = [];
  #revision = 100;
  #oldest = 100;

  find(type: ObjectType, key: ObjectKey): StoredObject | undefined {
    return this.#objects.get(pathOf(type, key));
  }

  list(type: ObjectType, selection: Selection): readonly KubeObject[] {
    const wanted = typeKey(type);
    return [...this.#objects.values()]
      .filter((stored) => typeKey(stored.type) === wanted && isSelected(stored.object, selection))
      .map((stored) => stored.object);
  }

  revision(): string {
    return String(this.#revision);
  }

  /** Stores it with the next revision; `isGone`: removes it. Returns it as it is now. */
  write({ type, object, owners }: StoredObject, isGone = false): KubeObject {
    const { name, namespace } = object.metadata;
    const path = pathOf(type, { name, namespace });
    const before = this.#objects.get(path)?.object;
    this.#revision += 1;
    const written = freeze({
      ...object,
      metadata: { ...object.metadata, resourceVersion: String(this.#revision) },
    });
    if (isGone) this.#objects.delete(path);
    else this.#objects.set(path, { type, object: written, owners });
    const change: Change = { revision: this.#revision, type, before, object: written, isGone };
    this.#changes.push(change);
    for (const tell of this.#watchers) tell(change);
    return written;
  }

  /** Ends every watch; `hasExpired`: as when the server no longer has the changes since. */
  cutWatches(hasExpired: boolean): void {
    if (hasExpired) {
      this.#changes = [];
      this.#oldest = this.#revision;
    }
    for (const tell of this.#watchers) tell(hasExpired ? 'expired' : 'cut');
  }

  watching(): number {
    return this.#watchers.size;
  }

  async *watch(
    type: ObjectType,
    selection: Selection & { readonly resourceVersion: string },
    signal: AbortSignal,
  ): AsyncGenerator<WatchEvent> {
    const from = Number(selection.resourceVersion);
    if (from < this.#oldest) throw expired();
    const pending: (Change | 'cut' | 'expired')[] = this.#changes.filter((change) => change.revision > from);
    let wake: () => void = () => {};
    const tell: Tell = (change) => {
      pending.push(change);
      wake();
    };
    const onAbort = (): void => wake();
    this.#watchers.add(tell);
    signal.addEventListener('abort', onAbort);
    try {
      for (;;) {
        signal.throwIfAborted();
        const next = pending.shift();
        if (next === 'cut') return;
        if (next === 'expired') throw expired();
        const event = next === undefined ? undefined : eventOf(next, type, selection);
        if (event !== undefined) yield event;
        if (next === undefined) await new Promise<void>((resolve) => (wake = resolve));
      }
    } finally {
      this.#watchers.delete(tell);
      signal.removeEventListener('abort', onAbort);
    }
  }
}

function eventOf(change: Change, type: ObjectType, selection: Selection): WatchEvent | undefined {
  const { before, object, isGone } = change;
  if (typeKey(change.type) !== typeKey(type)) return undefined;
  const wasSelected = before !== undefined && isSelected(before, selection);
  const isNow = !isGone && isSelected(object, selection);
  if (isNow) return { type: wasSelected ? 'MODIFIED' : 'ADDED', object };
  return wasSelected ? { type: 'DELETED', object } : undefined;
}

function expired(): GatehouseError {
  return new GatehouseError('REVISION_COMPACTED', 'the revision to watch from is too old: list again');
}

function pathOf(type: ObjectType, { namespace = '', name }: ObjectKey): string {
  return `${typeKey(type)}/${namespace}/${name}`;
}

function freeze<T>(value: T): T {
  if (typeof value === 'object' && value !== null && !Object.isFrozen(value)) {
    Object.freeze(value);
    for (const child of Object.values(value)) freeze(child);
  }
  return value;
}
