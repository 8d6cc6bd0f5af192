// Changing attributes as a client wants them: of a path, of a link itself, of an open file.
import {
  chmodSync,
  chownSync,
  fchmodSync,
  fchownSync,
  ftruncateSync,
  futimesSync,
  lchownSync,
  lutimesSync,
  truncateSync,
  utimesSync,
} from 'node:fs';
import { GatehouseError } from '#core/errors/error.ts';
import type { WantedAttributes } from './attributes.ts';

export function changeFile(path: Buffer, wanted: WantedAttributes): void {
  const { size, mode, uid, gid, atime, mtime } = wanted;
  if (size !== undefined) truncateSync(path, size);
  if (mode !== undefined) chmodSync(path, mode);
  if (atime !== undefined && mtime !== undefined) utimesSync(path, atime, mtime);
  if (uid !== undefined && gid !== undefined) chownSync(path, uid, gid);
}

/** lsetstat@openssh.com. Linux has no modes of links. */
export function changeLink(path: Buffer, { size, mode, uid, gid, atime, mtime }: WantedAttributes): void {
  if (size !== undefined || mode !== undefined) {
    throw new GatehouseError('NOT_SUPPORTED', 'a link has no size and no mode of its own');
  }
  if (atime !== undefined && mtime !== undefined) lutimesSync(path, atime, mtime);
  if (uid !== undefined && gid !== undefined) lchownSync(path, uid, gid);
}

export function changeOpenFile(fd: number, { size, mode, uid, gid, atime, mtime }: WantedAttributes): void {
  if (size !== undefined) ftruncateSync(fd, size);
  if (mode !== undefined) fchmodSync(fd, mode);
  if (atime !== undefined && mtime !== undefined) futimesSync(fd, atime, mtime);
  if (uid !== undefined && gid !== undefined) fchownSync(fd, uid, gid);
}
