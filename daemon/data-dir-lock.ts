// One daemon per data directory: two would fight over one identity, one audit chain and one store. The lock is one of
// the kernel, on a file, so that it ends with its process however that ends, and holds between containers that share
// the directory, where a process id means somebody else. A second file says who has it, for people only. SQLite takes
// the lock, because Node itself cannot lock files.
import { closeSync, constants, lstatSync, openSync } from 'node:fs';
import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { GatehouseError } from '#core/errors/error.ts';

export interface DataDirLock {
  /** Safe to call twice. */
  release(): Promise<void>;
}

/** Stays; empty. */
export const LOCK_FILE = '.daemon.lock';
/** The process id of the holder; gone after a clean end. */
export const HOLDER_FILE = 'daemon.lock';
/** https://sqlite.org/rescode.html#busy */
const BUSY = 5;

/** UNAVAILABLE when another live process has the directory, with its id; STORAGE_FAILED when the disk fails. */
export async function lockDataDir(dataDir: string): Promise<DataDirLock> {
  const path = join(dataDir, LOCK_FILE);
  const holder = join(dataDir, HOLDER_FILE);
  let file: DatabaseSync | undefined;
  try {
    makeFile(path);
    file = new DatabaseSync(path, { timeout: 0, allowExtension: false });
    // Held until the connection is closed; nothing is ever written.
    file.exec('BEGIN EXCLUSIVE');
    await rm(holder, { force: true });
    await writeFile(holder, `${process.pid}\n`, { mode: 0o600, flag: 'wx' });
  } catch (error) {
    file?.close();
    if (isBusy(error)) throw await inUse(dataDir, path, holder);
    const { code = (error as Error).message } = error as NodeJS.ErrnoException;
    throw new GatehouseError('STORAGE_FAILED', `the data directory ${dataDir} cannot be used (${code})`, {
      cause: error,
    });
  }
  const held = file;
  return {
    async release() {
      if (!held.isOpen) return;
      await rm(holder, { force: true });
      if (held.isOpen) held.close();
    },
  };
}

/** An existing file is not opened but by SQLite: closing it again would end a lock that this process has on it. */
function makeFile(path: string): void {
  const found = lstatSync(path, { throwIfNoEntry: false });
  if (found?.isFile() === true) return;
  const { O_CREAT, O_EXCL, O_RDWR } = constants;
  closeSync(openSync(path, O_CREAT | O_EXCL | O_RDWR, 0o600));
}

function isBusy(error: unknown): boolean {
  const code = (error as { errcode?: unknown }).errcode;
  return typeof code === 'number' && (code & 0xff) === BUSY;
}

/** Who it is was written by the holder, perhaps in a container with ids of its own: a hint, no proof. */
async function inUse(dataDir: string, path: string, holder: string): Promise<GatehouseError> {
  const words = await readFile(holder, 'utf8').catch(() => '');
  const pid = /^(\d{1,10})\n?$/.exec(words)?.[1];
  const by = pid === undefined ? 'another process' : `process ${pid}`;
  return new GatehouseError(
    'UNAVAILABLE',
    `the data directory ${dataDir} is in use by ${by} (\`fuser ${path}\` finds it); stop it first, or choose another one with --data-dir`,
    { details: { remedy: '' } },
  );
}
