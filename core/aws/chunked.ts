// The body coding aws-chunked: chunks with a size, perhaps a signature each, perhaps trailers at the end. Decoding
// push by push, keeping nothing but a line; pure, so both ends of a relay and the fuzzer use it.
import { createHash, type Hash } from 'node:crypto';
import type { HeaderPair } from './canonical.ts';
import { chunkText, TRAILER_SIGNATURE, trailerText, type ChunkSigning } from './chunked-text.ts';
import { awsFault } from './fault.ts';

const MAX_LINE = 512;
const MAX_TRAILER_LINE = 4 * MAX_LINE;
const MAX_TRAILERS = 16;
const MAX_TRAILER_BYTES = 8 * 1024;
const SIZE_LINE = /^([0-9a-fA-F]{1,12})(?:;chunk-signature=([0-9a-f]{16,144})\**)?$/;
const TRAILER_LINE = /^([A-Za-z0-9!#$%&'*+.^_`|~-]{1,128}):[\t ]*([\x20-\x7e]{0,2048})$/;
const LF = 10;

export interface DecoderOptions {
  /** Whether chunks carry signatures; they must when it is true. */
  readonly signed: boolean;
  readonly trailer: boolean;
  /** x-amz-decoded-content-length where it was said: another length is refused. */
  readonly length?: number;
  /** Left out by an end that cannot know the keys: signatures are then read and dropped. */
  readonly verify?: ChunkSigning & { check(text: string, signature: string): boolean };
}

export interface ChunkedDecoder {
  /** Decoded pieces (views of `bytes`). Throws BAD_REQUEST or INVALID_CREDENTIALS with `details.aws`; not usable then. */
  push(bytes: Uint8Array): readonly Uint8Array[];
  /** Must be called at the end of the body; throws when it is not whole. */
  end(): void;
  /** Whole after end(); without the signature of the trailers. */
  readonly trailers: readonly HeaderPair[];
}

export function openChunkedDecoder(options: DecoderOptions): ChunkedDecoder {
  return new Decoder(options);
}

type State = 'size' | 'data' | 'data-end' | 'trailers' | 'done';

class Decoder implements ChunkedDecoder {
  readonly trailers: HeaderPair[] = [];
  readonly #options: DecoderOptions;
  readonly #chain: ChunkChain | undefined;
  #state: State = 'size';
  #line = '';
  #left = 0;
  #total = 0;
  #trailerBytes = 0;
  #trailersSigned: boolean;
  #signature = '';
  #hash: Hash | undefined;

  constructor(options: DecoderOptions) {
    this.#options = options;
    this.#chain = options.verify === undefined ? undefined : openChain(options.verify);
    this.#trailersSigned = !(options.signed && options.trailer);
  }

  push(bytes: Uint8Array): readonly Uint8Array[] {
    const out: Uint8Array[] = [];
    for (let at = 0; at < bytes.length;) {
      if (this.#state === 'done') throw malformed('there is more after the last chunk');
      at = this.#state === 'data' ? this.#readData(bytes, at, out) : this.#readLine(bytes, at);
    }
    return out;
  }

  end(): void {
    if (this.#state !== 'done') throw malformed('the body ends before its last chunk');
    if (this.#options.length !== undefined && this.#total !== this.#options.length) throw wrongLength();
  }

  #readData(bytes: Uint8Array, from: number, out: Uint8Array[]): number {
    const piece = bytes.subarray(from, from + this.#left);
    this.#hash?.update(piece);
    out.push(piece);
    this.#left -= piece.length;
    if (this.#left === 0) {
      this.#chunkDone();
      this.#state = 'data-end';
    }
    return from + piece.length;
  }

  #readLine(bytes: Uint8Array, from: number): number {
    const at = bytes.indexOf(LF, from);
    const until = at < 0 ? bytes.length : at;
    const limit = this.#state === 'trailers' ? MAX_TRAILER_LINE : MAX_LINE;
    if (this.#line.length + until - from > limit) throw malformed('a line is too long');
    this.#line += Buffer.from(bytes.buffer, bytes.byteOffset + from, until - from).toString('latin1');
    if (this.#state === 'trailers') {
      this.#trailerBytes += until - from + 1;
      if (this.#trailerBytes > MAX_TRAILER_BYTES) throw malformed('the trailers are too long');
    }
    if (at < 0) return until;
    const line = this.#line;
    this.#line = '';
    this.#onLine(line);
    return at + 1;
  }

  #onLine(line: string): void {
    const text = line.endsWith('\r') ? line.slice(0, -1) : line;
    if (this.#state === 'trailers') {
      this.#onTrailer(text);
      return;
    }
    if (text === line) throw malformed('a line does not end with CR LF');
    if (this.#state === 'size') this.#onSize(text);
    else if (text === '') this.#state = 'size';
    else throw malformed('a chunk is longer than its size');
  }

  #onSize(text: string): void {
    const [, size, signature] = SIZE_LINE.exec(text) ?? [];
    if (size === undefined) throw malformed('a chunk does not begin with its size');
    if (this.#options.signed !== (signature !== undefined))
      throw malformed(
        this.#options.signed ? 'a chunk is not signed' : 'a chunk has a signature that it must not',
      );
    this.#left = Number.parseInt(size, 16);
    this.#signature = signature ?? '';
    this.#total += this.#left;
    if (this.#options.length !== undefined && this.#total > this.#options.length) throw wrongLength();
    this.#hash = this.#chain === undefined ? undefined : createHash('sha256');
    if (this.#left > 0) {
      this.#state = 'data';
      return;
    }
    this.#chunkDone();
    this.#state = 'trailers';
  }

  #chunkDone(): void {
    if (this.#hash !== undefined) this.#chain?.chunk(this.#hash.digest('hex'), this.#signature);
  }

  #onTrailer(text: string): void {
    if (text === '') {
      // Some signers put an empty line between the trailers and their signature.
      if (this.#trailersSigned) this.#state = 'done';
      else if (this.trailers.length === 0) throw malformed('the trailers are not signed');
      return;
    }
    const [, name, value] = TRAILER_LINE.exec(text) ?? [];
    if (name === undefined || value === undefined) throw malformed('a trailer is malformed');
    if (!this.#options.trailer || this.trailers.length >= MAX_TRAILERS)
      throw malformed('there are trailers too many');
    if (this.#options.signed) this.#onSignedTrailer(name.toLowerCase(), value.trimEnd());
    else this.trailers.push([name.toLowerCase(), value.trimEnd()]);
  }

  #onSignedTrailer(name: string, value: string): void {
    if (this.#trailersSigned) throw malformed('a trailer follows the signature of the trailers');
    if (name !== TRAILER_SIGNATURE) {
      this.trailers.push([name, value]);
      return;
    }
    this.#chain?.trailers(this.trailers, value.replace(/\*+$/, ''));
    this.#trailersSigned = true;
  }
}

interface ChunkChain {
  chunk(hash: string, signature: string): void;
  trailers(pairs: readonly HeaderPair[], signature: string): void;
}

function openChain(verify: NonNullable<DecoderOptions['verify']>): ChunkChain {
  let previous = verify.seed;
  const check = (text: string, signature: string): void => {
    if (!verify.check(text, signature))
      throw awsFault(
        'INVALID_CREDENTIALS',
        'SignatureDoesNotMatch',
        'the signature of a chunk does not match',
      );
    previous = signature;
  };
  return {
    chunk: (hash, signature) => check(chunkText(verify, previous, hash), signature),
    trailers: (pairs, signature) => check(trailerText(verify, previous, pairs), signature),
  };
}

function malformed(what: string): Error {
  return awsFault('BAD_REQUEST', 'InvalidChunkSizeError', `the aws-chunked body is malformed: ${what}`);
}

function wrongLength(): Error {
  return awsFault(
    'BAD_REQUEST',
    'IncompleteBody',
    'the aws-chunked body is not as long as x-amz-decoded-content-length says',
  );
}
