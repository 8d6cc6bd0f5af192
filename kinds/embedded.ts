// A resource inside another: presence carries the whole document of what is served.
import { checkResource, type Kind } from '#core/kind.ts';
import { metadataSchema, type Resource } from '#core/resource.ts';
import type { Problem } from '#core/schema/check.ts';
import * as s from '#core/schema/schema.ts';

/** The schema of a whole resource of `kind`, as a field. The rules of the kind itself are `embeddedProblems`. */
export function embedded<S>(kind: Kind<S>): s.Schema<Resource<S>> {
  return s.object({
    kind: s.withDefault(s.enumOf([kind.name]), kind.name),
    version: s.withDefault(s.enumOf(kind.versions), kind.defaultVersion),
    metadata: metadataSchema,
    spec: kind.spec,
  }) as s.Schema<Resource<S>>;
}

/** What is wrong with the resource beyond its schema, at `path`. */
export function embeddedProblems<S>(
  kind: Kind<S>,
  resource: Resource<S>,
  path: readonly string[],
): readonly Problem[] {
  const result = checkResource(kind, resource);
  if (result.ok) return [];
  return result.problems.map((problem) => ({ ...problem, path: [...path, ...problem.path] }));
}

/** The resource in the one form of its kind; as it is when it breaks a rule, which `embeddedProblems` tells. */
export function normalEmbedded<S>(kind: Kind<S>, resource: Resource<S>): Resource<S> {
  const result = checkResource(kind, resource);
  return result.ok ? result.value : resource;
}
