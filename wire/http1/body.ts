// Follows a body through the bytes of a connection and says where it ends. Bytes go on as they are, in pieces of the
// buffers that they came in; only lines between chunks are written anew, so that the next reader sees no other ones.
import { GatehouseError } from '#core/errors/error.ts';
import type { Framing } from './framing.ts';
import { malformed, parseFields, writeFields, type Field } from './head.ts';

export interface BodyOptions {
  /** Of the fields after the last chunk, which go on. */
  readonly keepTrailer: (field: Field) => boolean;
  /** Only what is inside the chunks, for a receiver that knows no chunks. */
  readonly bare?: boolean;
}

export type Emit = (piece: Buffer) => void;

export interface BodyReader {
  /** Reads on at `at` and emits what belongs to the body; returns where it stopped. BAD_REQUEST for broken chunks. */
  read(bytes: Buffer, at: number, emit: Emit): number;
  readonly isDone: boolean;
  /** It has no end but that of the connection. */
  readonly isEndless: boolean;
}

const LF = 10;
const CR = 13;
const CRLF = Buffer.from('\r\n');
const MAX_SIZE_LINE = 300;
const MAX_TRAILER_BYTES = 8 * 1024;
/** Eight digits: a chunk of 4 GiB. Extensions have no control characters and are left out. */
const SIZE_LINE = /^([0-9a-fA-F]{1,8})(?:[\t ]*;[\t\x20-\x7e]*)?$/;
/** They would change what the message is, after it was judged. */
const NEVER_TRAILERS: ReadonlySet<string> = new Set([
  'content-length',
  'transfer-encoding',
  'host',
  'connection',
  'cookie',
  'authorization',
  'trailer',
  'upgrade',
]);

export function readBody(framing: Framing, options: BodyOptions): BodyReader {
  switch (framing.by) {
    case 'none':
      return new Counted(0);
    case 'length':
      return new Counted(framing.length);
    case 'close':
      return new Counted(Infinity);
    case 'chunks':
      return new Chunks(options);
  }
}

class Counted implements BodyReader {
  #left: number;

  constructor(length: number) {
    this.#left = length;
  }

  get isDone(): boolean {
    return this.#left === 0;
  }

  get isEndless(): boolean {
    return this.#left === Infinity;
  }

  read(bytes: Buffer, at: number, emit: Emit): number {
    const count = Math.min(this.#left, bytes.length - at);
    if (count === 0) return at;
    this.#left -= count;
    emit(at === 0 && count === bytes.length ? bytes : bytes.subarray(at, at + count));
    return at + count;
  }
}

class Chunks implements BodyReader {
  readonly isEndless = false;
  readonly #options: BodyOptions;
  /** What is expected: a line with a size, data, the line end after it, or the lines after the last chunk. */
  #state: 'size' | 'data' | 'data-end' | 'trailers' | 'done' = 'size';
  #left = 0;
  /** A line that has not ended yet. */
  #line = '';
  #trailers = '';

  constructor(options: BodyOptions) {
    this.#options = options;
  }

  get isDone(): boolean {
    return this.#state === 'done';
  }

  read(bytes: Buffer, at: number, emit: Emit): number {
    let next = at;
    while (next < bytes.length && this.#state !== 'done') {
      next = this.#state === 'data' ? this.#data(bytes, next, emit) : this.#takeLine(bytes, next, emit);
    }
    return next;
  }

  #data(bytes: Buffer, at: number, emit: Emit): number {
    const count = Math.min(this.#left, bytes.length - at);
    this.#left -= count;
    if (this.#left === 0) this.#state = 'data-end';
    emit(bytes.subarray(at, at + count));
    return at + count;
  }

  #takeLine(bytes: Buffer, at: number, emit: Emit): number {
    const end = bytes.indexOf(LF, at);
    const stop = end === -1 ? bytes.length : end + 1;
    const bound = this.#state === 'trailers' ? MAX_TRAILER_BYTES : MAX_SIZE_LINE;
    if (this.#line.length + stop - at > bound) throw malformed('a line between its chunks is too long');
    this.#line += bytes.toString('latin1', at, stop);
    if (end === -1) return stop;
    const line = this.#line;
    this.#line = '';
    if (line.charCodeAt(line.length - 2) !== CR)
      throw malformed('a line between its chunks has no proper end');
    this.#onLine(line.slice(0, -2), emit);
    return stop;
  }

  #onLine(line: string, emit: Emit): void {
    switch (this.#state) {
      case 'size':
        this.#begin(line, emit);
        return;
      case 'data-end':
        if (line !== '') throw malformed('a chunk is longer than it says');
        this.#state = 'size';
        if (this.#options.bare !== true) emit(CRLF);
        return;
      default:
        this.#trailer(line, emit);
    }
  }

  #begin(line: string, emit: Emit): void {
    const match = SIZE_LINE.exec(line);
    if (match === null) throw malformed('the size of a chunk is not understood');
    this.#left = Number.parseInt(match[1] ?? '', 16);
    this.#state = this.#left === 0 ? 'trailers' : 'data';
    if (this.#left > 0 && this.#options.bare !== true) emit(Buffer.from(`${this.#left.toString(16)}\r\n`));
  }

  #trailer(line: string, emit: Emit): void {
    if (line !== '') {
      this.#trailers += `${line}\r\n`;
      if (this.#trailers.length > MAX_TRAILER_BYTES)
        throw malformed('what follows its last chunk is too long');
      return;
    }
    this.#state = 'done';
    if (this.#options.bare === true) return;
    const kept = parseFields(this.#trailers).filter(
      (field) => !NEVER_TRAILERS.has(field.name) && this.#options.keepTrailer(field),
    );
    emit(Buffer.from(`0\r\n${writeFields(kept)}\r\n`, 'latin1'));
  }
}

/** For a body that ended before it was whole. */
export function cutShort(whose: string): GatehouseError {
  return new GatehouseError('UNAVAILABLE', `${whose} ended the connection in the middle of a message`);
}
