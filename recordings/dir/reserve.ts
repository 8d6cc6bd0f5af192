// Room that recordings leave on their disk. The audit log and the state of the cluster usually lie beside them: a host
// that uploads without end must stop uploads, and not logins. Apart from the store because it knows nothing of recordings.
import { statfs } from 'node:fs/promises';
import { GatehouseError } from '#core/errors/error.ts';
import { diskError } from '../disk.ts';

export interface Space {
  /** Bytes: what this process may still write, and the size of the whole file system. */
  readonly free: number;
  readonly total: number;
}

/** Of the file system that holds `path`. */
export type MeasureSpace = (path: string) => Promise<Space>;

const MOST_RESERVED = 1024 ** 3;
const RESERVED_PART = 20;

export const measureSpace: MeasureSpace = async (path) => {
  const { bavail, blocks, bsize } = await statfs(path);
  return { free: bavail * bsize, total: blocks * bsize };
};

/** STORAGE_FULL unless a twentieth of the disk, at most 1 GiB, stays free when `bytes` more are written below `path`. */
export async function requireRoom(path: string, bytes: number, measure: MeasureSpace): Promise<void> {
  const { free, total } = await measure(path).catch((cause: unknown) => {
    throw diskError('measure the space for recordings', cause);
  });
  const reserved = Math.min(MOST_RESERVED, total / RESERVED_PART);
  if (free - bytes >= reserved) return;
  throw new GatehouseError(
    'STORAGE_FULL',
    `recordings: ${Math.round(free / 1024 ** 2)} MiB are free at ${path}; the last ${Math.round(reserved / 1024 ** 2)} MiB are kept for the audit log`,
  );
}
