// Random bytes for padding, taken in bulk: a call for each packet would cost a tenth of the whole write path. Not for
// keys.
import { randomFillSync } from 'node:crypto';

const POOL_BYTES = 8192;

class RandomPool {
  readonly #bytes = Buffer.allocUnsafeSlow(POOL_BYTES);
  #at = POOL_BYTES;

  /** Writes `count` (at most 255) random bytes; each byte is given out once. */
  fill(target: Buffer, start: number, count: number): void {
    if (this.#at + count > POOL_BYTES) {
      randomFillSync(this.#bytes);
      this.#at = 0;
    }
    this.#bytes.copy(target, start, this.#at, this.#at + count);
    this.#at += count;
  }
}

/** One for the process, as all connections share its randomness. */
export const padding = new RandomPool();
