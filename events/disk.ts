// The few disk operations the audit log is built on, as an argument: tests put full disks, torn writes and crashes
// exactly here. Also turns errors of the file system into ours.
import { constants } from 'node:fs';
import type { FileHandle } from 'node:fs/promises';
import { chmod, mkdir, open, rename, rm, stat } from 'node:fs/promises';
import { GatehouseError, isCode } from '#core/errors/error.ts';

export interface Disk {
  /** Writes all of `data` at `position` and returns once it is on stable storage. May throw after writing a part. */
  write(file: FileHandle, data: Uint8Array, position: number): Promise<void>;
}

export const realDisk: Disk = {
  async write(file, data, position) {
    let done = 0;
    while (done < data.length) {
      done += (await file.write(data, done, data.length - done, position + done)).bytesWritten;
    }
    await file.datasync();
  },
};

const { O_APPEND, O_CREAT, O_EXCL, O_NOFOLLOW, O_NONBLOCK, O_RDONLY, O_RDWR, O_WRONLY } = constants;

const FLAGS = {
  read: O_RDONLY,
  /** An existing file, to read and write. */
  write: O_RDWR,
  /** As `write`; an empty file is made when there is none. */
  writeOrMake: O_RDWR | O_CREAT,
  /** A file that must not be there yet. */
  make: O_RDWR | O_CREAT | O_EXCL,
  append: O_WRONLY | O_APPEND | O_CREAT,
} as const;

/**
 * Opens a file of the log (mode 0640 when made). Root writes here: what else has the name, such as a symbolic link or
 * a pipe, is an error of the file system or STORAGE_FAILED, and neither followed nor waited for.
 */
export async function openFile(path: string, to: keyof typeof FLAGS): Promise<FileHandle> {
  const file = await open(path, FLAGS[to] | O_NOFOLLOW | O_NONBLOCK, 0o640);
  try {
    if ((await file.stat()).isFile()) return file;
    throw new GatehouseError('STORAGE_FAILED', `audit log: ${path} is not a regular file`);
  } catch (error) {
    await file.close();
    throw error;
  }
}

/** STORAGE_FULL when there is no space, STORAGE_FAILED otherwise; our own errors pass as they are. */
export function diskError(action: string, cause: unknown): GatehouseError {
  if (isCode(cause)) return cause;
  const reason = (cause as NodeJS.ErrnoException).code ?? 'unknown error';
  if (reason === 'ENOSPC' || reason === 'EDQUOT') {
    return new GatehouseError('STORAGE_FULL', `audit log: cannot ${action}: no space left`, { cause });
  }
  return new GatehouseError('STORAGE_FAILED', `audit log: cannot ${action}: ${reason}`, { cause });
}

/** Makes the folder with mode 0750 unless it is there. */
export async function makeFolder(path: string): Promise<void> {
  try {
    if ((await mkdir(path, { recursive: true, mode: 0o750 })) !== undefined) await chmod(path, 0o750);
    if (!(await stat(path)).isDirectory())
      throw new GatehouseError('INVALID_CONFIG', `${path} is not a folder`);
  } catch (error) {
    throw diskError(`make the folder ${path}`, error);
  }
}

/** Makes names created, renamed or removed in the folder survive a power cut. */
export async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, 'r');
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}

/** Replaces a small file in one step: after a crash it has the old content or the new one. */
export async function replaceFile(path: string, content: string): Promise<void> {
  const draft = `${path}.new`;
  await rm(draft, { force: true });
  const file = await openFile(draft, 'make');
  try {
    await file.writeFile(content);
    await file.datasync();
  } finally {
    await file.close();
  }
  await rename(draft, path);
}
