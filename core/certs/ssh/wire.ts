// The SSH wire types (RFC 4251 section 5), bounded. Separate from what is built of them: certificates, keys,
// signatures and agents all read and write these.
import type { Refuse } from '../refusal.ts';
import { decodeUtf8 } from '../text-rules.ts';

/** Reads bytes of a stranger: every call throws `refuse('malformed' | 'too-large' | 'trailing-bytes')` on bad input. */
export class WireReader {
  readonly #bytes: Buffer;
  readonly #refuse: Refuse;
  #at = 0;

  constructor(bytes: Uint8Array, refuse: Refuse) {
    this.#bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#refuse = refuse;
  }

  /** How many bytes were read. */
  get position(): number {
    return this.#at;
  }

  get isDone(): boolean {
    return this.#at === this.#bytes.length;
  }

  uint32(what: string): number {
    return this.#bytes.readUInt32BE(this.#advance(4, what));
  }

  uint64(what: string): bigint {
    return this.#bytes.readBigUInt64BE(this.#advance(8, what));
  }

  raw(length: number, what: string): Uint8Array {
    const start = this.#advance(length, what);
    return this.#bytes.subarray(start, start + length);
  }

  /** A `string`: a view on the input, not a copy. */
  bytes(what: string, maxBytes: number): Uint8Array {
    const length = this.uint32(what);
    if (length > maxBytes) throw this.#refuse('too-large', `${what} has more than ${maxBytes} bytes`);
    const start = this.#advance(length, what);
    return this.#bytes.subarray(start, start + length);
  }

  text(what: string, maxBytes: number): string {
    return decodeUtf8(this.bytes(what, maxBytes), what, this.#refuse);
  }

  /** A positive `mpint` as its magnitude, refused unless it is in the one shortest form. */
  mpint(what: string, maxBytes: number): Uint8Array {
    const bytes = this.bytes(what, maxBytes + 1);
    const first = bytes[0];
    if (first === undefined) throw this.#refuse('malformed', `${what} is zero`);
    if (first >= 0x80) throw this.#refuse('malformed', `${what} is negative`);
    if (first !== 0) return bytes;
    if ((bytes[1] ?? 0) < 0x80) throw this.#refuse('malformed', `${what} has needless leading zeros`);
    return bytes.subarray(1);
  }

  end(what: string): void {
    if (!this.isDone) throw this.#refuse('trailing-bytes', `${what} has bytes after its end`);
  }

  #advance(length: number, what: string): number {
    const start = this.#at;
    if (length > this.#bytes.length - start) throw this.#refuse('malformed', `${what} is cut short`);
    this.#at = start + length;
    return start;
  }
}

/** Builds wire bytes in one growing buffer. */
export class WireWriter {
  #buffer: Buffer;
  #at = 0;

  constructor(expectedBytes = 1024) {
    this.#buffer = Buffer.allocUnsafe(expectedBytes);
  }

  uint32(value: number): this {
    const start = this.#advance(4);
    this.#buffer.writeUInt32BE(value, start);
    return this;
  }

  uint64(value: bigint): this {
    const start = this.#advance(8);
    this.#buffer.writeBigUInt64BE(value, start);
    return this;
  }

  raw(bytes: Uint8Array): this {
    const start = this.#advance(bytes.length);
    this.#buffer.set(bytes, start);
    return this;
  }

  string(value: Uint8Array | string): this {
    if (typeof value !== 'string') return this.uint32(value.length).raw(value);
    const length = Buffer.byteLength(value);
    this.uint32(length);
    const start = this.#advance(length);
    this.#buffer.write(value, start, 'utf8');
    return this;
  }

  /** A non-negative integer given as its big-endian magnitude. */
  mpint(magnitude: Uint8Array): this {
    let start = 0;
    while (start < magnitude.length && magnitude[start] === 0) start++;
    const body = magnitude.subarray(start);
    if ((body[0] ?? 0) < 0x80) return this.string(body);
    return this.uint32(body.length + 1)
      .raw(Uint8Array.of(0))
      .raw(body);
  }

  /** A `string` whose content `write` adds to this same writer. */
  nested(write: (writer: this) => void): this {
    const mark = this.#advance(4);
    write(this);
    this.#buffer.writeUInt32BE(this.#at - mark - 4, mark);
    return this;
  }

  /** What was written so far, as a view that further writes may outgrow but do not change. */
  view(): Uint8Array {
    return this.#buffer.subarray(0, this.#at);
  }

  /** A copy that holds nothing else. */
  finish(): Uint8Array {
    return new Uint8Array(this.view());
  }

  #advance(length: number): number {
    const start = this.#at;
    const end = start + length;
    if (end > this.#buffer.length) {
      const grown = Buffer.allocUnsafe(Math.max(end, this.#buffer.length * 2));
      this.#buffer.copy(grown, 0, 0, start);
      this.#buffer = grown;
    }
    this.#at = end;
    return start;
  }
}
