// The renaming of SFTP version 3, which must not replace a file: rename(2) would, so files are linked and unlinked.
import { linkSync, lstatSync, renameSync, unlinkSync } from 'node:fs';
import { GatehouseError } from '#core/errors/error.ts';

/** What file systems say that know no hard links. */
const NO_LINKS = new Set(['EPERM', 'EOPNOTSUPP', 'ENOTSUP', 'ENOSYS', 'EXDEV', 'EMLINK']);

/** ALREADY_EXISTS when there is something at the new path. */
export function moveWithoutReplacing(from: Buffer, to: Buffer): void {
  if (lstatSync(from).isFile()) {
    try {
      linkSync(from, to);
      unlinkSync(from);
      return;
    } catch (error) {
      if (!NO_LINKS.has((error as NodeJS.ErrnoException).code ?? '')) throw error;
    }
  }
  if (lstatSync(to, { throwIfNoEntry: false }) !== undefined) {
    throw new GatehouseError('ALREADY_EXISTS', 'there is something at the new path');
  }
  renameSync(from, to);
}
