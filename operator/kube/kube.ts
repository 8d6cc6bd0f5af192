// What the operator needs of a Kubernetes API server. The contract between the operator's rooms and operator/kube, where
// it is spoken; tests of reconcilers use a real API server or operator/kube's own fake, held by one conformance suite.
import type { Secret } from '#core/secret.ts';

/** Any object; what is in it is the business of who reads it. */
export interface KubeObject {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: ObjectMeta;
  readonly [field: string]: unknown;
}

export interface ObjectMeta {
  readonly name: string;
  readonly namespace?: string;
  readonly uid?: string;
  readonly resourceVersion?: string;
  readonly generation?: number;
  readonly creationTimestamp?: string;
  readonly deletionTimestamp?: string;
  readonly finalizers?: readonly string[];
  readonly labels?: Readonly<Record<string, string>>;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly ownerReferences?: readonly OwnerReference[];
  readonly managedFields?: readonly unknown[];
}

export interface OwnerReference {
  readonly apiVersion: string;
  readonly kind: string;
  readonly name: string;
  readonly uid: string;
  readonly controller?: boolean;
  readonly blockOwnerDeletion?: boolean;
}

/** One type of object; `group` is empty for the core. */
export interface ObjectType {
  readonly group: string;
  readonly version: string;
  readonly kind: string;
  readonly plural: string;
  readonly isNamespaced: boolean;
}

export interface ObjectKey {
  /** Absent for objects without a namespace. */
  readonly namespace?: string | undefined;
  readonly name: string;
}

export interface Selection {
  /** Absent: all namespaces. */
  readonly namespace?: string | undefined;
  readonly labelSelector?: string | undefined;
  readonly fieldSelector?: string | undefined;
  /** Only apiVersion, kind and metadata of the objects: what is in them never reaches this process. */
  readonly isMetadataOnly?: boolean | undefined;
}

export interface ObjectList {
  readonly items: readonly KubeObject[];
  readonly resourceVersion: string;
}

export type WatchEvent =
  | { readonly type: 'ADDED' | 'MODIFIED' | 'DELETED'; readonly object: KubeObject }
  /** Nothing happened up to this version. */
  | { readonly type: 'BOOKMARK'; readonly resourceVersion: string };

/**
 * All calls reject with GatehouseError: NOT_FOUND, ALREADY_EXISTS, CONDITION_FAILED (409: another writer was first, or a
 * field belongs to another manager), INVALID_RESOURCE (422, with the server's message), ACCESS_DENIED (401, 403),
 * UNAVAILABLE (no answer, 5xx), LIMIT_EXCEEDED (429), REVISION_COMPACTED (410, of watches). Calls end by `signal`.
 */
export interface Kube {
  get(type: ObjectType, key: ObjectKey, signal?: AbortSignal): Promise<KubeObject>;
  /** All pages. */
  list(type: ObjectType, selection: Selection, signal?: AbortSignal): Promise<ObjectList>;
  /** Ends without an error when the server ends it, as servers do after minutes; go on from the last version seen. */
  watch(
    type: ObjectType,
    selection: Selection & { readonly resourceVersion: string },
    signal: AbortSignal,
  ): AsyncIterable<WatchEvent>;
  create(object: KubeObject, signal?: AbortSignal): Promise<KubeObject>;
  /** PUT; with `metadata.resourceVersion` it is a compare-and-swap. */
  replace(object: KubeObject, signal?: AbortSignal): Promise<KubeObject>;
  /** Server-side apply as the operator's field manager; `force` takes fields from other managers. */
  apply(object: KubeObject, options?: ApplyOptions): Promise<KubeObject>;
  /** Server-side apply of `{status}` to the status subresource. */
  applyStatus(object: KubeObject, options?: ApplyOptions): Promise<KubeObject>;
  /** JSON merge patch, for finalizers and annotations; with `metadata.resourceVersion` a compare-and-swap. */
  patch(type: ObjectType, key: ObjectKey, patch: Readonly<Record<string, unknown>>): Promise<KubeObject>;
  /** Resolves also when there is nothing; CONDITION_FAILED when `uid` is not the object's. */
  delete(type: ObjectType, key: ObjectKey, options?: DeleteOptions): Promise<void>;
  /** TokenRequest of `authentication.k8s.io/v1`: a token of the ServiceAccount for one audience. NOT_FOUND, ACCESS_DENIED. */
  requestToken(serviceAccount: ObjectKey, request: TokenRequest, signal?: AbortSignal): Promise<Secret>;
}

export interface TokenRequest {
  readonly audience: string;
  /** The API server gives at least ten minutes. */
  readonly lifeSeconds: number;
  /** The token ends with this pod of the same namespace, and its claims name it. */
  readonly podName?: string | undefined;
}

export interface ApplyOptions {
  /** Default `gatehouse-operator`. */
  readonly fieldManager?: string;
  readonly force?: boolean;
  readonly dryRun?: boolean;
  readonly signal?: AbortSignal;
}

export interface DeleteOptions {
  readonly uid?: string | undefined;
  readonly propagation?: 'Background' | 'Foreground' | 'Orphan';
}
