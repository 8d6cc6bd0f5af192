// The informers of an operator: one for each type and selection however many controllers want it, and the copy of all
// of them as one.
import { isDeepStrictEqual } from 'node:util';
import type { Clock } from '#core/clock.ts';
import type { Log } from '#core/log.ts';
import type { Kube, KubeObject, ObjectType, Selection } from '../kube/kube.ts';
import { typeKey } from '../kube/object-types.ts';
import type { Cache } from './controller.ts';
import { startInformer, type Informer } from './informer.ts';
import { keyText } from '../kube/object-types.ts';

type OnChange = (object: KubeObject, isGone: boolean) => void;

interface Followed {
  readonly type: ObjectType;
  readonly selection: Selection;
  readonly informer: Informer;
  readonly handlers: Set<OnChange>;
}

export interface InformersOptions {
  readonly kube: Kube;
  readonly clock: Clock;
  readonly log: Log;
  /** Only objects of this namespace, of types that have one. */
  readonly namespace?: string | undefined;
}

export class Informers implements Cache {
  readonly #options: InformersOptions;
  readonly #followed: Followed[] = [];

  constructor(options: InformersOptions) {
    this.#options = options;
  }

  /** Tells `onChange` of every object that is there and of every change. Starts an informer unless there is one. */
  follow(type: ObjectType, selection: Selection, onChange: OnChange): Informer {
    const { namespace } = this.#options;
    const wanted: Selection =
      type.isNamespaced && namespace !== undefined ? { namespace, ...selection } : selection;
    const found = this.#followed.find((one) => isSame(one, type, wanted));
    if (found !== undefined) {
      found.handlers.add(onChange);
      for (const object of found.informer.list()) onChange(object, false);
      return found.informer;
    }
    const handlers = new Set([onChange]);
    const informer = startInformer({
      ...this.#options,
      type,
      selection: wanted,
      onChange: (object, isGone) => {
        for (const handler of handlers) handler(object, isGone);
      },
    });
    this.#followed.push({ type, selection: wanted, informer, handlers });
    return informer;
  }

  readonly get: Cache['get'] = (type, key) =>
    this.#of(type)
      .map((informer) => informer.get(key))
      .find((object) => object !== undefined);

  readonly list: Cache['list'] = (type, namespace) => {
    const [first, ...others] = this.#of(type);
    if (first === undefined) return [];
    if (others.length === 0) return first.list(namespace);
    const all = [...others, first].flatMap((informer) => informer.list(namespace));
    return [...new Map(all.map((object) => [keyText(object.metadata), object])).values()];
  };

  /** One line for each type whose copy is not followed at present. */
  problems(): readonly string[] {
    return this.#followed.flatMap(({ informer }) => informer.problem() ?? []);
  }

  /** Objects in the copies, by type. */
  counts(): readonly (readonly [kind: string, count: number])[] {
    return this.#followed.map(({ type, informer }) => [type.kind, informer.list().length]);
  }

  async close(): Promise<void> {
    await Promise.all(this.#followed.map(({ informer }) => informer.close()));
  }

  /** Those with whole objects before those with metadata alone. */
  #of(type: ObjectType): readonly Informer[] {
    const wanted = typeKey(type);
    return this.#followed
      .filter((one) => typeKey(one.type) === wanted)
      .sort(
        (a, b) => Number(a.selection.isMetadataOnly ?? false) - Number(b.selection.isMetadataOnly ?? false),
      )
      .map(({ informer }) => informer);
  }
}

function isSame(one: Followed, type: ObjectType, selection: Selection): boolean {
  return typeKey(one.type) === typeKey(type) && isDeepStrictEqual(one.selection, selection);
}
