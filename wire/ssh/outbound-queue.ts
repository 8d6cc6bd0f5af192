// Bytes of one channel that wait for its window or for the socket, in order, output and errors apart. Small writes are
// put together, so that what waits costs little more than its bytes.

interface Chunk {
  readonly isStderr: boolean;
  readonly data: Buffer;
  start: number;
  end: number;
}

const SMALL_CHUNK_BYTES = 512;
const LARGE_CHUNK_BYTES = 16 * 1024;

export class OutboundQueue {
  readonly #chunks: Chunk[] = [];
  #bytes = 0;

  get bytes(): number {
    return this.#bytes;
  }

  /** True when the next bytes go to standard error. */
  get isStderrNext(): boolean {
    return this.#chunks[0]?.isStderr ?? false;
  }

  /** Copies the data. */
  push(data: Uint8Array, isStderr: boolean): void {
    this.#bytes += data.length;
    let rest = data;
    const last = this.#chunks.at(-1);
    if (last !== undefined && last.isStderr === isStderr) {
      const fitting = rest.subarray(0, last.data.length - last.end);
      last.data.set(fitting, last.end);
      last.end += fitting.length;
      rest = rest.subarray(fitting.length);
    }
    if (rest.length === 0) return;
    const usual = Math.min(Math.max(this.#bytes, SMALL_CHUNK_BYTES), LARGE_CHUNK_BYTES);
    const chunk = Buffer.allocUnsafeSlow(Math.max(rest.length, usual));
    chunk.set(rest);
    this.#chunks.push({ isStderr, data: chunk, start: 0, end: rest.length });
  }

  /** Takes at most `most` bytes, all of one sort; the memory is not used again. */
  take(most: number): Uint8Array {
    const first = this.#chunks[0];
    if (first === undefined) return Buffer.alloc(0);
    const end = Math.min(first.end, first.start + most);
    const taken = first.data.subarray(first.start, end);
    first.start = end;
    this.#bytes -= taken.length;
    if (first.start === first.end) this.#chunks.shift();
    return taken;
  }

  clear(): void {
    this.#chunks.length = 0;
    this.#bytes = 0;
  }
}
