// Reads a file of lines in pieces of about 256 KiB that begin and end at line borders, from the front or from the back,
// so that a log of any size is walked in constant memory. Pieces that are known and not wanted are not read at all.
import type { FileHandle } from 'node:fs/promises';
import { diskError } from './disk.ts';
import { MAX_LINE_BYTES } from './record.ts';

const BLOCK_BYTES = 256 * 1024;
/** A "line" longer than any event is handed out in pieces of this size; no piece of it reads as an event. */
const MAX_BLOCK_BYTES = 2 * MAX_LINE_BYTES;
const SCRATCH_BYTES = 2 * BLOCK_BYTES;
const NEWLINE = 10;

/** Byte range; both ends are line borders. */
export interface Span {
  readonly start: number;
  readonly end: number;
}

export interface Block extends Span {
  /** Holds until the next block is asked for: the memory is used again. */
  readonly bytes: Buffer;
}

/** What is known of a file; see block-index.ts. All spans lie on line borders and do not overlap. */
export interface BlockMap {
  startingAt(position: number): Span | undefined;
  endingAt(position: number): Span | undefined;
  /** Start of the first known span at or after `position`; Infinity when none. */
  nextStart(position: number): number;
  /** End of the last known span at or before `position`; 0 when none. */
  previousEnd(position: number): number;
}

export interface Walk {
  readonly file: FileHandle;
  readonly span: Span;
  readonly known?: BlockMap | undefined;
  /** Known spans for which this is false are passed over. */
  readonly wanted?: ((known: Span) => boolean) | undefined;
}

/** Bytes `start` to `end`; shorter when the file is. They are put into `into` if it is given and large enough. */
export async function readExact(
  file: FileHandle,
  start: number,
  end: number,
  into?: Buffer,
): Promise<Buffer> {
  const length = Math.max(end - start, 0);
  const bytes =
    into !== undefined && into.length >= length ? into.subarray(0, length) : Buffer.allocUnsafe(length);
  let done = 0;
  try {
    while (done < bytes.length) {
      const { bytesRead } = await file.read(bytes, done, bytes.length - done, start + done);
      if (bytesRead === 0) break;
      done += bytesRead;
    }
  } catch (error) {
    throw diskError('read a log file', error);
  }
  return bytes.subarray(0, done);
}

/** Position right after the last newline before `size`; 0 when there is none. */
export async function lastLineEnd(file: FileHandle, size: number): Promise<number> {
  for (let end = size; end > 0; end -= BLOCK_BYTES) {
    const start = Math.max(0, end - BLOCK_BYTES);
    const at = (await readExact(file, start, end)).lastIndexOf(NEWLINE);
    if (at !== -1) return start + at + 1;
  }
  return 0;
}

/** Blocks from the front. A last line without a newline is left out. */
export async function* blocksForward({ file, span, known, wanted }: Walk): AsyncGenerator<Block> {
  const scratch = Buffer.allocUnsafe(Math.min(SCRATCH_BYTES, span.end - span.start));
  let position = span.start;
  while (position < span.end) {
    const next = known?.startingAt(position);
    if (next !== undefined && next.end <= span.end) {
      position = next.end;
      if (wanted?.(next) ?? true)
        yield { ...next, bytes: await readExact(file, next.start, next.end, scratch) };
      continue;
    }
    const border = Math.min(span.end, known?.nextStart(position + 1) ?? span.end);
    const block = await oneForward(file, position, border, scratch);
    if (block === undefined) return;
    position = block.end;
    yield block;
  }
}

async function oneForward(
  file: FileHandle,
  start: number,
  border: number,
  scratch: Buffer,
): Promise<Block | undefined> {
  for (let size = BLOCK_BYTES; ; size *= 4) {
    const bytes = await readExact(file, start, Math.min(border, start + size), scratch);
    const at = bytes.lastIndexOf(NEWLINE);
    if (at !== -1) return { start, end: start + at + 1, bytes: bytes.subarray(0, at + 1) };
    if (bytes.length < size) return undefined;
    if (size >= MAX_BLOCK_BYTES) return { start, end: start + bytes.length, bytes };
  }
}

/** Blocks from the back; `span.end` must be a line border. */
export async function* blocksBackward({ file, span, known, wanted }: Walk): AsyncGenerator<Block> {
  const scratch = Buffer.allocUnsafe(Math.min(SCRATCH_BYTES, span.end - span.start));
  let position = span.end;
  while (position > span.start) {
    const next = known?.endingAt(position);
    if (next !== undefined && next.start >= span.start) {
      position = next.start;
      if (wanted?.(next) ?? true)
        yield { ...next, bytes: await readExact(file, next.start, next.end, scratch) };
      continue;
    }
    const border = Math.max(span.start, known?.previousEnd(position - 1) ?? span.start);
    const block = await oneBackward(file, border, position, scratch);
    if (block.bytes.length === 0) return;
    position = block.start;
    yield block;
  }
}

async function oneBackward(file: FileHandle, border: number, end: number, scratch: Buffer): Promise<Block> {
  for (let size = BLOCK_BYTES; ; size *= 4) {
    const from = Math.max(border, end - size);
    const bytes = await readExact(file, from, end, scratch);
    if (from === border) return { start: from, end, bytes };
    const at = bytes.indexOf(NEWLINE);
    if (at !== -1 && at < bytes.length - 1)
      return { start: from + at + 1, end, bytes: bytes.subarray(at + 1) };
    if (size >= MAX_BLOCK_BYTES) return { start: from, end, bytes };
  }
}

/** Borders of the lines in a block, without their newlines, as offsets into its bytes. */
export function* linesOf(bytes: Buffer): Generator<Span> {
  let start = 0;
  while (start < bytes.length) {
    const at = bytes.indexOf(NEWLINE, start);
    const end = at === -1 ? bytes.length : at;
    yield { start, end };
    start = end + 1;
  }
}
