// The files around a database: folders and modes, and making names durable.
// Never opens an existing database file: closing any descriptor of it would drop this process's POSIX lock on it.
import {
  chmodSync,
  closeSync,
  fsyncSync,
  lstatSync,
  mkdirSync,
  openSync,
  readSync,
  type BigIntStats,
} from 'node:fs';
import { dirname } from 'node:path';
import { GatehouseError } from '#core/errors/error.ts';

/**
 * Makes the folder (0700) and an empty file (0600) where missing, and tightens the mode of an existing file.
 * INVALID_CONFIG when something else has the name, STORAGE_FAILED for a symbolic link: it could lead root anywhere.
 */
export function prepareFile(path: string): void {
  try {
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
    const stats = statOf(path);
    if (stats?.isSymbolicLink() === true) {
      throw new GatehouseError('STORAGE_FAILED', `${path} is a symbolic link; name the file itself`);
    }
    if (stats === undefined) closeSync(openSync(path, 'wx', 0o600));
    else if (!stats.isFile()) throw new GatehouseError('INVALID_CONFIG', `${path} is not a regular file`);
    else if ((stats.mode & 0o077n) !== 0n) chmodSync(path, 0o600);
    syncFolder(dirname(path));
  } catch (error) {
    throw toFileError(error, path);
  }
}

/** Changes when the file is copied or restored, not when it is opened again. */
export function fileIdentity(path: string): string {
  return String(statOf(path)?.ino ?? '');
}

/** The journal next to a database that SQLite would apply to it, if there is one with anything in it. */
export function journalNextTo(path: string): string | undefined {
  return [`${path}-wal`, `${path}-journal`].find((journal) => {
    const stats = statOf(journal);
    return stats !== undefined && stats.isFile() && startsWithData(journal);
  });
}

/** A journal that was used up may stay, empty or with zeros in place of its header. */
function startsWithData(path: string): boolean {
  const descriptor = openSync(path, 'r');
  try {
    const header = new Uint8Array(8);
    readSync(descriptor, header);
    return header.some((byte) => byte !== 0);
  } finally {
    closeSync(descriptor);
  }
}

/** Makes creations and renames in a folder survive a power loss. */
export function syncFolder(folder: string): void {
  const descriptor = openSync(folder, 'r');
  try {
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}

export function toFileError(error: unknown, path: string): GatehouseError {
  if (error instanceof GatehouseError) return error;
  const code = errnoOf(error);
  const options = { cause: error, details: { path } };
  if (code === 'ENOSPC' || code === 'EDQUOT') {
    return new GatehouseError('STORAGE_FULL', `no space is left for ${path}`, options);
  }
  return new GatehouseError(
    'STORAGE_FAILED',
    `${path} cannot be used (${code}); check owner, mode and mount`,
    options,
  );
}

export function errnoOf(error: unknown): string {
  return error instanceof Error && 'code' in error && typeof error.code === 'string'
    ? error.code
    : 'unknown reason';
}

function statOf(path: string): BigIntStats | undefined {
  return lstatSync(path, { bigint: true, throwIfNoEntry: false });
}
