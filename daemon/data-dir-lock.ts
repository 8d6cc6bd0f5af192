// One daemon per data directory: two would fight over one identity, one audit chain and one store. A file names the
// holder; one that no longer runs (crash, kill -9, reboot) is recognised, so nobody has to clean up.
//
// Taking over from the dead is what races. Whoever wants to replace the words of a dead process first makes a marker
// that is named after those words; only one can, and it alone may replace them. A marker of a process that died over it
// is taken over in the same way, by a marker named after its words.
import { createHash, randomUUID } from 'node:crypto';
import { link, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { GatehouseError } from '#core/errors/error.ts';
import { formatProcessId, isRunning, parseProcessId, thisProcess } from './process-id.ts';

export interface DataDirLock {
  release(): Promise<void>;
}

export const LOCK_FILE = 'daemon.lock';
const MAX_DEAD = 100;
const ATTEMPTS = 20;

/** UNAVAILABLE when another live process has the directory, with its id; STORAGE_FAILED when the disk fails. */
export async function lockDataDir(dataDir: string): Promise<DataDirLock> {
  const path = join(dataDir, LOCK_FILE);
  // The claim makes two locks of one process differ.
  const mine = `${formatProcessId(thisProcess()).trimEnd()} ${randomUUID()}\n`;
  const draft = `${path}.${randomUUID()}`;
  try {
    await writeFile(draft, mine, { mode: 0o600 });
    for (let attempt = 1; !(await tryLink(draft, path)); attempt++) {
      if (await takeOver(path, draft, dataDir)) break;
      // The holder left just now.
      if (attempt === ATTEMPTS) throw inUse(dataDir, undefined);
    }
  } catch (cause) {
    if (cause instanceof GatehouseError) throw cause;
    const { code = 'unknown error' } = cause as NodeJS.ErrnoException;
    throw new GatehouseError('STORAGE_FAILED', `the data directory ${dataDir} cannot be used (${code})`, {
      cause,
    });
  } finally {
    await rm(draft, { force: true });
  }
  return {
    async release() {
      if ((await read(path)) === mine) await rm(path, { force: true });
    },
  };
}

/** Puts the draft in the place of the words of a dead process, as the only one who may. False: the lock is gone. */
async function takeOver(path: string, draft: string, dataDir: string): Promise<boolean> {
  const found = await read(path);
  if (found === undefined) return false;
  requireDead(found, dataDir);
  const dead = [found];
  let marker = markerOf(path, found);
  while (!(await tryLink(draft, marker))) {
    const words = await read(marker);
    if (words === undefined) return false;
    requireDead(words, dataDir);
    if (dead.push(words) > MAX_DEAD) throw inUse(dataDir, undefined);
    marker = markerOf(path, words);
  }
  const now = await read(path);
  if (now === undefined || !dead.includes(now)) {
    await rm(marker, { force: true });
    return false;
  }
  await rename(draft, path);
  await sweep(path);
  return true;
}

/** Words that are not understood were never a lock of ours, or half-written by a disk that failed. */
function requireDead(words: string, dataDir: string): void {
  const holder = parseProcessId(words);
  if (holder !== undefined && isRunning(holder)) throw inUse(dataDir, holder.pid);
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

/** Who holds a marker now comes too late: the words it is named after are gone. */
async function sweep(path: string): Promise<void> {
  for (const name of await readdir(dirname(path))) {
    if (name.startsWith(`${basename(path)}.over.`)) await rm(join(dirname(path), name), { force: true });
  }
}

const markerOf = (path: string, words: string): string =>
  `${path}.over.${createHash('sha256').update(words).digest('hex').slice(0, 32)}`;

/** Undefined when there is no such file. */
const read = (path: string): Promise<string | undefined> =>
  readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined;
    throw error;
  });

function inUse(dataDir: string, pid: number | undefined): GatehouseError {
  const by = pid === undefined ? 'another process' : `process ${pid}`;
  return new GatehouseError(
    'UNAVAILABLE',
    `the data directory ${dataDir} is in use by ${by}; stop it first, or choose another one with --data-dir`,
  );
}
