// Pours one stream into another, as node's pipeline does, but what arrives together leaves together: TLS gives its bytes in
// records of 16 KiB, and a system call for each is what costs.
import type { Readable, Writable } from 'node:stream';

/** More than this is written at once. */
const MOST_BYTES = 256 * 1024;

/** Resolves when all of `source` is out and `sink` has ended; rejects, with both destroyed, when either fails or closes. */
export function pour(source: Readable, sink: Writable): Promise<void> {
  return new Promise((resolve, reject) => {
    let pieces: Uint8Array[] = [];
    let size = 0;
    let isDue = false;
    let isOver = false;
    const flush = (): void => {
      isDue = false;
      if (isOver || size === 0) return;
      const [first] = pieces;
      const bytes = pieces.length === 1 && first !== undefined ? first : Buffer.concat(pieces, size);
      pieces = [];
      size = 0;
      if (!sink.write(bytes) && !source.readableEnded) source.pause();
    };
    const onData = (piece: Uint8Array): void => {
      pieces.push(piece);
      size += piece.length;
      if (size >= MOST_BYTES) flush();
      else if (!isDue) {
        isDue = true;
        setImmediate(flush);
      }
    };
    const onEnd = (): void => {
      flush();
      sink.end();
    };
    const onDrain = (): void => void source.resume();
    const over = (): void => {
      isOver = true;
      source.off('data', onData).off('end', onEnd).off('close', onSourceClose);
      sink.off('drain', onDrain).off('finish', onFinish).off('close', onSinkClose);
    };
    const fail = (error: Error): void => {
      if (isOver) return;
      over();
      source.destroy();
      sink.destroy();
      reject(error);
    };
    const onFinish = (): void => {
      over();
      resolve();
    };
    const onSourceClose = (): void => {
      if (!source.readableEnded) fail(new Error('the source was closed before its end'));
    };
    const onSinkClose = (): void => fail(new Error('the other side was closed before the end'));
    source.on('error', fail);
    sink.on('error', fail);
    sink.on('drain', onDrain).once('finish', onFinish).once('close', onSinkClose);
    source.on('data', onData).once('end', onEnd).once('close', onSourceClose);
  });
}
