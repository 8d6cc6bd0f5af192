// Two logins at once must not leave the key of one beside the certificate of the other, and whoever reads between two
// files of a login must not take them for damaged. A file that names the process that writes; one that died holds nothing.
import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { sleep, type Clock } from '#core/clock.ts';
import { GatehouseError, isCode } from '#core/errors/error.ts';
import { isRunning, processName } from '#recordings/spool/process-name.ts';
import { writePrivateFile } from '../private-files.ts';

const NAME = '.lock';
const ASK_MS = 50;
const MOST_ASKED = 200;

/** Runs `work` while nobody else changes the folder. CONDITION_FAILED when another process does so for 10 seconds. */
export async function whileLocked<T>(folder: string, clock: Clock, work: () => Promise<T>): Promise<T> {
  const path = join(folder, NAME);
  for (let asked = 0; !(await take(path)); asked++) {
    if (asked === MOST_ASKED) {
      throw new GatehouseError('CONDITION_FAILED', `another gate is changing ${folder}`, {
        details: { remedy: `Try again; when no other gate runs, remove ${path}.` },
      });
    }
    if (await isHeld(path)) await sleep(clock, ASK_MS);
    else await rm(path, { force: true });
  }
  try {
    return await work();
  } finally {
    await rm(path, { force: true });
  }
}

/** Resolves when nobody changes the folder, or after 10 seconds. */
export async function untilUnlocked(folder: string, clock: Clock): Promise<void> {
  for (let asked = 0; asked < MOST_ASKED && (await isHeld(join(folder, NAME))); asked++) {
    await sleep(clock, ASK_MS);
  }
}

async function take(path: string): Promise<boolean> {
  try {
    await writePrivateFile(path, processName(), { overwrite: false });
    return true;
  } catch (error) {
    if (!isCode(error, 'ALREADY_EXISTS')) throw error;
    return false;
  }
}

async function isHeld(path: string): Promise<boolean> {
  const holder = await readFile(path, 'utf8').catch(() => undefined);
  return holder !== undefined && isRunning(holder);
}
