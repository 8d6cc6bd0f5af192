// The last output of a session, so that those who join see where they are. Bounded, and made at the first output.

const KEPT_BYTES = 4096;
const LINE_FEED = 0x0a;

export class OutputTail {
  #bytes: Buffer | undefined;
  #length = 0;
  #isCut = false;

  /** `data` is copied. */
  add(data: Uint8Array): void {
    const bytes = (this.#bytes ??= Buffer.allocUnsafeSlow(KEPT_BYTES));
    const kept = data.length > KEPT_BYTES ? data.subarray(data.length - KEPT_BYTES) : data;
    const excess = this.#length + kept.length - KEPT_BYTES;
    if (excess > 0) {
      bytes.copyWithin(0, excess, this.#length);
      this.#length -= excess;
      this.#isCut = true;
    }
    bytes.set(kept, this.#length);
    this.#length += kept.length;
  }

  /** From the beginning of a line, where something is missing before it: half a control sequence would show as text. */
  read(): Buffer {
    const all = (this.#bytes ?? Buffer.alloc(0)).subarray(0, this.#length);
    return this.#isCut ? all.subarray(all.indexOf(LINE_FEED) + 1) : all;
  }
}
