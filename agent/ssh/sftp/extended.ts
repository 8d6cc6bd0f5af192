// The extensions of OpenSSH that its own clients ask for: replacing renames, hard links, syncing, free space, limits.
import { fsyncSync, linkSync, renameSync, statfsSync } from 'node:fs';
import { join } from 'node:path';
import { GatehouseError } from '#core/errors/error.ts';
import { readAttributes } from './attributes.ts';
import { changeLink } from './change.ts';
import { MAX_HANDLES, type OpenHandles } from './open-handles.ts';
import { MAX_PACKET_BYTES } from './packet-buffer.ts';
import { packet, type PacketReader } from '#wire/sftp/packets.ts';
import { pathOf } from './paths.ts';
import { EXTENDED, REPLY, STATUS } from '#wire/sftp/protocol.ts';

export interface ExtendedGround {
  readonly handles: OpenHandles;
  readonly home: string;
}

/** Names and versions, as the server tells them at the start. */
export const EXTENSIONS: readonly (readonly [name: string, version: string])[] = [
  [EXTENDED.posixRename, '1'],
  [EXTENDED.statvfs, '2'],
  [EXTENDED.fstatvfs, '2'],
  [EXTENDED.hardlink, '1'],
  [EXTENDED.fsync, '1'],
  [EXTENDED.lsetstat, '1'],
  [EXTENDED.limits, '1'],
  [EXTENDED.expandPath, '1'],
];

const MAX_DATA_BYTES = MAX_PACKET_BYTES - 1024;
const MAX_NAME_BYTES = 255n;

export function serveExtended(id: number, reader: PacketReader, ground: ExtendedGround): Buffer {
  const name = reader.text();
  switch (name) {
    case EXTENDED.statvfs:
      return space(id, pathOf(reader));
    case EXTENDED.fstatvfs:
      return space(id, Buffer.from(`/proc/self/fd/${ground.handles.file(reader.handle()).fd}`));
    case EXTENDED.limits:
      return packet(
        REPLY.extended,
        id,
        BigInt(MAX_PACKET_BYTES),
        BigInt(MAX_DATA_BYTES),
        BigInt(MAX_DATA_BYTES),
        BigInt(MAX_HANDLES),
      );
    case EXTENDED.expandPath: {
      const path = Buffer.from(expandHome(pathOf(reader).toString('utf8'), ground.home));
      return packet(REPLY.name, id, 1, path, path, { raw: Buffer.alloc(4) });
    }
    default:
      change(name, reader, ground);
      return packet(REPLY.status, id, STATUS.ok, '', '');
  }
}

function change(name: string, reader: PacketReader, { handles }: ExtendedGround): void {
  switch (name) {
    case EXTENDED.posixRename:
      renameSync(pathOf(reader), pathOf(reader));
      return;
    case EXTENDED.hardlink:
      linkSync(pathOf(reader), pathOf(reader));
      return;
    case EXTENDED.fsync:
      fsyncSync(handles.file(reader.handle()).fd);
      return;
    case EXTENDED.lsetstat:
      changeLink(pathOf(reader), readAttributes(reader));
      return;
    default:
      throw new GatehouseError('NOT_SUPPORTED', 'this extension is not known');
  }
}

/** Homes of others are not looked up here. */
function expandHome(path: string, home: string): string {
  if (path === '~' || path.startsWith('~/')) return join(home, path.slice(2));
  if (path.startsWith('~')) throw new GatehouseError('NOT_SUPPORTED', 'only your own home is known by ~');
  return path;
}

/** Fields of statvfs(3), as far as Node tells them. */
function space(id: number, path: Buffer): Buffer {
  const { bsize, blocks, bfree, bavail, files, ffree } = statfsSync(path, { bigint: true });
  return packet(
    REPLY.extended,
    id,
    bsize,
    bsize,
    blocks,
    bfree,
    bavail,
    files,
    ffree,
    ffree,
    0n,
    0n,
    MAX_NAME_BYTES,
  );
}
