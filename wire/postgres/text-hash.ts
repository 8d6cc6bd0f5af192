// SHA-256 of one text within a message that is too long to be held: what was cut off in the audit log can still be proven.
import { createHash, type Hash } from 'node:crypto';

export class TextHash {
  readonly #hash: Hash = createHash('sha256');
  #textsBefore: number;
  #bytes = 0;
  #isOver = false;

  /** `textsBefore`: how many zero-ended texts come before the one that is meant. */
  constructor(textsBefore: number) {
    this.#textsBefore = textsBefore;
  }

  /** The content of the message, in order. */
  add(bytes: Buffer, start: number, end: number): void {
    let at = start;
    while (!this.#isOver && at < end) {
      const zero = bytes.indexOf(0, at);
      const isHere = zero >= 0 && zero < end;
      const stop = isHere ? zero : end;
      if (this.#textsBefore === 0) {
        this.#hash.update(bytes.subarray(at, stop));
        this.#bytes += stop - at;
        this.#isOver = isHere;
      } else if (isHere) this.#textsBefore--;
      at = stop + 1;
    }
  }

  /** Once; as the field `cut` of events says it. */
  finish(): string {
    return `${this.#bytes} bytes, sha256 ${this.#hash.digest('hex')}`;
  }
}
