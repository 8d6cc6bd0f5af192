// A segment on disk: a header that names its predecessor, then blocks that can each be read alone. Numbers are
// big-endian. docs/reference/recording-format.md describes every byte; keep both in step.
import { createHash } from 'node:crypto';
import { crc32 } from 'node:zlib';
import { GatehouseError } from '#core/errors/error.ts';
import { requireSessionId } from '../meta.ts';

/** The carriage return and newline show when a file was changed as if it were text. */
export const MAGIC = Buffer.from('GHREC1\r\n', 'latin1');
/** Writers close a segment long before; readers take no larger one. */
export const MAX_SEGMENT_BYTES = 8 * 1024 * 1024;
/** What the blocks of one segment may unpack to. */
export const MAX_SEGMENT_RAW_BYTES = 64 * 1024 * 1024;
export const MAX_HEADER_BYTES = 4096;
export const MAX_BLOCK_BYTES = 256 * 1024;
export const BLOCK_MARKER = Buffer.from([0xef, 0x47, 0x48, 0x42]);
export const BLOCK_HEADER_BYTES = 28;
/** `previous` of the first segment. */
export const NO_PREVIOUS = '0'.repeat(64);

const HASH = /^[0-9a-f]{64}$/;
const MAX_NUMBER = 999_999;
const MAX_TIME_MS = 2 ** 48 - 1;
const PREFIX_BYTES = MAGIC.length + 4;

export interface SegmentHeader {
  readonly sid: string;
  /** From 1. */
  readonly number: number;
  /** SHA-256 of the whole segment before this one. */
  readonly previous: string;
}

export function encodeHeader({ sid, number, previous }: SegmentHeader): Buffer {
  const json = Buffer.from(JSON.stringify({ sid, number, previous }));
  const header = Buffer.alloc(PREFIX_BYTES + json.length + 4);
  MAGIC.copy(header);
  header.writeUInt32BE(json.length, MAGIC.length);
  json.copy(header, PREFIX_BYTES);
  const end = PREFIX_BYTES + json.length;
  header.writeUInt32BE(crc32(header.subarray(0, end)), end);
  return header;
}

/** The header and where the blocks begin; undefined when more bytes are needed. CORRUPT when it is none. */
export function parseHeader(bytes: Buffer): { header: SegmentHeader; end: number } | undefined {
  const seen = bytes.subarray(0, MAGIC.length);
  if (!seen.equals(MAGIC.subarray(0, seen.length))) throw corrupt('it does not begin as a segment');
  if (bytes.length < PREFIX_BYTES) return undefined;
  const length = bytes.readUInt32BE(MAGIC.length);
  if (length > MAX_HEADER_BYTES) throw corrupt(`a header of ${length} bytes`);
  const end = PREFIX_BYTES + length;
  if (bytes.length < end + 4) return undefined;
  if (crc32(bytes.subarray(0, end)) !== bytes.readUInt32BE(end))
    throw corrupt('the header fails its checksum');
  return { header: readHeader(bytes.toString('utf8', PREFIX_BYTES, end)), end: end + 4 };
}

function readHeader(json: string): SegmentHeader {
  let value: unknown;
  try {
    value = JSON.parse(json);
  } catch (cause) {
    throw new GatehouseError('CORRUPT', 'segment: the header is no JSON', { cause });
  }
  const { sid, number, previous } = (value ?? {}) as Partial<Record<keyof SegmentHeader, unknown>>;
  if (typeof sid !== 'string' || typeof number !== 'number' || typeof previous !== 'string')
    throw corrupt('the header lacks sid, number or previous');
  try {
    requireSessionId(sid);
  } catch (cause) {
    throw new GatehouseError('CORRUPT', 'segment: the sid of the header is no UUID', { cause });
  }
  if (!isSegmentNumber(number)) throw corrupt('the number of the header is out of range');
  if (!HASH.test(previous)) throw corrupt('the previous hash of the header is none');
  return { sid, number, previous };
}

export function isSegmentNumber(number: number): boolean {
  return Number.isInteger(number) && number >= 1 && number <= MAX_NUMBER;
}

export interface BlockHeader {
  readonly encoding: 'stored' | 'zstd';
  /** Milliseconds since the start of the session that the first frame counts from. */
  readonly at: number;
  readonly rawLength: number;
  readonly storedLength: number;
  readonly checksum: number;
}

/** A block ready to be appended: header and `stored` in one buffer. */
export function encodeBlock(
  stored: Uint8Array,
  about: Omit<BlockHeader, 'storedLength' | 'checksum'>,
): Buffer {
  const block = Buffer.allocUnsafe(BLOCK_HEADER_BYTES + stored.length);
  BLOCK_MARKER.copy(block);
  block.writeUInt16BE(about.encoding === 'zstd' ? 1 : 0, 4);
  block.writeUIntBE(Math.min(Math.max(0, about.at), MAX_TIME_MS), 6, 6);
  block.writeUInt32BE(about.rawLength, 12);
  block.writeUInt32BE(stored.length, 16);
  block.writeUInt32BE(crc32(stored), 20);
  block.writeUInt32BE(crc32(block.subarray(0, 24)), 24);
  block.set(stored, BLOCK_HEADER_BYTES);
  return block;
}

/** Undefined when the bytes at `start` are no whole block header. */
export function parseBlockHeader(bytes: Buffer, start: number): BlockHeader | undefined {
  const header = bytes.subarray(start, start + BLOCK_HEADER_BYTES);
  if (header.length < BLOCK_HEADER_BYTES || !header.subarray(0, 4).equals(BLOCK_MARKER)) return undefined;
  if (crc32(header.subarray(0, 24)) !== header.readUInt32BE(24)) return undefined;
  const encoding = header.readUInt16BE(4);
  const rawLength = header.readUInt32BE(12);
  const storedLength = header.readUInt32BE(16);
  if (encoding > 1 || !isBlockLength(rawLength) || !isBlockLength(storedLength)) return undefined;
  return {
    encoding: encoding === 1 ? 'zstd' : 'stored',
    at: header.readUIntBE(6, 6),
    rawLength,
    storedLength,
    checksum: header.readUInt32BE(20),
  };
}

const isBlockLength = (length: number): boolean => length >= 1 && length <= MAX_BLOCK_BYTES;

/** As names of segments and in `previous`. */
export function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

function corrupt(what: string): GatehouseError {
  return new GatehouseError('CORRUPT', `segment: ${what}`);
}
