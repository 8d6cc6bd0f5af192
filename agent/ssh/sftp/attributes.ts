// File attributes in SFTP packets, and the line of a listing that people see.
import type { Stats } from 'node:fs';
import type { PacketReader } from '#wire/sftp/packets.ts';
import { ATTR } from '#wire/sftp/protocol.ts';

/** What a client wants a file to have. */
export interface WantedAttributes {
  readonly size?: number;
  readonly uid?: number;
  readonly gid?: number;
  readonly mode?: number;
  /** Seconds since the epoch. */
  readonly atime?: number;
  readonly mtime?: number;
}

const PERMISSIONS = 0o7777;
const MAX_EXTENDED = 64;
const ATTRIBUTES_BYTES = 32;

export function readAttributes(packet: PacketReader): WantedAttributes {
  const flags = packet.uint32();
  const wanted: { -readonly [K in keyof WantedAttributes]: WantedAttributes[K] } = {};
  if ((flags & ATTR.size) !== 0) wanted.size = packet.uint64();
  if ((flags & ATTR.ids) !== 0) {
    wanted.uid = packet.uint32();
    wanted.gid = packet.uint32();
  }
  if ((flags & ATTR.mode) !== 0) wanted.mode = packet.uint32() & PERMISSIONS;
  if ((flags & ATTR.times) !== 0) {
    wanted.atime = packet.uint32();
    wanted.mtime = packet.uint32();
  }
  if ((flags & ATTR.extended) !== 0) {
    // Pairs that mean nothing to us.
    const pairs = Math.min(packet.uint32(), MAX_EXTENDED);
    for (let i = 0; i < 2 * pairs; i++) packet.string();
  }
  return wanted;
}

/** Not a string: it has no length of its own in the packet. */
export function encodeAttributes(stats: Stats): Buffer {
  const bytes = Buffer.alloc(ATTRIBUTES_BYTES);
  bytes.writeUInt32BE(ATTR.size | ATTR.ids | ATTR.mode | ATTR.times, 0);
  bytes.writeBigUInt64BE(BigInt(stats.size), 4);
  bytes.writeUInt32BE(stats.uid, 12);
  bytes.writeUInt32BE(stats.gid, 16);
  bytes.writeUInt32BE(stats.mode, 20);
  bytes.writeUInt32BE(seconds(stats.atimeMs), 24);
  bytes.writeUInt32BE(seconds(stats.mtimeMs), 28);
  return bytes;
}

/** As `ls -ln` writes it. */
export function listingLine(name: string, stats: Stats): string {
  const when = new Date(stats.mtimeMs).toISOString().slice(0, 16).replace('T', ' ');
  const [links, uid, gid] = [stats.nlink, stats.uid, stats.gid].map((id) => String(id).padEnd(4));
  return `${modeText(stats)} ${links} ${uid} ${gid} ${String(stats.size).padStart(10)} ${when} ${name}`;
}

function modeText(stats: Stats): string {
  const kinds: readonly [boolean, string][] = [
    [stats.isDirectory(), 'd'],
    [stats.isSymbolicLink(), 'l'],
    [stats.isFIFO(), 'p'],
    [stats.isSocket(), 's'],
    [stats.isCharacterDevice(), 'c'],
    [stats.isBlockDevice(), 'b'],
  ];
  const kind = kinds.find(([is]) => is)?.[1] ?? '-';
  const bits = [...'rwxrwxrwx'].map((letter, index) => ((stats.mode >> (8 - index)) & 1 ? letter : '-'));
  return kind + bits.join('');
}

const seconds = (ms: number): number => Math.min(Math.max(Math.floor(ms / 1000), 0), 2 ** 32 - 1);
