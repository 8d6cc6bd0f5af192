// Newline-separated JSON from a stream, one value at a time, with a bound on a line.
import { GatehouseError } from '#core/errors/error.ts';

const MAX_LINE_BYTES = 16 * 1024 * 1024;

/** Throws UNAVAILABLE on a line that is too long, not JSON, or cut off at the end of the stream. */
export async function* readLines(body: AsyncIterable<Uint8Array>): AsyncIterable<unknown> {
  let rest: Buffer[] = [];
  let restSize = 0;
  for await (const part of body) {
    let start = 0;
    for (let end = part.indexOf(10); end !== -1; end = part.indexOf(10, start)) {
      yield parseLine(Buffer.concat([...rest, part.subarray(start, end)]));
      rest = [];
      restSize = 0;
      start = end + 1;
    }
    rest.push(Buffer.from(part.subarray(start)));
    restSize += part.length - start;
    if (restSize > MAX_LINE_BYTES)
      throw new GatehouseError('UNAVAILABLE', 'the server sent a line of more than 16 MiB');
  }
  if (restSize > 0)
    throw new GatehouseError('UNAVAILABLE', 'the stream of the server ended in the middle of a line');
}

function parseLine(line: Buffer): unknown {
  try {
    return JSON.parse(line.toString('utf8')) as unknown;
  } catch (error) {
    throw new GatehouseError('UNAVAILABLE', 'the server sent a line that is not JSON', { cause: error });
  }
}
