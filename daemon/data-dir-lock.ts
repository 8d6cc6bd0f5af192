// One daemon per data directory: two would fight over one identity, one audit chain and one store. A file names the
// holder; one that no longer runs (crash, kill -9, reboot) is recognised, so nobody has to clean up.
import { randomUUID } from 'node:crypto';
import { link, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { GatehouseError } from '#core/errors/error.ts';
import { formatProcessId, isRunning, parseProcessId, thisProcess } from './process-id.ts';

export interface DataDirLock {
  release(): Promise<void>;
}

export const LOCK_FILE = 'daemon.lock';
const ATTEMPTS = 5;

/** UNAVAILABLE when another live process has the directory, with its id; STORAGE_FAILED when the disk fails. */
export async function lockDataDir(dataDir: string): Promise<DataDirLock> {
  const path = join(dataDir, LOCK_FILE);
  const mine = formatProcessId(thisProcess());
  const claim = `${path}.${randomUUID()}`;
  try {
    await writeFile(claim, mine, { mode: 0o600 });
    for (let attempt = 1; !(await tryLink(claim, path)); attempt++) {
      const held = await readFile(path, 'utf8').catch(() => '');
      const holder = parseProcessId(held);
      const isHeld = holder !== undefined && isRunning(holder);
      if (isHeld || attempt === ATTEMPTS) throw inUse(dataDir, holder?.pid);
      await setAside(path, held);
    }
  } catch (cause) {
    if (cause instanceof GatehouseError) throw cause;
    const { code = 'unknown error' } = cause as NodeJS.ErrnoException;
    throw new GatehouseError('STORAGE_FAILED', `the data directory ${dataDir} cannot be used (${code})`, {
      cause,
    });
  } finally {
    await rm(claim, { force: true });
  }
  return {
    async release() {
      const held = await readFile(path, 'utf8').catch(() => '');
      if (held === mine) await rm(path, { force: true });
    },
  };
}

/** A hard link is made by one process only, and the file behind it is complete from the start. */
async function tryLink(from: string, to: string): Promise<boolean> {
  try {
    await link(from, to);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  }
}

/** Removes the stale lock, unless another starter was faster and it is a new one by now. */
async function setAside(path: string, stale: string): Promise<void> {
  const aside = `${path}.${randomUUID()}`;
  try {
    await rename(path, aside);
  } catch {
    return;
  }
  const moved = await readFile(aside, 'utf8').catch(() => stale);
  if (moved !== stale) await tryLink(aside, path);
  await rm(aside, { force: true });
}

function inUse(dataDir: string, pid: number | undefined): GatehouseError {
  const by = pid === undefined ? 'another process' : `process ${pid}`;
  return new GatehouseError(
    'UNAVAILABLE',
    `the data directory ${dataDir} is in use by ${by}; stop it first, or choose another one with --data-dir`,
  );
}
