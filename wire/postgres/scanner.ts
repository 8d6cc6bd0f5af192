// Finds the messages in a stream of the PostgreSQL protocol, whatever the pieces it comes in. Reads a copy: the bytes
// themselves go on elsewhere. On the hot path of every query, so it makes nothing for messages that nobody wants.
import { malformed } from './malformed.ts';

/** What is told of messages. Throwing ends the scan: use malformed(). */
export interface MessageListener {
  /**
   * A message of this type with so many bytes of content begins. Returns how many of its first bytes are wanted; -1: the
   * message is of no interest, and `message` is not called.
   */
  begin(type: number, length: number): number;
  /**
   * The whole message went by. The wanted bytes are `bytes[start, end)`, valid during the call; `length` is what
   * the content had in all.
   */
  message(type: number, bytes: Buffer, start: number, end: number, length: number): void;
  /** Before `message`, where the content is longer than what is wanted: all of it, piece by piece. */
  piece(type: number, bytes: Buffer, start: number, end: number): void;
}

const HEADER_BYTES = 5;
const LENGTH_BYTES = 4;
const FIRST_HELD_BYTES = 1024;
const MAX_KEPT_BYTES = 64 * 1024;

export class MessageScanner {
  readonly #listener: MessageListener;
  readonly #header = Buffer.alloc(HEADER_BYTES);
  #headerBytes = 0;
  #type = 0;
  #length = 0;
  /** Content that is still to come. */
  #left = 0;
  #wanted = -1;
  #held = Buffer.alloc(0);
  #heldBytes = 0;

  constructor(listener: MessageListener) {
    this.#listener = listener;
  }

  /** Whether the next byte begins a message. */
  get isBetween(): boolean {
    return this.#left === 0 && this.#headerBytes === 0;
  }

  /** BAD_REQUEST where it is no such protocol; the scanner cannot be used afterwards. */
  scan(bytes: Buffer): void {
    let at = 0;
    const end = bytes.length;
    if (this.#left > 0) at = this.#goOn(bytes, 0);
    while (at < end) {
      if (this.#headerBytes === 0 && end - at >= HEADER_BYTES) {
        this.#start(bytes[at] ?? 0, bytes.readUInt32BE(at + 1));
        at += HEADER_BYTES;
      } else {
        at = this.#collectHeader(bytes, at);
        if (this.#headerBytes < HEADER_BYTES) return;
        this.#headerBytes = 0;
        this.#start(this.#header[0] ?? 0, this.#header.readUInt32BE(1));
      }
      at = this.#content(bytes, at);
    }
  }

  #collectHeader(bytes: Buffer, from: number): number {
    const copied = bytes.copy(this.#header, this.#headerBytes, from);
    this.#headerBytes += copied;
    return from + copied;
  }

  #start(type: number, length: number): void {
    if (length < LENGTH_BYTES) throw malformed('a length is too small');
    this.#type = type;
    this.#length = length - LENGTH_BYTES;
    this.#left = this.#length;
    this.#wanted = Math.min(this.#listener.begin(type, this.#length), this.#length);
    this.#heldBytes = 0;
  }

  #content(bytes: Buffer, at: number): number {
    const here = bytes.length - at;
    if (here < this.#left || (this.#wanted >= 0 && this.#wanted < this.#length)) return this.#goOn(bytes, at);
    const next = at + this.#left;
    this.#left = 0;
    if (this.#wanted >= 0) this.#listener.message(this.#type, bytes, at, next, this.#length);
    return next;
  }

  /** A message that is in pieces, or of which only the beginning is wanted. */
  #goOn(bytes: Buffer, from: number): number {
    const next = Math.min(bytes.length, from + this.#left);
    this.#left -= next - from;
    if (this.#wanted < 0) return next;
    this.#hold(bytes, from, next);
    if (this.#wanted < this.#length) this.#listener.piece(this.#type, bytes, from, next);
    if (this.#left > 0) return next;
    this.#listener.message(this.#type, this.#held, 0, this.#heldBytes, this.#length);
    if (this.#held.length > MAX_KEPT_BYTES) this.#held = Buffer.alloc(0);
    return next;
  }

  #hold(bytes: Buffer, from: number, to: number): void {
    const end = Math.min(to, from + this.#wanted - this.#heldBytes);
    const needed = this.#heldBytes + end - from;
    if (needed > this.#held.length) {
      // By what has come, never by what a length says.
      const larger = Buffer.allocUnsafe(Math.min(Math.max(FIRST_HELD_BYTES, needed * 2), this.#wanted));
      this.#held.copy(larger, 0, 0, this.#heldBytes);
      this.#held = larger;
    }
    bytes.copy(this.#held, this.#heldBytes, from, end);
    this.#heldBytes = needed;
  }
}
