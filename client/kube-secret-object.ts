// Objects of the Kubernetes API as far as an agent's state needs them, read out of answers that are checked piece by
// piece: a Secret, the controller of a pod, and who a ServiceAccount's token says it is.

export interface OwnerReference {
  readonly apiVersion: string;
  readonly kind: string;
  readonly name: string;
  readonly uid: string;
}

export interface KubeSecret {
  readonly name: string;
  /** Undefined before it was stored. */
  readonly resourceVersion?: string | undefined;
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
  readonly finalizers: readonly string[];
  readonly owners: readonly OwnerReference[];
  /** Base64, as the API has it. Holds private keys: never for a log. */
  readonly data: Readonly<Record<string, string>>;
}

/** Whom the token of a ServiceAccount was made for. */
export interface TokenSubject {
  readonly podName: string;
  readonly podUid: string;
}

/** Undefined when it is no Secret as the API server answers it. */
export function parseSecret(value: unknown): KubeSecret | undefined {
  const metadata = fieldOf(value, 'metadata');
  const [name, resourceVersion] = [fieldOf(metadata, 'name'), fieldOf(metadata, 'resourceVersion')];
  if (fieldOf(value, 'kind') !== 'Secret' || !isText(name) || !isText(resourceVersion)) return undefined;
  return {
    name,
    resourceVersion,
    labels: textsOf(fieldOf(metadata, 'labels')),
    annotations: textsOf(fieldOf(metadata, 'annotations')),
    finalizers: listOf(fieldOf(metadata, 'finalizers')).filter(isText),
    owners: listOf(fieldOf(metadata, 'ownerReferences'))
      .map(parseOwner)
      .filter((owner) => owner !== undefined),
    data: textsOf(fieldOf(value, 'data')),
  };
}

/** The Secret as POST and PUT take it. */
export function formatSecret(secret: KubeSecret, namespace: string): object {
  const { name, resourceVersion, labels, annotations, finalizers, owners, data } = secret;
  return {
    apiVersion: 'v1',
    kind: 'Secret',
    type: 'Opaque',
    metadata: {
      name,
      namespace,
      labels,
      ...(resourceVersion === undefined ? {} : { resourceVersion }),
      ...(Object.keys(annotations).length === 0 ? {} : { annotations }),
      ...(finalizers.length === 0 ? {} : { finalizers }),
      ...(owners.length === 0 ? {} : { ownerReferences: owners }),
    },
    data,
  };
}

/** The uid of a pod, and what controls it; undefined when it is no pod. */
export function parsePod(
  value: unknown,
): { readonly uid: string; readonly controller: OwnerReference | undefined } | undefined {
  const metadata = fieldOf(value, 'metadata');
  const uid = fieldOf(metadata, 'uid');
  if (fieldOf(value, 'kind') !== 'Pod' || !isText(uid)) return undefined;
  const references = listOf(fieldOf(metadata, 'ownerReferences'));
  const controller = references.find((reference) => fieldOf(reference, 'controller') === true);
  return { uid, controller: parseOwner(controller) };
}

/**
 * The pod that a projected token is bound to; undefined for a token that is bound to none. Its signature is the API
 * server's business: this only tells a process which pod it runs in.
 */
export function readSubject(token: string): TokenSubject | undefined {
  const payload = parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString('utf8'));
  const pod = fieldOf(fieldOf(payload, 'kubernetes.io'), 'pod');
  const [podName, podUid] = [fieldOf(pod, 'name'), fieldOf(pod, 'uid')];
  return isText(podName) && isText(podUid) ? { podName, podUid } : undefined;
}

/** The message of a Status, in one line and short; undefined when it is none. */
export function parseStatus(value: unknown): string | undefined {
  const message = fieldOf(value, 'message');
  if (fieldOf(value, 'kind') !== 'Status' || !isText(message)) return undefined;
  return message.replace(/\s+/g, ' ').slice(0, 300);
}

function parseOwner(value: unknown): OwnerReference | undefined {
  const apiVersion = fieldOf(value, 'apiVersion');
  const kind = fieldOf(value, 'kind');
  const name = fieldOf(value, 'name');
  const uid = fieldOf(value, 'uid');
  if (!isText(apiVersion) || !isText(kind) || !isText(name) || !isText(uid)) return undefined;
  const extra = ['controller', 'blockOwnerDeletion'].filter((flag) => fieldOf(value, flag) === true);
  return { apiVersion, kind, name, uid, ...Object.fromEntries(extra.map((flag) => [flag, true])) };
}

/** Own fields only, and undefined of anything that has none. */
function fieldOf(value: unknown, name: string): unknown {
  if (typeof value !== 'object' || value === null || !Object.hasOwn(value, name)) return undefined;
  return (value as Record<string, unknown>)[name];
}

const isText = (value: unknown): value is string => typeof value === 'string' && value !== '';

const listOf = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : []);

function textsOf(value: unknown): Record<string, string> {
  if (typeof value !== 'object' || value === null) return {};
  return Object.fromEntries(
    Object.entries(value).filter(
      (entry): entry is [string, string] => entry[0] !== '__proto__' && typeof entry[1] === 'string',
    ),
  );
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}
