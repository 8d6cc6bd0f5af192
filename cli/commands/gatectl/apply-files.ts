// The files of `gatectl apply`: found, read, checked together, and labelled as one set.
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { GatehouseError } from '#core/errors/error.ts';
import type { Resource } from '#core/resource.ts';
import { KINDS } from '#kinds/all.ts';
import { parseDocuments } from '#kinds/documents.ts';
import { usage } from '../../arguments.ts';
import { readInput } from '../../input.ts';
import type { Io } from '../../io.ts';
import { cannot } from '../../private-files.ts';
import { MAX_DOCUMENTS } from './create.ts';

export const SET_LABEL = 'gatehouse.dev/apply-set';

const RESOURCE_FILE = /\.(?:ya?ml|json)$/i;
const MAX_DEPTH = 16;

/**
 * The resources of all paths. INVALID_RESOURCE names file, document and line; BAD_REQUEST when two files hold the same
 * resource or there is none.
 */
export async function readSources(io: Io, paths: readonly string[], recursive: boolean): Promise<Resource[]> {
  const found = new Map<string, { source: string; resource: Resource }>();
  for (const path of paths) {
    for (const file of path === '-' ? ['-'] : await filesOf(path, recursive)) {
      const { text, source } = await readInput(io, file);
      for (const resource of parseDocuments(text, { kinds: KINDS, source })) {
        const title = `${resource.kind}/${resource.metadata.name}`;
        const other = found.get(title);
        if (other !== undefined) {
          throw new GatehouseError(
            'BAD_REQUEST',
            `${title} is in ${other.source} and in ${source}; nothing was applied`,
          );
        }
        found.set(title, { source, resource });
      }
    }
  }
  if (found.size === 0)
    throw new GatehouseError('BAD_REQUEST', `there is no resource in ${paths.join(', ')}`);
  if (found.size > MAX_DOCUMENTS) {
    throw new GatehouseError(
      'TOO_LARGE',
      `there are ${found.size} resources, and one call takes ${MAX_DOCUMENTS}`,
      {
        details: { remedy: 'Apply the files in parts; each part is applied as a whole.' },
      },
    );
  }
  return [...found.values()].map(({ resource }) => resource);
}

/** In the order of names, so that the same folder gives the same call. Hidden files are passed over. */
async function filesOf(path: string, recursive: boolean, depth = 0): Promise<string[]> {
  const found = await stat(path).catch((cause: unknown) => {
    throw cannot('read', path, cause);
  });
  if (!found.isDirectory()) return [path];
  const entries = await readdir(path, { withFileTypes: true }).catch((cause: unknown) => {
    throw cannot('read', path, cause);
  });
  const files: string[] = [];
  for (const entry of entries.sort((one, other) => (one.name < other.name ? -1 : 1))) {
    if (entry.name.startsWith('.')) continue;
    const inside = join(path, entry.name);
    if (entry.isDirectory()) {
      if (recursive && depth < MAX_DEPTH) files.push(...(await filesOf(inside, recursive, depth + 1)));
    } else if (RESOURCE_FILE.test(entry.name)) files.push(inside);
  }
  return files;
}

/** USAGE when it cannot be the value of a label that people select by. */
export function requireSetName(name: string): void {
  if (/^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/.test(name)) return;
  throw usage('--set: must be 1 to 63 letters, digits and . _ -');
}

export function labelled(resources: readonly Resource[], set: string): Resource[] {
  return resources.map((resource) => ({
    ...resource,
    metadata: { ...resource.metadata, labels: { ...resource.metadata.labels, [SET_LABEL]: set } },
  }));
}
