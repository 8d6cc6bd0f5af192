// Newline-separated JSON from a stream, one value at a time, with a bound on a line.
import { GatehouseError, isCode } from '#core/errors/error.ts';

const MAX_LINE_BYTES = 16 * 1024 * 1024;

/** Throws UNAVAILABLE on a line that is too long, not JSON, or cut off, and when the stream breaks. */
export async function* readLines(body: AsyncIterable<Uint8Array>): AsyncIterable<unknown> {
  const splitter = new LineSplitter();
  try {
    for await (const part of body) yield* splitter.push(part);
  } catch (cause) {
    if (isCode(cause) || (cause as NodeJS.ErrnoException).code === 'ABORT_ERR') throw cause;
    throw new GatehouseError('UNAVAILABLE', 'the stream of the server broke off', { cause });
  }
  splitter.end();
}

/** Bytes in, JSON values out. */
export class LineSplitter {
  #rest: Uint8Array[] = [];
  #restSize = 0;

  *push(part: Uint8Array): Iterable<unknown> {
    let start = 0;
    for (let end = part.indexOf(10); end !== -1; end = part.indexOf(10, start)) {
      const line = Buffer.concat([...this.#rest, part.subarray(start, end)]);
      this.#rest = [];
      this.#restSize = 0;
      start = end + 1;
      yield parseLine(line);
    }
    if (start === part.length) return;
    this.#rest.push(part.subarray(start));
    this.#restSize += part.length - start;
    if (this.#restSize > MAX_LINE_BYTES) {
      throw new GatehouseError('UNAVAILABLE', 'the server sent a line of more than 16 MiB');
    }
  }

  end(): void {
    if (this.#restSize === 0) return;
    throw new GatehouseError('UNAVAILABLE', 'the stream of the server ended in the middle of a line');
  }
}

function parseLine(line: Buffer): unknown {
  try {
    return JSON.parse(line.toString('utf8')) as unknown;
  } catch (cause) {
    throw new GatehouseError('UNAVAILABLE', 'the server sent a line that is not JSON', { cause });
  }
}
