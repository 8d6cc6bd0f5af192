// Standard input and output of this process joined with a connection, as ssh wants it of a ProxyCommand. On streams of
// our own over the descriptors: the ones of the process write to pipes one call at a time and wait for each.
import { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { letGo } from '#wire/let-go.ts';

const BUFFER_BYTES = 128 * 1024;

/** Resolves when the connection has ended or nobody reads any more; both are closed then. */
export function joinStdio(connection: Duplex): Promise<void> {
  return new Promise((resolve) => {
    const output = new Socket({ fd: 1, readable: false, writable: true });
    const buffer = Buffer.allocUnsafe(BUFFER_BYTES);
    const input = new Socket({
      fd: 0,
      readable: true,
      writable: false,
      onread: {
        buffer,
        callback(size) {
          // Copied, because the buffer is filled again at once.
          return connection.write(Buffer.from(buffer.subarray(0, size)));
        },
      },
    });
    const end = (): void => {
      connection.destroy();
      input.destroy();
      output.end(() => resolve());
    };
    connection.on('drain', () => input.resume());
    connection.on('data', (bytes: Buffer) => {
      if (!output.write(bytes, (error) => error ?? letGo(bytes))) connection.pause();
    });
    output.on('drain', () => connection.resume());
    input.once('end', () => connection.end());
    input.once('error', end);
    output.once('error', () => {
      connection.destroy();
      input.destroy();
      resolve();
    });
    connection.once('end', end);
    connection.once('close', end);
    input.resume();
  });
}
