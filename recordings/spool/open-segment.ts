// A segment that is being written to the spool. What a failed write left is cut off again, so that the file always ends
// with a whole block and writing can go on once there is room.
import { rename } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import type { OpenSegment } from '../spool.ts';
import { diskError, type Disk } from '../disk.ts';

export interface OpenSegmentParts {
  readonly file: FileHandle;
  readonly path: string;
  readonly header: Uint8Array;
  readonly disk: Disk;
  /** Takes bytes from what the spool may hold; throws STORAGE_FULL. A negative number gives them back. */
  reserve(bytes: number): void;
  closedPath(last: boolean): string;
  /** The file has its final name; returns once that is durable and known. */
  settled(bytes: number, last: boolean): Promise<void>;
}

/** `abandon` closes the file and leaves it as it is. */
export type SpoolSegment = OpenSegment & { abandon(): Promise<void> };

/** `file` is empty; the header goes out with the first block. */
export function openSegment(parts: OpenSegmentParts): SpoolSegment {
  const { file, path, disk } = parts;
  let position = 0;
  let step: 'open' | 'synced' | 'closed' | 'named' = 'open';

  return {
    async append(data) {
      const all = position === 0 ? Buffer.concat([parts.header, data]) : data;
      parts.reserve(all.length);
      try {
        await disk.write(file, all, position);
        position += all.length;
      } catch (error) {
        parts.reserve(-all.length);
        await file.truncate(position).catch(() => undefined);
        throw diskError('write a segment', error);
      }
    },
    sync: () =>
      disk.sync(file).catch((error: unknown) => {
        throw diskError('write a segment to stable storage', error);
      }),
    async close(last) {
      try {
        if (step === 'open') {
          await disk.sync(file);
          step = 'synced';
        }
        if (step === 'synced') {
          await file.close();
          step = 'closed';
        }
        if (step === 'closed') {
          await rename(path, parts.closedPath(last));
          step = 'named';
        }
      } catch (error) {
        throw diskError('close a segment', error);
      }
      await parts.settled(position, last);
    },
    async abandon() {
      if (step === 'open' || step === 'synced') await file.close();
    },
  };
}
