// Reads the content of one message: numbers, and texts that end with a zero byte. Bounded by the message; what reaches
// beyond it is malformed.
import { isUtf8 } from 'node:buffer';
import { malformed } from './malformed.ts';

export class Content {
  readonly #bytes: Buffer;
  readonly #end: number;
  #at: number;

  constructor(bytes: Buffer, start: number, end: number) {
    this.#bytes = bytes;
    this.#at = start;
    this.#end = end;
  }

  get left(): number {
    return this.#end - this.#at;
  }

  byte(): number {
    return this.#bytes[this.#take(1)] ?? 0;
  }

  int16(): number {
    return this.#bytes.readInt16BE(this.#take(2));
  }

  uint16(): number {
    return this.#bytes.readUInt16BE(this.#take(2));
  }

  int32(): number {
    return this.#bytes.readInt32BE(this.#take(4));
  }

  uint32(): number {
    return this.#bytes.readUInt32BE(this.#take(4));
  }

  /** A view of the next bytes. */
  bytes(length: number): Buffer {
    const at = this.#take(length);
    return this.#bytes.subarray(at, at + length);
  }

  /** Up to a zero byte, which is passed over. */
  text(): string {
    const zero = this.#bytes.indexOf(0, this.#at);
    if (zero < 0 || zero >= this.#end) throw malformed('a text has no end');
    const from = this.#at;
    this.#at = zero + 1;
    return textOf(this.#bytes, from, zero);
  }

  skip(length: number): void {
    this.#take(length);
  }

  /** Nothing may follow. */
  finish(): void {
    if (this.#at !== this.#end) throw malformed('a message is longer than what is in it');
  }

  #take(length: number): number {
    const at = this.#at;
    if (length < 0 || length > this.#end - at) throw malformed('a message is shorter than what is in it');
    this.#at = at + length;
    return at;
  }
}

/** Text of a session for people: as UTF-8, or byte by byte where it is none, so that nothing is left out. */
export function textOf(bytes: Buffer, start: number, end: number): string {
  const text = bytes.toString('utf8', start, end);
  if (!text.includes('\ufffd')) return text;
  return isUtf8(bytes.subarray(start, end)) ? text : bytes.toString('latin1', start, end);
}
