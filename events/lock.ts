// One writer per folder: two processes that append to the same chain would fork it. The lock is one of the kernel, on a
// file, so that it ends with its process however that ends, and holds against other containers too, where a process id
// means somebody else. SQLite takes it, because Node itself cannot lock files.
import { lstatSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { GatehouseError } from '#core/errors/error.ts';
import { diskError, openFile } from './disk.ts';

/** Keep it until the end: a lock that nobody holds on to is released at some time. */
export interface FolderLock {
  /** Safe to call twice. */
  release(): void;
}

const FILE = '.lock';
/** https://sqlite.org/rescode.html#busy */
const BUSY = 5;

/**
 * Takes the folder for this process. UNAVAILABLE when another process, or another part of this one, has it. The file
 * stays, empty.
 */
export async function lockFolder(folder: string): Promise<FolderLock> {
  const path = join(folder, FILE);
  let file: DatabaseSync | undefined;
  try {
    await makeFile(path);
    file = new DatabaseSync(path, { timeout: 0, allowExtension: false });
    // Held until the connection is closed; nothing is ever written.
    file.exec('BEGIN EXCLUSIVE');
  } catch (error) {
    file?.close();
    if (isBusy(error)) {
      throw new GatehouseError(
        'UNAVAILABLE',
        `the audit folder ${folder} is being written by another process (\`fuser ${path}\` names it); stop it first`,
        { cause: error },
      );
    }
    throw diskError(`lock the folder ${folder}`, error);
  }
  const held = file;
  return {
    release() {
      if (held.isOpen) held.close();
    },
  };
}

/** An existing file is not opened but by SQLite: closing it again would end a lock that this process has on it. */
async function makeFile(path: string): Promise<void> {
  const found = lstatSync(path, { throwIfNoEntry: false });
  if (found === undefined) {
    const file = await openFile(path, 'make').catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'EEXIST') throw error;
    });
    await file?.close();
  } else if (!found.isFile()) {
    throw new GatehouseError('STORAGE_FAILED', `${path} is not a regular file; remove it`);
  }
}

function isBusy(error: unknown): boolean {
  return (
    error instanceof Error &&
    'errcode' in error &&
    typeof error.errcode === 'number' &&
    (error.errcode & 0xff) === BUSY
  );
}
