// Reads one segment from pieces of any size, in memory for two blocks. Damage is told with its place and length, and
// reading goes on at the next block that can be trusted.
import { isCode } from '#core/errors/error.ts';
import {
  BLOCK_HEADER_BYTES,
  BLOCK_MARKER,
  MAX_BLOCK_BYTES,
  MAX_HEADER_BYTES,
  MAX_SEGMENT_BYTES,
  MAX_SEGMENT_RAW_BYTES,
  parseBlockHeader,
  parseHeader,
  type BlockHeader,
  type SegmentHeader,
} from './segment.ts';
import { unpackBlock } from './unpack.ts';

export interface Block extends BlockHeader {
  readonly type: 'block';
  /** Where the block begins in the segment, and where the next one does. */
  readonly offset: number;
  readonly end: number;
  /** CORRUPT when it was changed. Valid until the next call of the reader. */
  unpack(): Buffer;
}

export interface Damage {
  readonly type: 'damage';
  readonly offset: number;
  readonly bytes: number;
  readonly what: string;
  /** Nothing good follows, and the segment may have been longer. */
  readonly isCut: boolean;
}

export type SegmentPart = { readonly type: 'header'; readonly header: SegmentHeader } | Block | Damage;

const INITIAL_BYTES = 4096;
/** Bytes that look like a block and are none; a segment with more of them is not damaged but made to cost time. */
const MAX_FALSE_MARKERS = 10_000;
const MAX_HELD = 2 * (MAX_BLOCK_BYTES + BLOCK_HEADER_BYTES + MAX_HEADER_BYTES);

/** Bytes that arrived and were not yet understood, in one buffer that grows to what it needs. */
class Window {
  #buffer = Buffer.allocUnsafe(INITIAL_BYTES);
  #start = 0;
  #end = 0;

  get bytes(): Buffer {
    return this.#buffer.subarray(this.#start, this.#end);
  }

  add(piece: Uint8Array): void {
    const length = this.#end - this.#start;
    if (this.#end + piece.length > this.#buffer.length) {
      let size = this.#buffer.length;
      while (size < length + piece.length) size *= 2;
      const target = size === this.#buffer.length ? this.#buffer : Buffer.allocUnsafe(size);
      this.#buffer.copy(target, 0, this.#start, this.#end);
      this.#buffer = target;
      this.#start = 0;
      this.#end = length;
    }
    this.#buffer.set(piece, this.#end);
    this.#end += piece.length;
  }

  drop(count: number): void {
    this.#start += count;
    if (this.#start === this.#end) this.#start = this.#end = 0;
  }
}

export class SegmentReader {
  readonly #window = new Window();
  /** Offset in the segment of the first byte of the window. */
  #offset = 0;
  #raw = 0;
  #state: 'header' | 'blocks' | 'over' = 'header';
  /** Where the damage that is being passed over began. */
  #damagedFrom: number | undefined;
  #falseMarkers = 0;

  /** Parts that became whole with `bytes`; take each before asking for the next. */
  *push(bytes: Uint8Array): Generator<SegmentPart> {
    // Pieces as large as a segment must not make the window large.
    for (let at = 0; at < bytes.length && this.#state !== 'over'; at += MAX_HELD) {
      this.#window.add(bytes.subarray(at, at + MAX_HELD));
      yield* this.#take();
    }
  }

  /** What is left when no more bytes come. */
  *finish(): Generator<SegmentPart> {
    if (this.#state === 'over') return;
    // Bytes that looked like the beginning of a block may hide whole ones behind them.
    while (this.#state === 'blocks' && this.#window.bytes.length > BLOCK_HEADER_BYTES) {
      this.#damagedFrom ??= this.#offset;
      this.#skip(1);
      yield* this.#take();
    }
    const left = this.#window.bytes.length;
    const from = this.#damagedFrom ?? this.#offset;
    const bytes = this.#offset + left - from;
    const what = this.#state === 'header' ? 'the header is cut off' : 'the end is cut off or unreadable';
    this.#state = 'over';
    if (bytes > 0 || what === 'the header is cut off')
      yield { type: 'damage', offset: from, bytes, what, isCut: true };
  }

  *#take(): Generator<SegmentPart> {
    if (this.#state === 'header') yield* this.#takeHeader();
    while (this.#state === 'blocks') {
      const bytes = this.#window.bytes;
      if (bytes.length < BLOCK_HEADER_BYTES) return;
      const header = parseBlockHeader(bytes, 0);
      if (header === undefined) {
        this.#damagedFrom ??= this.#offset;
        if (++this.#falseMarkers > MAX_FALSE_MARKERS) yield* this.#giveUp();
        else this.#skipToMarker();
        continue;
      }
      const length = BLOCK_HEADER_BYTES + header.storedLength;
      if (bytes.length < length) return;
      yield* this.#endDamage();
      yield* this.#takeBlock(header, bytes.subarray(BLOCK_HEADER_BYTES, length), length);
    }
  }

  *#takeHeader(): Generator<SegmentPart> {
    try {
      const found = parseHeader(this.#window.bytes);
      if (found === undefined) return;
      this.#skip(found.end);
      this.#state = 'blocks';
      yield { type: 'header', header: found.header };
    } catch (error) {
      if (!isCode(error, 'CORRUPT')) throw error;
      this.#damagedFrom = 0;
      this.#state = 'blocks';
      this.#skip(1);
    }
  }

  *#takeBlock(header: BlockHeader, stored: Buffer, length: number): Generator<SegmentPart> {
    const offset = this.#offset;
    const end = offset + length;
    this.#raw += header.rawLength;
    if (end > MAX_SEGMENT_BYTES || this.#raw > MAX_SEGMENT_RAW_BYTES) {
      this.#state = 'over';
      yield { type: 'damage', offset, bytes: length, what: 'larger than a segment may be', isCut: true };
      return;
    }
    yield { type: 'block', ...header, offset, end, unpack: () => unpackBlock(stored, header) };
    this.#skip(length);
  }

  *#endDamage(): Generator<SegmentPart> {
    if (this.#damagedFrom === undefined) return;
    const offset = this.#damagedFrom;
    this.#damagedFrom = undefined;
    yield { type: 'damage', offset, bytes: this.#offset - offset, what: 'no block', isCut: false };
  }

  *#giveUp(): Generator<SegmentPart> {
    const offset = this.#damagedFrom ?? this.#offset;
    const bytes = this.#offset + this.#window.bytes.length - offset;
    this.#state = 'over';
    yield { type: 'damage', offset, bytes, what: 'no blocks but much that looks like them', isCut: true };
  }

  /** To where the next block may begin; keeps what could be the first bytes of a marker. */
  #skipToMarker(): void {
    const bytes = this.#window.bytes;
    const at = bytes.indexOf(BLOCK_MARKER, 1);
    this.#skip(at === -1 ? Math.max(1, bytes.length - BLOCK_MARKER.length + 1) : at);
  }

  #skip(count: number): void {
    this.#window.drop(count);
    this.#offset += count;
  }
}
