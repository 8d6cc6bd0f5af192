// Reads an answer of a bounded size; apart because the issuers and the API server are both asked with it.
import type { IncomingMessage } from 'node:http';
import { GatehouseError } from '#core/errors/error.ts';

/** The whole body as text; UNAVAILABLE when it is larger than `maxBytes`, errors of the connection as they come. */
export async function readBody(answer: IncomingMessage, maxBytes: number): Promise<string> {
  const parts: Buffer[] = [];
  let size = 0;
  for await (const part of answer as AsyncIterable<Buffer>) {
    size += part.length;
    if (size > maxBytes) {
      answer.destroy();
      throw new GatehouseError('UNAVAILABLE', `the answer has more than ${maxBytes} bytes`);
    }
    parts.push(part);
  }
  return Buffer.concat(parts).toString('utf8');
}
