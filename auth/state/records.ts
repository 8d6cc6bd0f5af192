// The stored form of a resource: its key, its bytes, and back. Apart from open.ts so that the local copy, direct
// reads and the older part of a watch cannot differ in what they make of an item.
import { GatehouseError } from '#core/errors/error.ts';
import type { Kind } from '#core/kind.ts';
import type { Metadata, Resource } from '#core/resource.ts';
import type { Revision } from '#core/revision.ts';
import { isPlainObject } from '#core/schema/check.ts';
import { safeTokenName } from '#kinds/token/kind.ts';
import type { Item } from '#storage/backend.ts';
import { keyOf, partsOf, prefixOf } from '#storage/keys.ts';

const ROOT = 'resources';
const FENCES = 'fences';

export const FENCE_PREFIX = prefixOf(FENCES);

export function recordPrefix(kind: Kind): string {
  return prefixOf(ROOT, kind.plural);
}

export function recordKey(kind: Kind, name: string): string {
  return keyOf(ROOT, kind.plural, name);
}

/** The key that every write to an admin kind touches, so that a rule which listed the kind notices. */
export function fenceKey(kind: Kind): string {
  return keyOf(FENCES, kind.plural);
}

/** "role/dev" for messages; the name of a token is its secret and is masked. */
export function titleOf(kind: string, name: string): string {
  return kind === 'token' ? `token/${safeTokenName(name)}` : `${kind}/${name}`;
}

/** The key's plural and name; undefined for keys that are no resource. */
export function splitKey(key: string): { readonly plural: string; readonly name: string } | undefined {
  let parts: string[];
  try {
    parts = partsOf(key);
  } catch {
    return undefined;
  }
  const [root, plural, name, ...more] = parts;
  if (root !== ROOT || plural === undefined || name === undefined || more.length > 0) return undefined;
  return { plural, name };
}

/** What a store or a feed hands out. */
export interface RawRecord {
  readonly key: string;
  readonly value: Uint8Array;
  readonly revision: Revision;
}

/** The item of a resource; the revision is the store's and is left out. */
export function encodeRecord(kind: Kind, resource: Resource): Item {
  const { revision: _store, ...metadata } = resource.metadata;
  const value = Buffer.from(JSON.stringify({ ...resource, metadata }));
  const expires = metadata.expires === undefined ? undefined : Date.parse(metadata.expires);
  return { key: recordKey(kind, metadata.name), value, expires };
}

/** Deeply frozen. CORRUPT when the item is not a resource of its key; the message holds nothing of the value. */
export function decodeRecord<S>(kind: Kind<S>, item: RawRecord): Resource<S> {
  const name = splitKey(item.key)?.name;
  const document = parse(item.value);
  const metadata = isPlainObject(document) ? document['metadata'] : undefined;
  if (
    !isPlainObject(document) ||
    !isPlainObject(metadata) ||
    name === undefined ||
    document['kind'] !== kind.name ||
    metadata['name'] !== name ||
    !isPlainObject(document['spec'])
  ) {
    throw new GatehouseError(
      'CORRUPT',
      `the stored ${titleOf(kind.name, name ?? '')} is not a resource of its key; restore it from a backup`,
    );
  }
  metadata['revision'] = item.revision;
  return freeze(document) as unknown as Resource<S>;
}

/** The resource as it stands after a write at `revision`. */
export function stored(resource: Resource, revision: string): Resource {
  const metadata: Metadata = { ...resource.metadata, revision };
  return freeze(structuredClone({ ...resource, metadata }));
}

function parse(value: Uint8Array): unknown {
  try {
    return JSON.parse(Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString('utf8'));
  } catch {
    return undefined;
  }
}

function freeze<T>(value: T): T {
  if (typeof value === 'object' && value !== null && !Object.isFrozen(value)) {
    Object.freeze(value);
    for (const part of Object.values(value)) freeze(part);
  }
  return value;
}
