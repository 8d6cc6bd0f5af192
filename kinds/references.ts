// What `get`, `rm` and `edit` take: `user/joe`, `users`, `roles,users`, `cap`, `all`. Apart from documents.ts because
// it reads one word of a command line and not a file.
import { GatehouseError } from '#core/errors/error.ts';
import { findKind, type Kind } from '#core/kind.ts';
import { resourceName } from '#core/resource.ts';

const MAX_LENGTH = 4096;

/** A kind, or with `name` one resource of it. */
export interface Reference {
  readonly kind: Kind;
  readonly name?: string;
}

export interface ReferenceOptions {
  readonly kinds: readonly Kind[];
  /** Whether `all` includes the internal kinds, which hold secrets; presence kinds are never in `all`. */
  readonly withInternal?: boolean;
}

/**
 * Reads a comma separated list of references. BAD_REQUEST on an unknown kind (with the nearest known one), a name
 * that no resource can have, and a name other than the only one a setting has. `cap` gets the name of that setting.
 */
export function parseReferences(text: string, options: ReferenceOptions): Reference[] {
  if (text.length > MAX_LENGTH) throw new GatehouseError('BAD_REQUEST', 'the list of resources is too long');
  const found = new Map<string, Reference>();
  for (const part of text.split(',').map((word) => word.trim())) {
    for (const reference of part.toLowerCase() === 'all'
      ? everything(options)
      : [parseOne(part, options.kinds)]) {
      found.set(`${reference.kind.name}/${reference.name ?? ''}`, reference);
    }
  }
  return [...found.values()];
}

function everything({ kinds, withInternal = false }: ReferenceOptions): Reference[] {
  return kinds
    .filter((kind) => kind.audience === 'admin' || (withInternal && kind.audience === 'internal'))
    .map((kind) => withName(kind, undefined));
}

function parseOne(text: string, kinds: readonly Kind[]): Reference {
  const slash = text.indexOf('/');
  const kind = findKind(kinds, slash === -1 ? text : text.slice(0, slash));
  if (slash === -1) return withName(kind, undefined);
  const name = text.slice(slash + 1).normalize('NFC');
  if (!resourceName.accepts(name)) {
    throw new GatehouseError('BAD_REQUEST', `the name after "${kind.name}/" must be ${resourceName.says}`);
  }
  return withName(kind, name);
}

function withName(kind: Kind, name: string | undefined): Reference {
  const { singleton } = kind;
  if (singleton === undefined) return name === undefined ? { kind } : { kind, name };
  if (name === undefined || name === singleton) return { kind, name: singleton };
  throw new GatehouseError('BAD_REQUEST', `there is only one ${kind.name}, and its name is "${singleton}"`);
}
