// Brings one object to what it should be with as few calls as possible: none when it is there as it was rendered. Never
// takes over an object that somebody else made.
import { GatehouseError, isCode } from '#core/errors/error.ts';
import type { Kube, KubeObject, ObjectKey, ObjectType } from '../kube/kube.ts';
import { keyOf } from '../kube/object-types.ts';
import { MANAGER, RENDERED_ANNOTATION } from './names.ts';
import { digestOf } from './resources/revision.ts';

export interface ApplyOptions {
  readonly kube: Kube;
  readonly type: ObjectType;
  /** What was seen of it, which may be old; `unknown`: it has to be asked for. */
  readonly seen: KubeObject | 'unknown' | undefined;
  /** Of the GatehouseCluster. */
  readonly ownerUid: string;
  readonly signal?: AbortSignal;
}

/** The object as it is afterwards. ALREADY_EXISTS when one of this name is not ours; else the errors of Kube. */
export async function bringAbout(object: KubeObject, options: ApplyOptions): Promise<KubeObject> {
  const { kube, type, ownerUid } = options;
  const rendered = withDigest(object);
  // An object that is not in the informers' copy may be one that does not carry our labels.
  const existing =
    options.seen === undefined || options.seen === 'unknown'
      ? await find(kube, type, keyOf(object), options.signal)
      : options.seen;
  if (existing !== undefined && !isOurs(existing, type, ownerUid)) throw notOurs(type, existing);
  if (existing !== undefined && covers(existing, rendered)) return existing;
  return kube.apply(rendered, {
    force: true,
    ...(options.signal === undefined ? {} : { signal: options.signal }),
  });
}

/** Undefined when there is none. */
export async function find(
  kube: Kube,
  type: ObjectType,
  key: ObjectKey,
  signal?: AbortSignal,
): Promise<KubeObject | undefined> {
  try {
    return await kube.get(type, key, signal);
  } catch (error) {
    if (isCode(error, 'NOT_FOUND')) return undefined;
    throw error;
  }
}

/** Objects without a namespace can have no owner in one: there the label and the name, which is ours alone, decide. */
export function isOurs({ metadata }: KubeObject, type: ObjectType, ownerUid: string): boolean {
  if (!type.isNamespaced) return metadata.labels?.['app.kubernetes.io/managed-by'] === MANAGER;
  return (metadata.ownerReferences ?? []).some(({ uid }) => uid === ownerUid);
}

function notOurs({ kind }: ObjectType, { metadata }: KubeObject): GatehouseError {
  return new GatehouseError(
    'ALREADY_EXISTS',
    `the ${kind} "${metadata.name}" exists and does not belong to this GatehouseCluster; remove it, or use another name`,
  );
}

function withDigest(object: KubeObject): KubeObject {
  const annotations = { ...object.metadata.annotations, [RENDERED_ANNOTATION]: digestOf(object) };
  return { ...object, metadata: { ...object.metadata, annotations } };
}

/** Whether `live` has everything of `wanted`; what defaults and other writers added does not count. */
export function covers(live: unknown, wanted: unknown): boolean {
  if (Array.isArray(wanted)) {
    if (!Array.isArray(live) || live.length !== wanted.length) return false;
    // The API server keeps lists that it merges by a key in an order of its own.
    return wanted.every((item, index) =>
      isObject(item) ? live.some((other) => covers(other, item)) : covers(live[index], item),
    );
  }
  if (isObject(wanted)) {
    if (!isObject(live)) return false;
    return Object.entries(wanted).every(([key, value]) => {
      if (value === undefined || covers(live[key], value)) return true;
      // The API server leaves out what is empty.
      return live[key] === undefined && isEmpty(value);
    });
  }
  return live === wanted;
}

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const isEmpty = (value: unknown): boolean =>
  value === false ||
  value === '' ||
  (typeof value === 'object' && value !== null && Object.keys(value).length === 0);
