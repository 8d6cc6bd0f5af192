// What the signatures of chunks and trailers are made over, for the encoder and the decoder of aws-chunked alike.
import { EMPTY_PAYLOAD_HASH, hashOf, type HeaderPair } from './canonical.ts';
import { scopeText, type SigningAlgorithm, type SigningScope } from './sigv4.ts';

export const TRAILER_SIGNATURE = 'x-amz-trailer-signature';

/** How chunks of one request are signed or checked. */
export interface ChunkSigning {
  readonly scope: SigningScope & { readonly algorithm: SigningAlgorithm };
  readonly amzDate: string;
  /** Signature of the request, from which those of its chunks follow. */
  readonly seed: string;
}

/** `hash` is SHA-256 of the chunk's data in hex. */
export function chunkText(signing: ChunkSigning, previous: string, hash: string): string {
  const { algorithm } = signing.scope;
  const scope = scopeText(signing.scope, signing.amzDate);
  return `${algorithm}-PAYLOAD\n${signing.amzDate}\n${scope}\n${previous}\n${EMPTY_PAYLOAD_HASH}\n${hash}`;
}

/** Names in lower case, values trimmed. */
export function trailerText(signing: ChunkSigning, previous: string, pairs: readonly HeaderPair[]): string {
  const { algorithm } = signing.scope;
  const text = pairs.map(([name, value]) => `${name.toLowerCase()}:${value}\n`).join('');
  const scope = scopeText(signing.scope, signing.amzDate);
  return `${algorithm}-TRAILER\n${signing.amzDate}\n${scope}\n${previous}\n${hashOf(text)}`;
}
