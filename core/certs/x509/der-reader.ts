// Reads DER strictly: one tag byte, the shortest definite length, no bytes left over. BER variants are refused,
// because a second encoding of the same certificate is a second fingerprint of it.
import type { Refuse } from '../refusal.ts';
import { TAG } from './der.ts';
import { decodeOid } from './oid.ts';

export interface DerElement {
  readonly tag: number;
  readonly content: Uint8Array;
  /** Tag, length and content. */
  readonly whole: Uint8Array;
}

/** Reads the elements of one level. All views, no copies. Throws `refuse('malformed' | 'trailing-bytes')`. */
export class DerReader {
  readonly #bytes: Uint8Array;
  readonly #refuse: Refuse;
  #at = 0;

  constructor(bytes: Uint8Array, refuse: Refuse) {
    this.#bytes = bytes;
    this.#refuse = refuse;
  }

  get isDone(): boolean {
    return this.#at === this.#bytes.length;
  }

  /** The tag of the next element, undefined at the end. */
  get nextTag(): number | undefined {
    return this.#bytes[this.#at];
  }

  /** The next element, whatever it is. */
  any(what: string): DerElement {
    const start = this.#at;
    const tag = this.#bytes[start];
    if (tag === undefined) throw this.#refuse('malformed', `${what} is missing`);
    if ((tag & 0x1f) === 0x1f) throw this.#refuse('malformed', `${what} has a long tag`);
    const { length, headerBytes } = this.#length(start + 1, what);
    const from = start + 1 + headerBytes;
    if (length > this.#bytes.length - from) throw this.#refuse('malformed', `${what} is cut short`);
    this.#at = from + length;
    const content = this.#bytes.subarray(from, this.#at);
    return { tag, content, whole: this.#bytes.subarray(start, this.#at) };
  }

  element(tag: number, what: string): DerElement {
    if (this.nextTag !== tag) throw this.#refuse('malformed', `${what} is missing or of another type`);
    return this.any(what);
  }

  content(tag: number, what: string): Uint8Array {
    return this.element(tag, what).content;
  }

  /** A reader over the content of a constructed element. */
  inside(tag: number, what: string): DerReader {
    return new DerReader(this.content(tag, what), this.#refuse);
  }

  sequence(what: string): DerReader {
    return this.inside(TAG.sequence, what);
  }

  oid(what: string): string {
    return decodeOid(this.content(TAG.oid, what), this.#refuse);
  }

  /** A non-negative integer as its magnitude without leading zeros (zero is one zero byte). */
  unsigned(what: string, maxBytes: number): Uint8Array {
    const content = this.content(TAG.integer, what);
    const first = content[0];
    if (first === undefined || first >= 0x80) throw this.#refuse('malformed', `${what} is negative or empty`);
    if (first === 0 && content.length > 1 && (content[1] ?? 0) < 0x80) {
      throw this.#refuse('malformed', `${what} has needless leading zeros`);
    }
    const magnitude = first === 0 && content.length > 1 ? content.subarray(1) : content;
    if (magnitude.length > maxBytes)
      throw this.#refuse('malformed', `${what} has more than ${maxBytes} bytes`);
    return magnitude;
  }

  /** A BOOLEAN DEFAULT FALSE: in DER it is either absent or TRUE. */
  defaultFalse(what: string): boolean {
    if (this.nextTag !== TAG.boolean) return false;
    const content = this.content(TAG.boolean, what);
    if (content.length !== 1 || content[0] !== 0xff) throw this.#refuse('malformed', `${what} is not in DER`);
    return true;
  }

  /** A BIT STRING of whole bytes. */
  wholeBits(what: string): Uint8Array {
    const content = this.content(TAG.bitString, what);
    if (content.length < 2 || content[0] !== 0)
      throw this.#refuse('malformed', `${what} is not of whole bytes`);
    return content.subarray(1);
  }

  end(what: string): void {
    if (!this.isDone) throw this.#refuse('trailing-bytes', `${what} has bytes after its end`);
  }

  #length(at: number, what: string): { length: number; headerBytes: number } {
    const first = this.#bytes[at];
    if (first === undefined) throw this.#refuse('malformed', `${what} is cut short`);
    if (first < 0x80) return { length: first, headerBytes: 1 };
    const count = first & 0x7f;
    if (count === 0 || count > 3 || at + count >= this.#bytes.length) {
      throw this.#refuse('malformed', `${what} has a length that is not in DER`);
    }
    let length = 0;
    for (let i = 1; i <= count; i++) length = length * 256 + (this.#bytes[at + i] ?? 0);
    const shortest = length < 0x80 ? 0 : length < 0x100 ? 1 : length < 0x1_0000 ? 2 : 3;
    if (count !== shortest) throw this.#refuse('malformed', `${what} has a length that is not the shortest`);
    return { length, headerBytes: 1 + count };
  }
}
