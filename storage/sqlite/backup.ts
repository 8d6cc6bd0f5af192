// An online copy of the database, page by page while writes go on. Separate from open.ts because what makes a copy a
// good backup (complete, private, durable, never over another file) is its own matter.
import { randomBytes } from 'node:crypto';
import { closeSync, existsSync, linkSync, openSync, renameSync, rmSync, statSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { dirname } from 'node:path';
import { backup, DatabaseSync } from 'node:sqlite';
import { GatehouseError } from '#core/errors/error.ts';
import type { BackupInfo } from '../backend.ts';
import { errnoOf, syncFolder, toFileError } from './files.ts';
import { toStorageError } from './errors.ts';
import { readPosition, writeMeta } from './schema.ts';

/** Pages copied per step; between steps writers go on. */
const PAGES_AT_ONCE = 256;

/** Copies `db` to a new file; ALREADY_EXISTS, STORAGE_FULL or STORAGE_FAILED leave nothing behind. */
export async function backUp(db: DatabaseSync, path: string): Promise<BackupInfo> {
  requireAbsent(path);
  const partial = `${path}.${randomBytes(6).toString('hex')}.partial`;
  try {
    closeSync(openSync(partial, 'wx', 0o600));
    await backup(db, partial, { rate: PAGES_AT_ONCE });
    const revision = finish(partial);
    const file = await open(partial, 'r+');
    await file.sync().finally(() => file.close());
    publish(partial, path);
    syncFolder(dirname(path));
    return { path, bytes: statSync(path).size, revision: String(revision) };
  } catch (error) {
    throw toBackupError(error, path);
  } finally {
    for (const end of ['', '-journal', '-wal', '-shm']) rmSync(partial + end, { force: true });
  }
}

/** Makes the copy one self-contained file that knows it is a copy; returns its revision. */
function finish(partial: string): number {
  const copy = new DatabaseSync(partial);
  try {
    copy.exec('PRAGMA journal_mode = DELETE');
    writeMeta(copy, 'home', 'backup');
    return readPosition(copy).revision;
  } finally {
    copy.close();
  }
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
  if (error instanceof GatehouseError) return error;
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
