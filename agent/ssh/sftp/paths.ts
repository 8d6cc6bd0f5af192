// Paths of the client: bytes, relative to the home, and nothing is done to them before the kernel sees them.
import { realpathSync } from 'node:fs';
import { GatehouseError } from '#core/errors/error.ts';
import type { PacketReader } from '#wire/sftp/packets.ts';

const SLASH = 47;
const HERE = Buffer.from('.');

/** BAD_REQUEST for a NUL, which no file name has and which would end it early. The client's own copy. */
export function pathOf(reader: PacketReader): Buffer {
  const path = Buffer.from(reader.string());
  if (reader.isShort || path.includes(0)) throw new GatehouseError('BAD_REQUEST', 'this is not a path');
  return path.length === 0 ? HERE : path;
}

/** Without links and dots. The last name need not exist, so that clients can say where a new file will be. */
export function absolutePath(path: Buffer): Buffer {
  try {
    return real(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    const end = path.at(-1) === SLASH ? path.subarray(0, -1) : path;
    const at = end.lastIndexOf(SLASH);
    const folder = real(at === -1 ? HERE : end.subarray(0, Math.max(at, 1)));
    const joint = folder.length === 1 ? folder : Buffer.concat([folder, Buffer.from('/')]);
    return Buffer.concat([joint, end.subarray(at + 1)]);
  }
}

function real(path: Buffer): Buffer {
  return realpathSync.native(path, { encoding: 'buffer' });
}
