// The data directory: made for this user alone, or refused with what to do about it. Whoever can write it is admin of
// the cluster, so its owner and mode are part of the security of the house.
import { chmod, lstat, mkdir, readdir, realpath, stat } from 'node:fs/promises';
import { isAbsolute, resolve } from 'node:path';
import { GatehouseError } from '#core/errors/error.ts';
import type { Log } from '#core/log.ts';

export interface User {
  /** Undefined where the system knows no user ids. */
  readonly uid: number | undefined;
}

/** The absolute path, of mode 0700 and owned by the user. INVALID_CONFIG says why it cannot be used. */
export async function prepareDataDir(path: string, user: User, log: Log): Promise<string> {
  const absolute = isAbsolute(path) ? path : resolve(path);
  await makeFolder(absolute);
  const found = await realpath(absolute);
  const { uid, mode } = await stat(found);
  if (user.uid !== undefined && uid !== user.uid) {
    throw refusal(
      `the data directory ${absolute} belongs to user id ${uid}, and this process runs as user id ${user.uid}`,
      `run as that user, or: chown -R ${user.uid} ${absolute}`,
    );
  }
  if ((mode & 0o077) !== 0) {
    await requireOurs(absolute, found);
    await chmod(found, 0o700).catch((cause: unknown) => {
      throw refusal(`the data directory ${absolute} is open to others`, `chmod 700 ${absolute}`, cause);
    });
    log.warn(
      { dataDir: absolute, was: modeText(mode) },
      'the data directory was open to others; its mode is 0700 now',
    );
  }
  return found;
}

/** What a data directory is known by. One file is enough: others are added by hand, or left by a crash. */
const OURS = ['.daemon.lock', 'daemon.lock', 'host_uuid', 'identity.json', 'admin-identity.json', 'backend'];

/** A slip such as --data-dir=/tmp must not lock everybody else out of a folder of the system. */
async function requireOurs(path: string, found: string): Promise<void> {
  const names = await readdir(found);
  if (names.length === 0 || names.some((name) => OURS.includes(name))) return;
  throw refusal(
    `the data directory ${path} is open to others and holds other things (such as ${names.sort()[0] ?? ''})`,
    'choose an empty folder, or one that is not there yet, with --data-dir',
  );
}

async function makeFolder(path: string): Promise<void> {
  try {
    await mkdir(path, { recursive: true, mode: 0o700 });
  } catch (cause) {
    const { code = 'unknown error' } = cause as NodeJS.ErrnoException;
    const exists = await lstat(path).catch(() => undefined);
    if (code === 'EEXIST' || exists?.isDirectory() === false) {
      throw refusal(`the data directory ${path} is a file`, 'choose another one with --data-dir', cause);
    }
    const hint =
      code === 'EACCES' || code === 'EPERM'
        ? 'run as root, or choose a folder of your own with --data-dir'
        : 'choose another one with --data-dir';
    throw refusal(`the data directory ${path} cannot be made (${code})`, hint, cause);
  }
}

const modeText = (mode: number): string => `0${(mode & 0o777).toString(8)}`;

function refusal(what: string, remedy: string, cause?: unknown): GatehouseError {
  return new GatehouseError('INVALID_CONFIG', `${what}; ${remedy}`, {
    cause,
    // The message says it all.
    details: { field: 'data_dir', remedy: '' },
  });
}
