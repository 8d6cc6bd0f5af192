// How streams and waits of a session end. Apart from the session because each is the same whichever side it is for.
import type { Duplex } from 'node:stream';
import type { Clock } from '#core/clock.ts';

/** What a server or client may take for its last bytes. */
const LINGER_MS = 5000;

/** Ends a stream, perhaps with last words; it is given a while for what waits in it. */
export function endStream(stream: Duplex, clock: Clock, lastWords?: Buffer): void {
  if (stream.destroyed) return;
  if (!stream.writable) {
    stream.destroy();
    return;
  }
  const timer = clock.after(LINGER_MS, () => stream.destroy());
  stream.once('close', () => timer.cancel());
  // Reading on is how its end is noticed.
  stream.removeAllListeners('data');
  stream.resume();
  stream.once('end', () => stream.destroy());
  if (stream.readableEnded) stream.once('finish', () => stream.destroy());
  if (lastWords === undefined) stream.end();
  else stream.end(lastWords);
}

/** Sends it and waits until the other side closes, or the signal. The stream is destroyed afterwards. */
export function sendAndClose(stream: Duplex, bytes: Buffer, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      stream.destroy();
      resolve();
    };
    stream.on('error', done);
    stream.once('close', done);
    // The server closes when it has passed the request on.
    stream.once('end', done);
    signal.addEventListener('abort', done, { once: true });
    stream.resume();
    stream.write(bytes);
  });
}

/** The same promise, or the signal's reason. */
export function within<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  promise.catch(() => undefined);
  return new Promise((resolve, reject) => {
    const onAbort = (): void => reject(signal.reason as Error);
    if (signal.aborted) return onAbort();
    signal.addEventListener('abort', onAbort, { once: true });
    promise.finally(() => signal.removeEventListener('abort', onAbort)).then(resolve, reject);
  });
}
