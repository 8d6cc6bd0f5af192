// Text that a command reads: a file that was named, or standard input. Bounded, and as text.
import { open } from 'node:fs/promises';
import { usage } from './arguments.ts';
import { GatehouseError } from '#core/errors/error.ts';
import type { Io } from './io.ts';
import { cannot } from './private-files.ts';

/** As much as a file of resources may have. */
const MAX_BYTES = 8 * 1024 * 1024;

export interface Input {
  readonly text: string;
  /** What to call it in messages. */
  readonly source: string;
}

/** `path` undefined or `-` reads standard input; USAGE when that is a terminal and nothing was named. */
export async function readInput(io: Io, path: string | undefined): Promise<Input> {
  if (path !== undefined && path !== '-') {
    const file = await open(path, 'r').catch((cause: unknown) => {
      throw cannot('read', path, cause);
    });
    try {
      return { source: path, text: await readText(file.createReadStream({ autoClose: false }), path) };
    } catch (error) {
      throw error instanceof GatehouseError ? error : cannot('read', path, error);
    } finally {
      await file.close();
    }
  }
  if (path === undefined && io.stdin.isTTY === true) {
    throw usage('name a file, or send the text to standard input');
  }
  return { source: 'standard input', text: await readText(io.stdin, 'standard input') };
}

async function readText(stream: AsyncIterable<string | Uint8Array>, source: string): Promise<string> {
  const parts: Buffer[] = [];
  let size = 0;
  for await (const chunk of stream) {
    const part = typeof chunk === 'string' ? Buffer.from(chunk) : Buffer.from(chunk);
    size += part.length;
    if (size > MAX_BYTES) throw new GatehouseError('TOO_LARGE', `${source} is larger than 8 MiB`);
    parts.push(part);
  }
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(Buffer.concat(parts));
  } catch {
    throw new GatehouseError('BAD_REQUEST', `${source} is not UTF-8 text`);
  }
}
