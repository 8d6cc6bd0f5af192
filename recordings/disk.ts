// The few disk operations the spool and the dir store are built on, as an argument: tests put full disks and torn writes
// exactly here. Also turns errors of the file system into ours.
import { constants } from 'node:fs';
import { mkdir, open, type FileHandle } from 'node:fs/promises';
import { GatehouseError, isCode } from '#core/errors/error.ts';

export interface Disk {
  /** Writes all of `data` at `position`. May throw after writing a part. */
  write(file: FileHandle, data: Uint8Array, position: number): Promise<void>;
  /** Returns once what was written is on stable storage. */
  sync(file: FileHandle): Promise<void>;
}

export const realDisk: Disk = {
  async write(file, data, position) {
    let done = 0;
    while (done < data.length) {
      done += (await file.write(data, done, data.length - done, position + done)).bytesWritten;
    }
  },
  sync: (file) => file.datasync(),
};

const { O_CREAT, O_EXCL, O_NOFOLLOW, O_NONBLOCK, O_RDONLY, O_RDWR, O_WRONLY } = constants;

/** A file that must not be there yet. Root writes here, so links are never followed. */
export function makeFile(path: string, mode = 0o600): Promise<FileHandle> {
  return open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, mode);
}

/** A regular file that exists; anything else of that name is STORAGE_FAILED, and neither followed nor waited for. */
export async function openExisting(path: string, to: 'read' | 'change'): Promise<FileHandle> {
  const file = await open(path, (to === 'read' ? O_RDONLY : O_RDWR) | O_NOFOLLOW | O_NONBLOCK);
  if ((await file.stat()).isFile()) return file;
  await file.close();
  throw new GatehouseError('STORAGE_FAILED', `recordings: ${path} is not a regular file`);
}

/** STORAGE_FULL when there is no space, STORAGE_FAILED otherwise; our own errors pass as they are. */
export function diskError(action: string, cause: unknown): GatehouseError {
  if (isCode(cause)) return cause;
  const reason = (cause as NodeJS.ErrnoException).code ?? 'unknown error';
  if (reason === 'ENOSPC' || reason === 'EDQUOT')
    return new GatehouseError('STORAGE_FULL', `recordings: cannot ${action}: no space left`, { cause });
  return new GatehouseError('STORAGE_FAILED', `recordings: cannot ${action}: ${reason}`, { cause });
}

/** Makes the folder unless it is there. */
export async function makeFolder(path: string, mode = 0o700): Promise<void> {
  try {
    await mkdir(path, { recursive: true, mode });
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

export const isMissing = (error: unknown): boolean => (error as NodeJS.ErrnoException).code === 'ENOENT';
export const isThere = (error: unknown): boolean => (error as NodeJS.ErrnoException).code === 'EEXIST';
