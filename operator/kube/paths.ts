// Paths and queries of the Kubernetes API. Pure, and strict: names come from objects that others write, and none may lead
// to another path than that of its object (S37).
import { GatehouseError } from '#core/errors/error.ts';
import type { ObjectKey, ObjectType, Selection } from './kube.ts';

const NAME = /^[A-Za-z0-9][A-Za-z0-9.:_-]{0,252}$/;

/** The path of a type in a namespace, or in all. */
export function pathOfType({ group, version, plural, isNamespaced }: ObjectType, namespace?: string): string {
  const root = group === '' ? `/api/${version}` : `/apis/${group}/${version}`;
  return isNamespaced && namespace !== undefined
    ? `${root}/namespaces/${checked(namespace)}/${plural}`
    : `${root}/${plural}`;
}

/** The path of an object. BAD_REQUEST for a name that no object can have. */
export function pathOfObject(type: ObjectType, { namespace, name }: ObjectKey): string {
  if (type.isNamespaced && namespace === undefined) {
    throw new GatehouseError('BAD_REQUEST', `${type.kind} "${name}": a namespace is needed`);
  }
  return `${pathOfType(type, namespace)}/${checked(name)}`;
}

export type Query = Readonly<Record<string, string | undefined>>;

/** With its question mark; empty when there is nothing to ask. */
export function queryOf(query: Query): string {
  const given = Object.entries(query).filter((pair): pair is [string, string] => pair[1] !== undefined);
  return given.length === 0 ? '' : `?${new URLSearchParams(given).toString()}`;
}

export function selectionQuery({ labelSelector, fieldSelector }: Selection): Query {
  return { labelSelector, fieldSelector };
}

/** What objects are asked for: whole, or their metadata alone. */
export function acceptOf({ isMetadataOnly }: Selection, form: 'list' | 'watch'): string {
  if (isMetadataOnly !== true) return 'application/json';
  const kind = form === 'list' ? 'PartialObjectMetadataList' : 'PartialObjectMetadata';
  return `application/json;as=${kind};g=meta.k8s.io;v=v1`;
}

function checked(name: string): string {
  if (NAME.test(name) && !name.includes('..')) return encodeURIComponent(name);
  throw new GatehouseError(
    'BAD_REQUEST',
    `${JSON.stringify(name.slice(0, 100))} is not the name of a Kubernetes object`,
  );
}
