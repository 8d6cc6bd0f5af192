// A typed view of the items under one prefix: values instead of bytes, names instead of keys. Knows nothing of kinds.
import { GatehouseError } from '#core/errors/error.ts';
import type { AtomicStep, Backend, Condition, Item, Revision, StoredItem } from './backend.ts';
import { keyOf, partsOf, prefixOf } from './keys.ts';

export { keyOf, partsOf, prefixOf } from './keys.ts';

/** One name, or several parts of one (a session of a node); any text, escaped in the key. */
export type Name = string | readonly string[];

export interface StoredRecord<T> {
  /** The parts of the name. */
  readonly name: readonly string[];
  readonly value: T;
  readonly revision: Revision;
  readonly expires: number | undefined;
}

export interface WriteOptions {
  /** Milliseconds since the epoch. */
  readonly expires?: number | undefined;
}

export interface ListQuery {
  /** Only names that start with these parts. */
  readonly under?: Name | undefined;
  /** What the page before returned as `next`. */
  readonly after?: string | undefined;
  readonly limit?: number | undefined;
}

export interface StoredPage<T> {
  readonly records: readonly StoredRecord<T>[];
  readonly next: string | undefined;
  /** The revision that the page was read at. */
  readonly revision: Revision;
}

export interface CollectionOptions<T> {
  readonly backend: Backend;
  /** The first part, or parts, of every key. */
  readonly prefix: Name;
  readonly encode: (value: T) => Uint8Array;
  /** Throws when the bytes are not a T; the collection makes that CORRUPT and names the key. */
  readonly decode: (bytes: Uint8Array, name: readonly string[]) => T;
}

/** Errors as of `Backend`, and CORRUPT with `details.key` for what cannot be decoded. */
export interface Collection<T> {
  get(name: Name): Promise<StoredRecord<T> | undefined>;
  list(query?: ListQuery): Promise<StoredPage<T>>;
  /** Every record, read page by page as it is taken. */
  all(under?: Name): AsyncIterable<StoredRecord<T>>;
  /** ALREADY_EXISTS when present. */
  create(name: Name, value: T, options?: WriteOptions): Promise<Revision>;
  upsert(name: Name, value: T, options?: WriteOptions): Promise<Revision>;
  /** CONDITION_FAILED unless the record is at `revision`. */
  update(name: Name, value: T, revision: Revision, options?: WriteOptions): Promise<Revision>;
  /** NOT_FOUND when absent; CONDITION_FAILED when `revision` is given and differs. */
  delete(name: Name, revision?: Revision): Promise<Revision>;
  /** Steps for `Backend.atomicWrite`. */
  putStep(name: Name, value: T, condition: Condition, options?: WriteOptions): AtomicStep;
  deleteStep(name: Name, condition: Condition): AtomicStep;
  checkStep(name: Name, condition: Condition): AtomicStep;
}

/** Holds nothing; needs no closing. */
export function openCollection<T>(options: CollectionOptions<T>): Collection<T> {
  const { backend, encode } = options;
  const [first = '', ...rest] = partsOfName(options.prefix);
  const keyFor = (name: Name): string => keyOf(first, ...rest, ...partsOfName(name));
  const prefixFor = (under: Name | undefined): string => {
    return prefixOf(first, ...rest, ...(under === undefined ? [] : partsOfName(under)));
  };
  const itemOf = (name: Name, value: T, { expires }: WriteOptions = {}): Item => {
    return { key: keyFor(name), value: encode(value), expires };
  };
  const read = (item: StoredItem): StoredRecord<T> => {
    const { revision, expires } = item;
    const { name, value } = decodeItem(item, rest.length + 1, options.decode);
    return { name, value, revision, expires };
  };
  const list = async ({ under, after, limit }: ListQuery = {}): Promise<StoredPage<T>> => {
    const page = await backend.range({ prefix: prefixFor(under), after, limit });
    return { records: page.items.map(read), next: page.next, revision: page.revision };
  };

  return {
    async get(name) {
      const item = await backend.get(keyFor(name));
      return item && read(item);
    },
    list,
    async *all(under) {
      let after: string | undefined;
      do {
        const page = await list({ under, after });
        yield* page.records;
        after = page.next;
      } while (after !== undefined);
    },
    create: async (name, value, write) => backend.create(itemOf(name, value, write)),
    upsert: async (name, value, write) => backend.put(itemOf(name, value, write)),
    update: async (name, value, revision, write) => backend.update(itemOf(name, value, write), revision),
    delete: async (name, revision) => backend.delete(keyFor(name), revision),
    putStep(name, value, condition, write) {
      const { key, ...put } = itemOf(name, value, write);
      return { key, condition, action: { do: 'put', ...put } };
    },
    deleteStep: (name, condition) => ({ key: keyFor(name), condition, action: { do: 'delete' } }),
    checkStep: (name, condition) => ({ key: keyFor(name), condition, action: { do: 'check' } }),
  };
}

function partsOfName(name: Name): readonly string[] {
  return typeof name === 'string' ? [name] : name;
}

function decodeItem<T>(
  { key, value }: StoredItem,
  depth: number,
  decode: CollectionOptions<T>['decode'],
): { readonly name: readonly string[]; readonly value: T } {
  try {
    const name = partsOf(key).slice(depth);
    return { name, value: decode(value, name) };
  } catch (cause) {
    throw new GatehouseError('CORRUPT', `the stored "${key}" cannot be read; restore it from a backup`, {
      cause,
      details: { key },
    });
  }
}
