// `--apply-on-startup`: resources that are brought to what a file says at every start, before anybody is served. The same
// way as `gatectl apply`, as the local admin; what is so already is left alone.
import { readFile, stat } from 'node:fs/promises';
import { GatehouseError, isCode } from '#core/errors/error.ts';
import type { Resource } from '#core/resource.ts';
import { KINDS } from '#kinds/all.ts';
import { parseDocuments } from '#kinds/documents.ts';
import type { Caller } from '../guard/caller.ts';
import { ADMIN_NAME } from '../issue/admin.ts';
import { applyChanges, isAlwaysRefused } from '../routes/changes.ts';
import type { ServerContext } from '../routes/server-context.ts';

const MAX_FILE_BYTES = 8 * 1024 * 1024;
/** What agents and the auth service keep themselves is not for files. */
const ADMIN_KINDS = KINDS.filter((kind) => kind.audience === 'admin' && !isAlwaysRefused(kind));

/**
 * Creates or replaces all resources of the file, or none. INVALID_CONFIG when it cannot be read, INVALID_RESOURCE with
 * file and line of every problem, otherwise as applyChanges; messages begin with the path.
 */
export async function applyAtStart(context: ServerContext, path: string): Promise<void> {
  const documents = parseDocuments(await read(path), { kinds: ADMIN_KINDS, source: path }).map(
    withoutRevision,
  );
  const caller: Caller = {
    identity: { kind: 'admin', cluster: context.clusterName, name: ADMIN_NAME },
    address: '',
    requestId: 'apply-on-startup',
  };
  try {
    const results = await applyChanges(context, caller, {
      mode: 'replace',
      documents,
      remove: [],
      dryRun: false,
    });
    const changed = results.filter(({ action }) => action !== 'unchanged').length;
    context.log.info(
      { file: path, resources: results.length, changed },
      'the resources of the start are applied',
    );
  } catch (cause) {
    if (!isCode(cause)) throw cause;
    throw new GatehouseError(cause.code, `${path}: ${cause.message}`, { cause, details: cause.details });
  }
}

/** At most MAX_FILE_BYTES; a pipe would wait for ever, a device never end. */
async function read(path: string): Promise<string> {
  try {
    const found = await stat(path);
    if (!found.isFile())
      throw new GatehouseError('INVALID_CONFIG', `${path}, to apply at the start, is no file`);
    if (found.size > MAX_FILE_BYTES) throw new GatehouseError('TOO_LARGE', `${path} is too large to apply`);
    return await readFile(path, 'utf8');
  } catch (cause) {
    if (cause instanceof GatehouseError) throw cause;
    throw new GatehouseError('INVALID_CONFIG', `${path}, to apply at the start, cannot be read`, { cause });
  }
}

/** The revision is of the store that the file came from. */
function withoutRevision(resource: Resource): Resource {
  const { revision: _store, ...metadata } = resource.metadata;
  return { ...resource, metadata };
}
