// What stores learn from a segment's own bytes, so that nobody has to be believed about what a recording is: whose it is,
// where it stands, and what its first and last frames say.
import { GatehouseError, isCode } from '#core/errors/error.ts';
import { readFrames } from './format/frames.ts';
import {
  BLOCK_HEADER_BYTES,
  isSegmentNumber,
  MAX_SEGMENT_BYTES,
  parseHeader,
  sha256 as hashOf,
} from './format/segment.ts';
import { SegmentReader, type Block } from './format/segment-reader.ts';
import { unpackBlock } from './format/unpack.ts';
import { requireSessionId, type RecordingEnd, type RecordingMeta } from './meta.ts';
import type { SegmentUpload } from './upload.ts';

const HASH = /^[0-9a-f]{64}$/;

/**
 * Checks an upload as far as every store must: BAD_REQUEST when its bytes are not the segment that it is said to be,
 * TOO_LARGE.
 */
export function checkUpload({ session, number, sha256, bytes }: SegmentUpload): void {
  requireSessionId(session);
  if (!isSegmentNumber(number)) throw refuse('the number of the segment is out of range');
  if (bytes.length > MAX_SEGMENT_BYTES)
    throw new GatehouseError('TOO_LARGE', `a segment may have ${MAX_SEGMENT_BYTES} bytes`);
  if (!HASH.test(sha256) || hashOf(bytes) !== sha256)
    throw refuse('the bytes do not have the SHA-256 that is named');
  let header;
  try {
    header = parseHeader(asBuffer(bytes))?.header;
  } catch (cause) {
    throw new GatehouseError('BAD_REQUEST', 'recording: the bytes are no segment', { cause });
  }
  if (header?.sid !== session || header.number !== number)
    throw refuse('the bytes are a segment of another session or number');
}

/** What the recording says of itself at its start; undefined when segment 1 does not tell. Reads one block. */
export function metaOf(segment: Uint8Array): RecordingMeta | undefined {
  const reader = new SegmentReader();
  for (const part of reader.push(segment)) {
    if (part.type === 'header') continue;
    if (part.type === 'damage') return undefined;
    return fromFrames(() => {
      for (const frame of readFrames(part.unpack(), part.at))
        return frame.type === 'start' ? frame.meta : undefined;
      return undefined;
    });
  }
  return undefined;
}

/** How the recording ended; undefined when the segment does not tell. Unpacks the last block only. */
export function endOf(segment: Uint8Array): RecordingEnd | undefined {
  const bytes = asBuffer(segment);
  let last: Block | undefined;
  for (const part of new SegmentReader().push(bytes)) if (part.type === 'block') last = part;
  if (last === undefined) return undefined;
  const block = last;
  return fromFrames(() => {
    let found: RecordingEnd | undefined;
    const stored = bytes.subarray(block.offset + BLOCK_HEADER_BYTES, block.end);
    for (const frame of readFrames(unpackBlock(stored, block), block.at))
      found = frame.type === 'end' ? frame.end : undefined;
    return found;
  });
}

function fromFrames<T>(read: () => T | undefined): T | undefined {
  try {
    return read();
  } catch (error) {
    if (isCode(error, 'CORRUPT')) return undefined;
    throw error;
  }
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function refuse(what: string): GatehouseError {
  return new GatehouseError('BAD_REQUEST', `recording: ${what}`);
}
