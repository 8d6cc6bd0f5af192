// Who wants to know of a change in a cluster: the objects that stand for the resource that changed, and those that wait
// for something to come. So a change is looked at when it happens, and nothing is looked at in turns.
import type { ObjectKey } from '../kube/kube.ts';
import { keyText } from '../kube/object-types.ts';

export interface Interest {
  /** The cluster, as `namespace/name`. */
  readonly cluster: string;
  /** Keys of resources as the copy has them: `role/dev`. */
  readonly resources: readonly string[];
  /** Any change may be the one it waits for. */
  readonly isWaiting: boolean;
}

export class Interests {
  readonly #of = new Map<string, { readonly who: ObjectKey; readonly interest: Interest }>();
  readonly #byResource = new Map<string, Map<string, ObjectKey>>();
  readonly #waiting = new Map<string, Map<string, ObjectKey>>();

  /** Takes the place of what the object wanted to know before. */
  note(who: ObjectKey, interest: Interest): void {
    this.forget(who);
    const text = keyText(who);
    this.#of.set(text, { who, interest });
    for (const key of interest.resources) add(this.#byResource, `${interest.cluster} ${key}`, text, who);
    if (interest.isWaiting) add(this.#waiting, interest.cluster, text, who);
  }

  forget(who: ObjectKey): void {
    const text = keyText(who);
    const interest = this.#of.get(text)?.interest;
    if (interest === undefined) return;
    this.#of.delete(text);
    for (const key of interest.resources) drop(this.#byResource, `${interest.cluster} ${key}`, text);
    drop(this.#waiting, interest.cluster, text);
  }

  concernedBy(cluster: string, resource: string): readonly ObjectKey[] {
    return [...(this.#byResource.get(`${cluster} ${resource}`)?.values() ?? [])];
  }

  /** Everybody who stands for something in the cluster, or waits for something of it. */
  allOf(cluster: string): readonly ObjectKey[] {
    return [...this.#of.values()]
      .filter(({ interest }) => interest.cluster === cluster)
      .map(({ who }) => who);
  }

  waitingFor(cluster: string): readonly ObjectKey[] {
    return [...(this.#waiting.get(cluster)?.values() ?? [])];
  }
}

type Index = Map<string, Map<string, ObjectKey>>;

function add(index: Index, key: string, text: string, who: ObjectKey): void {
  const all = index.get(key) ?? new Map<string, ObjectKey>();
  index.set(key, all.set(text, who));
}

function drop(index: Index, key: string, text: string): void {
  const all = index.get(key);
  all?.delete(text);
  if (all?.size === 0) index.delete(key);
}
