// An online copy of a store into a new database file: items page by page while writes go on, then the changes made
// meanwhile, which brings the copy to one revision. Works from reads and the watch only, because SQLite's own backup
// fails when the connection it copies from is in the middle of a write.
import { randomBytes } from 'node:crypto';
import { closeSync, existsSync, linkSync, openSync, renameSync, rmSync, statSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { dirname } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { GatehouseError } from '#core/errors/error.ts';
import {
  compareRevisions,
  type Backend,
  type BackupInfo,
  type Revision,
  type StoredItem,
} from '../backend.ts';
import { toStorageError } from './errors.ts';
import { errnoOf, syncFolder, toFileError } from './files.ts';
import { createTables, markAsBackup } from './schema.ts';

/** Items copied in one go; between them the event loop, and so writers, have their turn. */
const ITEMS_AT_ONCE = 250;

/** Copies to a new file; ALREADY_EXISTS, STORAGE_FULL or STORAGE_FAILED leave nothing behind. */
export async function backUp(source: Pick<Backend, 'range' | 'watch'>, path: string): Promise<BackupInfo> {
  requireAbsent(path);
  const partial = `${path}.${randomBytes(6).toString('hex')}.partial`;
  try {
    closeSync(openSync(partial, 'wx', 0o600));
    const revision = await copyInto(partial, source);
    const file = await open(partial, 'r+');
    await file.sync().finally(() => file.close());
    publish(partial, path);
    syncFolder(dirname(path));
    return { path, bytes: statSync(path).size, revision };
  } catch (error) {
    throw toBackupError(error, path);
  } finally {
    rmSync(partial, { force: true });
  }
}

async function copyInto(partial: string, source: Pick<Backend, 'range' | 'watch'>): Promise<Revision> {
  const db = new DatabaseSync(partial);
  try {
    // The file counts only once it is complete and flushed, so that the way there needs no journal on disk.
    db.exec('PRAGMA journal_mode = MEMORY; PRAGMA synchronous = OFF; BEGIN');
    createTables(db);
    const copy = prepareCopy(db);
    const { first, last } = await copyItems(source, copy);
    const revision = first === last ? last : await copyChanges(source, copy, first, last);
    markAsBackup(db, Number(revision));
    db.exec('COMMIT');
    return revision;
  } finally {
    db.close();
  }
}

interface Copy {
  put(item: StoredItem): void;
  delete(key: string): void;
}

function prepareCopy(db: DatabaseSync): Copy {
  const put = db.prepare(
    'INSERT INTO items (key, value, expires, revision) VALUES (?, ?, ?, ?) ON CONFLICT (key) DO UPDATE ' +
      'SET value = excluded.value, expires = excluded.expires, revision = excluded.revision',
  );
  const remove = db.prepare('DELETE FROM items WHERE key = ?');
  return {
    put: (item) => void put.run(item.key, item.value, item.expires ?? null, Number(item.revision)),
    delete: (key) => void remove.run(key),
  };
}

/** Returns the revisions that the first and the last page were read at. */
async function copyItems(
  source: Pick<Backend, 'range'>,
  copy: Copy,
): Promise<{ readonly first: Revision; readonly last: Revision }> {
  let first: Revision | undefined;
  let after: string | undefined;
  for (;;) {
    const page = await source.range({ prefix: '', after, limit: ITEMS_AT_ONCE });
    for (const item of page.items) copy.put(item);
    first ??= page.revision;
    after = page.next;
    if (after === undefined) return { first, last: page.revision };
    await new Promise((resolve) => setImmediate(resolve));
  }
}

/** Replays all since the first page, up to the revision of the last, whichever of it a page had seen already. */
async function copyChanges(
  source: Pick<Backend, 'watch'>,
  copy: Copy,
  from: Revision,
  to: Revision,
): Promise<Revision> {
  const { signal } = new AbortController();
  for await (const batch of source.watch({ prefixes: [''], from, signal })) {
    for (const event of batch.events) {
      if (event.type === 'put') copy.put(event.item);
      else copy.delete(event.key);
    }
    if (compareRevisions(batch.revision, to) >= 0) return batch.revision;
  }
  throw new GatehouseError('UNAVAILABLE', 'the store was closed before the backup was complete');
}

/** Gives the copy its name in one step, never over another file. */
function publish(partial: string, path: string): void {
  try {
    linkSync(partial, path);
  } catch (error) {
    if (!['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EMLINK'].includes(errnoOf(error))) throw error;
    // A file system without hard links.
    requireAbsent(path);
    renameSync(partial, path);
  }
}

function requireAbsent(path: string): void {
  if (existsSync(path)) throw alreadyExists(path);
}

function toBackupError(error: unknown, path: string): GatehouseError {
  if (error instanceof Error && 'errcode' in error) return toStorageError(error, path);
  return errnoOf(error) === 'EEXIST' ? alreadyExists(path) : toFileError(error, path);
}

function alreadyExists(path: string): GatehouseError {
  return new GatehouseError(
    'ALREADY_EXISTS',
    `${path} exists; a backup never overwrites, name another file`,
    {
      details: { path },
    },
  );
}
