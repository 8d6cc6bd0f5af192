// A custom resource that stands for a resource of the cluster, read: what it says about the resource, and what about
// itself. Pure; whatever the object holds, the worst that comes of it is a problem with a path.
import type { Kind } from '#core/kind.ts';
import { formatPath, isPlainObject, type Path, type Problem } from '#core/schema/check.ts';
import type { KubeObject } from '../kube/kube.ts';
import { ADOPT_ANNOTATION, DESCRIPTION_ANNOTATION, PAUSED_ANNOTATION } from './names.ts';
import { findSecretRefs, readRef, type SecretRef } from './secret-refs.ts';

export interface Envelope {
  /** The GatehouseCluster it names; undefined: the only one of its namespace. */
  readonly clusterName: string | undefined;
  readonly isRetained: boolean;
  readonly isPaused: boolean;
  readonly isAdopting: boolean;
  /** As `gatectl create` takes it, but for the secrets. */
  readonly document: Readonly<Record<string, unknown>>;
  readonly secretRefs: readonly SecretRef[];
  readonly problems: readonly Problem[];
}

const NAME_PATH: Path = ['metadata', 'name'];

export function readEnvelope(kind: Kind, object: KubeObject): Envelope {
  const { annotations = {} } = object.metadata;
  const { refs, problems } = findSecretRefs(kind.spec, object['spec'], ['spec']);
  const nameFrom = object['nameFrom'];
  const nameRef = readRef(nameFrom, NAME_PATH);
  const clusterRef = object['clusterRef'];
  const clusterName = isPlainObject(clusterRef) ? clusterRef['name'] : undefined;
  return {
    clusterName: typeof clusterName === 'string' ? clusterName : undefined,
    isRetained: object['deletionPolicy'] === 'Retain',
    isPaused: annotations[PAUSED_ANNOTATION] === 'true',
    isAdopting: annotations[ADOPT_ANNOTATION] === 'true',
    document: documentOf(kind, object),
    secretRefs: nameRef === undefined ? refs : [nameRef, ...refs],
    problems:
      nameFrom === undefined || nameRef !== undefined
        ? problems
        : [{ path: NAME_PATH, message: 'must be {secretKeyRef: {name, key}}' }, ...problems],
  };
}

function documentOf(kind: Kind, object: KubeObject): Readonly<Record<string, unknown>> {
  const { name, labels = {}, annotations = {} } = object.metadata;
  const { version, subKind, expires, resourceName, spec } = object;
  const own = Object.fromEntries(Object.entries(labels).filter(([key]) => !key.includes('/')));
  const description = annotations[DESCRIPTION_ANNOTATION];
  return {
    kind: kind.name,
    version: version ?? kind.defaultVersion,
    ...(subKind === undefined ? {} : { sub_kind: subKind }),
    metadata: {
      name: kind.singleton ?? resourceName ?? name,
      labels: own,
      ...(description === undefined ? {} : { description }),
      ...(expires === undefined ? {} : { expires }),
    },
    spec: spec ?? {},
  };
}

/** What is wrong, one problem a line, with paths as they are in the custom resource; the values of secrets stay out. */
export function problemLines(
  problems: readonly Problem[],
  { secretRefs }: Pick<Envelope, 'secretRefs'>,
): readonly string[] {
  return problems.map(({ path, message }) => {
    const ref = secretRefs.find((one) => one.path.every((part, index) => part === path[index]));
    if (ref === undefined) return `${pathText(path)}: ${message}`;
    return `${pathText(path, true)}: the value of key "${ref.key}" of the Secret "${ref.name}" does not fit`;
  });
}

const IN_OBJECT: Readonly<Record<string, string>> = {
  version: 'version',
  sub_kind: 'subKind',
  'metadata.expires': 'expires',
  'metadata.description': `metadata.annotations["${DESCRIPTION_ANNOTATION}"]`,
};

function pathText(path: Path, isSecret = false): string {
  const text = formatPath(path);
  if (text === 'metadata.name') return isSecret ? 'nameFrom' : 'resourceName';
  return IN_OBJECT[text] ?? text;
}
