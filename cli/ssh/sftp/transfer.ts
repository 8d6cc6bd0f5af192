// One file from here to there or back, with many requests on their way at a time, so that the distance does not count. A
// download appears under its name once it is whole; until then it is a `.part` file beside it.
import { randomBytes } from 'node:crypto';
import { readSync, writeSync, type Stats } from 'node:fs';
import { lstat, open, rename, rm, type FileHandle } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { GatehouseError } from '#core/errors/error.ts';
import type { Sftp } from './client.ts';
import type { Progress } from './progress.ts';
import type { Attributes } from './protocol.ts';

export interface TransferOptions {
  readonly sftp: Sftp;
  readonly progress: Progress;
  /** Mode and times are those of the source. */
  readonly keeps: boolean;
  /** Drafts that are being written: whoever ends the process removes them. */
  readonly drafts: Set<string>;
}

/** On their way at a time; a window of SSH is not larger. */
const FLIGHT_BYTES = 8 * 1024 ** 2;
/** Neither side may hand out more: no file of a stranger becomes one that runs as its owner. */
const MODE_MASK = 0o777;
const DEFAULT_MODE = 0o666;

/** Rejects with the error of either side; what was there before is as it was, unless it was overwritten in place. */
export async function download(
  remote: string,
  local: string,
  attributes: Attributes,
  options: TransferOptions,
): Promise<void> {
  const { sftp, progress, keeps, drafts } = options;
  const mode = (attributes.mode ?? DEFAULT_MODE) & MODE_MASK;
  const source = await sftp.open(remote, false);
  progress.begin(remote, attributes.size);
  try {
    const target = await openTarget(local, mode, drafts);
    try {
      const written = await readAll(source, remote, target.file, attributes.size ?? 0, options);
      await target.file.truncate(written).catch(ignoreUnlessFile);
      if (keeps) await keepLocal(target.file, attributes, mode);
      await target.finish();
    } catch (error) {
      await target.discard();
      throw inFile(local, error);
    }
  } finally {
    progress.end();
    await sftp.close(source).catch(() => {});
  }
}

/** Rejects with the error of either side; then what is on the server is not whole. */
export async function upload(local: string, remote: string, options: TransferOptions): Promise<void> {
  const { sftp, progress, keeps } = options;
  const file = await open(local, 'r').catch((cause: unknown) => {
    throw inFile(local, cause);
  });
  try {
    const stats = await file.stat();
    const mode = stats.mode & MODE_MASK;
    const target = await sftp.open(remote, true, { mode });
    progress.begin(local, stats.size);
    try {
      await writeAll(file, local, target, remote, stats, options);
    } finally {
      progress.end();
      await sftp.close(target);
    }
    if (keeps) await sftp.setAttributes(remote, { mode, ...timesOf(stats) });
  } finally {
    await file.close();
  }
}

const timesOf = (stats: Stats): { atime: number; mtime: number } => ({
  atime: Math.floor(stats.atimeMs / 1000),
  mtime: Math.floor(stats.mtimeMs / 1000),
});

/** As many blocks at a time as are allowed in flight. Returns how many bytes there are. */
async function readAll(
  source: Uint8Array,
  remote: string,
  target: FileHandle,
  size: number,
  { sftp, progress }: TransferOptions,
): Promise<number> {
  const { blockBytes } = sftp;
  let next = 0;
  let endAt = Number.POSITIVE_INFINITY;
  let written = 0;
  const readBlock = async (from: number, to: number): Promise<void> => {
    let at = from;
    while (at < to) {
      const bytes = await sftp.read(source, at, to - at, remote);
      if (bytes === undefined) {
        endAt = Math.min(endAt, at);
        return;
      }
      writeWhole(target, bytes, at);
      at += bytes.length;
      written = Math.max(written, at);
      progress.add(bytes.length);
    }
  };
  // Files of the kernel say that they are empty: those are read to their end, one block after the other.
  const limit = size > 0 ? size : Number.POSITIVE_INFINITY;
  const worker = async (): Promise<void> => {
    while (next < limit && next < endAt) {
      const from = next;
      next = Math.min(from + blockBytes, limit);
      await readBlock(from, next);
    }
  };
  await all(size > 0 ? countOf(size, blockBytes) : 1, worker);
  if (written > endAt)
    throw new GatehouseError('CONDITION_FAILED', `${remote} was changed while it was read`);
  return written;
}

async function writeAll(
  source: FileHandle,
  local: string,
  target: Uint8Array,
  remote: string,
  stats: Stats,
  { sftp, progress }: TransferOptions,
): Promise<void> {
  const { blockBytes } = sftp;
  // What has no size, such as a pipe, is read in its own order.
  const hasSize = stats.isFile() && stats.size > 0;
  const limit = hasSize ? stats.size : Number.POSITIVE_INFINITY;
  let next = 0;
  let isOver = false;
  const worker = async (): Promise<void> => {
    const block = Buffer.allocUnsafe(Math.min(blockBytes, limit));
    while (!isOver && next < limit) {
      const at = next;
      const wanted = Math.min(blockBytes, limit - at);
      if (hasSize) next = at + wanted;
      // See writeWhole; only what may keep one waiting is awaited.
      const bytesRead = hasSize
        ? readSync(source.fd, block, 0, wanted, at)
        : (await source.read(block, 0, wanted, null)).bytesRead;
      if (!hasSize) next += bytesRead;
      isOver ||= bytesRead === 0 || (hasSize && bytesRead < wanted);
      if (hasSize && bytesRead < wanted)
        throw new GatehouseError('CONDITION_FAILED', `${local} was cut while it was read`);
      if (bytesRead > 0) await sftp.write(target, at, block.subarray(0, bytesRead), remote);
      progress.add(bytesRead);
    }
  };
  await all(hasSize ? countOf(stats.size, blockBytes) : 1, worker);
}

const countOf = (size: number, blockBytes: number): number =>
  Math.max(1, Math.min(Math.floor(FLIGHT_BYTES / blockBytes), Math.ceil(size / blockBytes)));

/** Waits for all of them, also when one fails: nothing is used any more when it settles. */
async function all(count: number, worker: () => Promise<void>): Promise<void> {
  const ends = await Promise.allSettled(Array.from({ length: count }, worker));
  for (const end of ends) if (end.status === 'rejected') throw end.reason;
}

/** At once, and not by a thread of node's: this process has nothing else to do, and the way there costs more than the copy. */
function writeWhole({ fd }: FileHandle, bytes: Uint8Array, at: number): void {
  for (let done = 0; done < bytes.length;) {
    done += writeSync(fd, bytes, done, bytes.length - done, at + done);
  }
}

interface Target {
  readonly file: FileHandle;
  finish(): Promise<void>;
  discard(): Promise<void>;
}

/** What is there already is overwritten as it is, with its owner and its links; a new file appears when it is whole. */
async function openTarget(path: string, mode: number, drafts: Set<string>): Promise<Target> {
  const found = await lstat(path).catch(() => undefined);
  try {
    if (found !== undefined) {
      const file = await open(path, 'w');
      return { file, finish: () => file.close(), discard: () => file.close() };
    }
    const draft = join(dirname(path), `.gate-${randomBytes(6).toString('hex')}.part`);
    const file = await open(draft, 'wx', mode | 0o200);
    drafts.add(draft);
    return {
      file,
      async finish() {
        await file.close();
        await rename(draft, path);
        drafts.delete(draft);
      },
      async discard() {
        await file.close().catch(() => {});
        await rm(draft, { force: true });
        drafts.delete(draft);
      },
    };
  } catch (cause) {
    throw inFile(path, cause);
  }
}

async function keepLocal(file: FileHandle, { atime, mtime }: Attributes, mode: number): Promise<void> {
  await file.chmod(mode);
  if (atime !== undefined && mtime !== undefined) await file.utimes(atime, mtime);
}

/** Devices and pipes have no length. */
function ignoreUnlessFile(error: NodeJS.ErrnoException): void {
  if (error.code !== 'EINVAL') throw error;
}

/** An error of the system, with the file it is about. */
export function inFile(path: string, cause: unknown): unknown {
  if (cause instanceof GatehouseError) return cause;
  const { code = '', message } = cause as NodeJS.ErrnoException;
  const why: Readonly<Record<string, string>> = {
    ENOENT: 'no such file',
    EACCES: 'not permitted',
    EPERM: 'not permitted',
    EISDIR: 'is a folder',
    ENOTDIR: 'is not a folder',
    ENOSPC: 'the disk is full',
    EDQUOT: 'the quota is used up',
    EROFS: 'the file system is read-only',
  };
  return new GatehouseError('CONDITION_FAILED', `${path}: ${why[code] ?? (code || message)}`, { cause });
}
