// A resource of gatectl as the custom resource that stands for it: what a person would write who moves it.
import type { Resource } from '#core/resource.ts';
import type { KubeObject } from '#operator/kube/kube.ts';
import type { Mirror } from '#operator/crds/mirror.ts';

const OBJECT_NAME = /^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$/;

/** The object of `mirror` for `resource`; the name of a token that is a secret comes from the Secret `join-token`. */
export function asMirror(mirror: Mirror, resource: Resource): KubeObject {
  const { name, description, labels, expires } = resource.metadata;
  const fits = OBJECT_NAME.test(name);
  const spec = resource.spec as Readonly<Record<string, unknown>>;
  const isSecret = resource.kind === 'token' && (spec['join_method'] ?? 'token') === 'token';
  const ownName = fits ? name : name.toLowerCase().replaceAll(/[^a-z0-9]+/g, '-');
  const named = fits || mirror.kind.singleton !== undefined ? {} : { resourceName: name };
  return {
    apiVersion: `${mirror.type.group}/${mirror.type.version}`,
    kind: mirror.type.kind,
    metadata: {
      name: isSecret ? 'join-token' : ownName,
      ...(labels === undefined ? {} : { labels }),
      ...(description === undefined ? {} : { annotations: { 'gatehouse.dev/description': description } }),
    },
    version: resource.version,
    ...(expires === undefined ? {} : { expires }),
    ...(isSecret ? { nameFrom: { secretKeyRef: { name: 'join-token', key: 'token' } } } : named),
    spec,
  };
}
