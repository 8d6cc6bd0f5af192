// Packs blocks with zstd level 1: of what Node offers it costs the least by far for what a terminal shows (numbers in
// docs/reference/recording-format.md). Compressors are kept and used again, because making one costs more than a block.
import { constants, createZstdCompress, type ZstdCompress } from 'node:zlib';
import { encodeBlock, MAX_BLOCK_BYTES } from './segment.ts';

const LEVEL = 1;
/** At once, for all sessions of a process; each holds about 350 KB. */
const COMPRESSORS = 2;
/** Room for any packed block, so that each takes one trip to the thread pool. */
const OUTPUT_BYTES = MAX_BLOCK_BYTES / 2 + 8192;

interface Job {
  readonly raw: Uint8Array;
  readonly resolve: (packed: Uint8Array | undefined) => void;
}

/** Shared by all recorders of a process; off the event loop, in the order of the calls. */
export class Packer {
  readonly #free: ZstdCompress[] = [];
  #made = 0;
  readonly #waiting: Job[] = [];

  /** A block of `raw` (1 to MAX_BLOCK_BYTES) as it is stored. `raw` must not change until it resolves. */
  async pack(raw: Uint8Array, at: number): Promise<Buffer> {
    const packed = await new Promise<Uint8Array | undefined>((resolve) => {
      this.#waiting.push({ raw, resolve });
      this.#next();
    });
    const about = { at, rawLength: raw.length };
    return packed !== undefined && packed.length < raw.length
      ? encodeBlock(packed, { ...about, encoding: 'zstd' })
      : encodeBlock(raw, { ...about, encoding: 'stored' });
  }

  #next(): void {
    const compressor = this.#free.pop() ?? this.#make();
    const job = compressor === undefined ? undefined : this.#waiting.shift();
    if (compressor !== undefined && job !== undefined) this.#run(compressor, job);
    else if (compressor !== undefined) this.#free.push(compressor);
  }

  #make(): ZstdCompress | undefined {
    if (this.#made === COMPRESSORS) return undefined;
    this.#made++;
    return createZstdCompress({
      chunkSize: OUTPUT_BYTES,
      // Each write is a whole frame of zstd of its own.
      flush: constants.ZSTD_e_end,
      params: { [constants.ZSTD_c_compressionLevel]: LEVEL },
    });
  }

  #run(compressor: ZstdCompress, { raw, resolve }: Job): void {
    const pieces: Buffer[] = [];
    const collect = (piece: Buffer): void => {
      pieces.push(piece);
    };
    const settle = (error?: Error | null): void => {
      compressor.off('data', collect).off('error', settle);
      if (error === undefined || error === null) {
        this.#free.push(compressor);
        resolve(pieces.length === 1 ? pieces[0] : Buffer.concat(pieces));
      } else {
        // Without it the block is stored as it is: larger, but nothing is lost.
        compressor.destroy();
        this.#made--;
        resolve(undefined);
      }
      this.#next();
    };
    compressor.on('data', collect).on('error', settle);
    compressor.write(raw, settle);
  }

  /** After the last `pack` has resolved. */
  close(): void {
    for (const compressor of this.#free.splice(0)) compressor.destroy();
  }
}
