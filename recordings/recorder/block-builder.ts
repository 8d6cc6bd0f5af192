// Collects frames into the block that is packed next. The buffer starts small and grows, because most sessions are idle
// most of the time and there are many of them.
import { MAX_FRAME_OVERHEAD, writeFrame, type FrameType } from '../format/frames.ts';
import { MAX_BLOCK_BYTES } from '../format/segment.ts';

/** Output is cut into blocks of this size. */
export const BLOCK_BYTES = 128 * 1024;
/** Room beyond it for one large event and the end, which are not cut. */
const MAX_LARGE_FRAME = MAX_BLOCK_BYTES - BLOCK_BYTES - MAX_FRAME_OVERHEAD;
const FIRST_BYTES = 1024;
const GROWTH = 4;
/** A smaller rest of a block is not worth a frame. */
const MIN_PIECE = 64;

export class BlockBuilder {
  #buffer: Buffer;
  #length = 0;
  #lastAt: number;
  /** Of the first frame. */
  readonly at: number;
  /** Output in the block, and output that a gap in it tells to be missing: what the next gap tells if this is lost. */
  outputBytes = 0;
  gapBytes = 0;

  constructor(at: number, spare?: Buffer) {
    this.at = at;
    this.#lastAt = at;
    this.#buffer = spare ?? Buffer.allocUnsafe(FIRST_BYTES);
  }

  /** How many bytes of output may be added; 0 when it is time for another block. */
  get room(): number {
    const room = BLOCK_BYTES - this.#length - MAX_FRAME_OVERHEAD;
    return room < MIN_PIECE ? 0 : room;
  }

  get isFull(): boolean {
    return this.room === 0;
  }

  get lastAt(): number {
    return this.#lastAt;
  }

  /** Valid until the next `add`. */
  get bytes(): Buffer {
    return this.#buffer.subarray(0, this.#length);
  }

  /** The buffer itself, to be used again once `bytes` is no longer needed. */
  get buffer(): Buffer {
    return this.#buffer;
  }

  /** At most `room` bytes of output, or one frame of another type that is no larger than an event may be. */
  add(type: FrameType, at: number, data: Uint8Array): void {
    if (data.length > MAX_LARGE_FRAME && data.length > this.room)
      throw new RangeError(`a frame of ${data.length} bytes`);
    this.#grow(this.#length + MAX_FRAME_OVERHEAD + data.length);
    const now = Math.max(at, this.#lastAt);
    this.#length = writeFrame(this.#buffer, this.#length, { type, deltaMs: now - this.#lastAt, data });
    this.#lastAt = now;
  }

  #grow(needed: number): void {
    if (needed <= this.#buffer.length) return;
    let size = this.#buffer.length;
    while (size < needed) size *= GROWTH;
    const limit = needed <= BLOCK_BYTES ? BLOCK_BYTES : MAX_BLOCK_BYTES;
    const larger = Buffer.allocUnsafe(Math.min(size, limit));
    this.#buffer.copy(larger, 0, 0, this.#length);
    this.#buffer = larger;
  }
}
