// The body of an answer as text and JSON, bounded. Apart from connection.ts because first contact reads one too.
import { GatehouseError, isCode } from '#core/errors/error.ts';

/** Answers to plain calls are at most this large; streams are read piecewise and have no such limit. */
const MAX_BODY_BYTES = 64 * 1024 * 1024;

/** Reads a whole answer as UTF-8; TOO_LARGE past the limit, UNAVAILABLE when it breaks off. */
export async function readText(
  body: AsyncIterable<Uint8Array>,
  maxBytes: number = MAX_BODY_BYTES,
): Promise<string> {
  const parts: Uint8Array[] = [];
  let size = 0;
  for await (const part of readParts(body)) {
    size += part.length;
    if (size > maxBytes) {
      throw new GatehouseError('TOO_LARGE', `the answer of the server is larger than ${maxBytes} bytes`);
    }
    parts.push(part);
  }
  return Buffer.concat(parts).toString('utf8');
}

/** The body piece by piece; UNAVAILABLE when it breaks off. */
export async function* readParts(body: AsyncIterable<Uint8Array>): AsyncIterable<Uint8Array> {
  try {
    yield* body;
  } catch (cause) {
    if (isCode(cause)) throw cause;
    throw new GatehouseError('UNAVAILABLE', 'the answer of the server broke off', { cause });
  }
}

/** Undefined when the text is not JSON, as the answer of something that is not a Gatehouse may be. */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}
