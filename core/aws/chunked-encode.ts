// Encoding aws-chunked: what an end that signs sends. Keeps no more than one chunk; pure.
import { createHash } from 'node:crypto';
import type { HeaderPair } from './canonical.ts';
import { chunkText, TRAILER_SIGNATURE, trailerText, type ChunkSigning } from './chunked-text.ts';
import { textSigner, type SigningCredentials } from './sigv4.ts';

/** Size of the chunks that the encoder makes; S3 wants at least 8 KiB. */
export const CHUNK_BYTES = 64 * 1024;

export interface ChunkedEncoder {
  /** Encoded pieces; up to CHUNK_BYTES stay inside. */
  push(bytes: Uint8Array): readonly Uint8Array[];
  /** The rest, the last chunk and the trailers. */
  end(trailers: readonly HeaderPair[]): readonly Uint8Array[];
}

export interface EncoderOptions {
  readonly trailer: boolean;
  /** Undefined: chunks are not signed. */
  readonly sign?: ChunkSigning & { readonly credentials: SigningCredentials };
}

export function openChunkedEncoder(options: EncoderOptions): ChunkedEncoder {
  const { sign } = options;
  const signer = sign && textSigner(sign.credentials, sign.scope, sign.amzDate);
  let previous = sign?.seed ?? '';
  let kept: Uint8Array[] = [];
  let size = 0;

  function nextSignature(text: string): string {
    previous = signer?.(text) ?? '';
    return previous.length > 64 ? previous.padEnd(144, '*') : previous;
  }

  function headOf(data: readonly Uint8Array[], length: number): Uint8Array {
    const hex = length.toString(16);
    if (sign === undefined) return Buffer.from(`${hex}\r\n`);
    const hash = createHash('sha256');
    for (const piece of data) hash.update(piece);
    const signature = nextSignature(chunkText(sign, previous, hash.digest('hex')));
    return Buffer.from(`${hex};chunk-signature=${signature}\r\n`);
  }

  function flush(out: Uint8Array[]): void {
    out.push(headOf(kept, size), ...kept, Buffer.from('\r\n'));
    kept = [];
    size = 0;
  }

  return {
    push(bytes) {
      const out: Uint8Array[] = [];
      for (let at = 0; at < bytes.length;) {
        const piece = bytes.subarray(at, at + CHUNK_BYTES - size);
        kept.push(piece);
        size += piece.length;
        at += piece.length;
        if (size === CHUNK_BYTES) flush(out);
      }
      return out;
    },
    end(trailers) {
      const out: Uint8Array[] = [];
      if (size > 0) flush(out);
      const lines = trailers.map(([name, value]) => `${name}:${value}\r\n`);
      const last = headOf([], 0);
      if (sign !== undefined && options.trailer)
        lines.push(`${TRAILER_SIGNATURE}:${nextSignature(trailerText(sign, previous, trailers))}\r\n`);
      out.push(last, Buffer.from(`${lines.join('')}\r\n`));
      return out;
    },
  };
}

/** Length of an encoded body of `length` bytes without trailers, signed with SigV4 or (`signed` false) not at all. */
export function encodedLength(length: number, signed: boolean): number {
  const extra = signed ? ';chunk-signature='.length + 64 : 0;
  const chunk = (size: number): number => size.toString(16).length + extra + 2 + size + 2;
  const rest = length % CHUNK_BYTES;
  return Math.floor(length / CHUNK_BYTES) * chunk(CHUNK_BYTES) + (rest > 0 ? chunk(rest) : 0) + chunk(0);
}
