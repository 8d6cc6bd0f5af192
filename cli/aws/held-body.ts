// Bodies whose hash has to be known before they can be passed on: kept in memory while they are small, else in a file that
// has no name any more. Few programs send such bodies: S3 says in its headers what the body will be.
import { createHash, randomBytes } from 'node:crypto';
import { open, rm, type FileHandle } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { awsFault } from '#core/aws/fault.ts';

const MOST_IN_MEMORY = 1024 * 1024;
const MOST_BYTES = 512 * 1024 * 1024;
const READ_BYTES = 256 * 1024;

export interface HeldBody {
  /** SHA-256 in hex. */
  readonly hash: string;
  readonly length: number;
  /** Once. */
  read(): AsyncIterable<Uint8Array>;
  /** Frees what it holds; to be called in every case. */
  close(): Promise<void>;
}

/** TOO_LARGE beyond 512 MiB. Rejects with the error of the source. */
export async function holdBody(source: AsyncIterable<Uint8Array>): Promise<HeldBody> {
  const hash = createHash('sha256');
  const parts: Uint8Array[] = [];
  let length = 0;
  let file: FileHandle | undefined;
  try {
    for await (const part of source) {
      hash.update(part);
      length += part.length;
      if (length > MOST_BYTES) {
        throw awsFault(
          'TOO_LARGE',
          'RequestEntityTooLarge',
          'the body has more than 512 MiB and says no hash of itself',
        );
      }
      if (file !== undefined) await file.write(part);
      else parts.push(part);
      if (file === undefined && length > MOST_IN_MEMORY) file = await spill(parts.splice(0));
    }
  } catch (error) {
    await file?.close();
    throw error;
  }
  const held = file;
  return {
    hash: hash.digest('hex'),
    length,
    read: () => (held === undefined ? fromMemory(parts) : fromFile(held)),
    close: async () => held?.close(),
  };
}

async function spill(parts: readonly Uint8Array[]): Promise<FileHandle> {
  const path = join(tmpdir(), `gate-${randomBytes(12).toString('hex')}`);
  const file = await open(path, 'wx+', 0o600);
  try {
    await rm(path);
    for (const part of parts) await file.write(part);
    return file;
  } catch (error) {
    await file.close();
    throw error;
  }
}

async function* fromMemory(parts: readonly Uint8Array[]): AsyncGenerator<Uint8Array> {
  yield* parts;
}

async function* fromFile(file: FileHandle): AsyncGenerator<Uint8Array> {
  for (let at = 0; ;) {
    const { bytesRead, buffer } = await file.read(Buffer.allocUnsafe(READ_BYTES), 0, READ_BYTES, at);
    if (bytesRead === 0) return;
    at += bytesRead;
    yield buffer.subarray(0, bytesRead);
  }
}
