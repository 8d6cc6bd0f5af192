// For tests of kinds: problems as lines of text, a reader over a list, and the example beside a kind.
import { readFileSync } from 'node:fs';
import { checkResource, type Kind, type Reader } from '#core/kind.ts';
import type { Resource } from '#core/resource.ts';
import { formatProblem } from '#core/schema/check.ts';
import { parseDocuments } from '#kinds/documents.ts';

/** "path: what is wrong", in order; empty when the document is valid. */
export function problemsOf(kind: Kind, document: unknown): string[] {
  const result = checkResource(kind, document);
  return result.ok ? [] : result.problems.map(formatProblem);
}

export function writeProblemsOf(kind: Kind, resource: Resource, stored: readonly Resource[]): string[] {
  return (kind.checkWrite?.(resource, readerOf(stored)) ?? []).map(formatProblem);
}

export function readerOf(resources: readonly Resource[]): Reader {
  return {
    get: (kind, name) =>
      resources.find((resource) => resource.kind === kind && resource.metadata.name === name),
    list: (kind) => resources.filter((resource) => resource.kind === kind),
  };
}

/** The resources of `kinds/<folder>/example.yaml`. */
export function exampleOf(folder: string, kind: Kind): Resource[] {
  const file = new URL(`../../kinds/${folder}/example.yaml`, import.meta.url);
  return parseDocuments(readFileSync(file, 'utf8'), { kinds: [kind], source: 'example.yaml' });
}
