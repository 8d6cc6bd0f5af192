// One writer per folder: two processes that append to the same chain would fork it. A lock file names the holder; a
// holder that no longer runs (crash, kill -9, reboot) is recognised by its start time, so nobody has to clean up.
import { readFileSync } from 'node:fs';
import { link, readFile, rename, rm, unlink, writeFile } from 'node:fs/promises';
import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { GatehouseError } from '#core/errors/error.ts';
import { diskError } from './disk.ts';

export interface FolderLock {
  release(): Promise<void>;
}

/** Takes the folder for this process. UNAVAILABLE when another live process, or another part of this one, has it. */
export async function lockFolder(folder: string): Promise<FolderLock> {
  const path = join(folder, '.writer');
  const claim = join(folder, `.writer.${randomUUID()}`);
  const mine = `${JSON.stringify({ pid: process.pid, started: startOf(process.pid), claim: randomUUID() })}\n`;
  try {
    await writeFile(claim, mine, { mode: 0o640 });
    for (let attempt = 0; ; attempt++) {
      if (await tryLink(claim, path)) break;
      const holder = await readFile(path, 'utf8').catch(() => '');
      if (attempt >= 3 || isAlive(holder)) {
        throw new GatehouseError(
          'UNAVAILABLE',
          `the audit folder ${folder} is being written by process ${pidOf(holder)}; stop it first`,
        );
      }
      await removeStale(path, holder);
    }
  } catch (error) {
    throw diskError(`lock the folder ${folder}`, error);
  } finally {
    await rm(claim, { force: true });
  }
  return {
    async release() {
      const held = await readFile(path, 'utf8').catch(() => '');
      if (held === mine) await unlink(path).catch(() => undefined);
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

/** Removes the lock file if it is still the one that was found stale; another starter may have been faster. */
async function removeStale(path: string, stale: string): Promise<void> {
  const aside = `${path}.${randomUUID()}`;
  try {
    await rename(path, aside);
  } catch {
    return;
  }
  if ((await readFile(aside, 'utf8')) !== stale) await tryLink(aside, path);
  await rm(aside, { force: true });
}

function pidOf(holder: string): number | string {
  return parse(holder)?.pid ?? 'unknown';
}

function isAlive(holder: string): boolean {
  const held = parse(holder);
  if (held === undefined) return false;
  const started = startOf(held.pid);
  if (started !== '') return started === held.started;
  if (held.started !== '') return false;
  try {
    process.kill(held.pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

function parse(holder: string): { pid: number; started: string } | undefined {
  try {
    const { pid, started } = JSON.parse(holder) as { pid?: unknown; started?: unknown };
    return typeof pid === 'number' && typeof started === 'string' ? { pid, started } : undefined;
  } catch {
    return undefined;
  }
}

/** Boot id and start time of a process, which tell it from a later one of the same number; '' where unknown. */
function startOf(pid: number): string {
  try {
    const status = readFileSync(`/proc/${pid}/stat`, 'latin1');
    const afterName = status.slice(status.lastIndexOf(')') + 2).split(' ');
    return `${readFileSync('/proc/sys/kernel/random/boot_id', 'latin1').trim()}/${afterName[19] ?? ''}`;
  } catch {
    return '';
  }
}
