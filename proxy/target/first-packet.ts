// The head of what a database client says first, read and put back: a request to cancel is not for the agent that a new
// connection would go to, but for the one that has the connection to be cancelled.
import type { Duplex } from 'node:stream';
import type { Clock } from '#core/clock.ts';
import { GatehouseError } from '#core/errors/error.ts';
import { CANCEL_REQUEST } from '#wire/postgres/protocol.ts';
import type { CancelKey } from './route.ts';

const HEAD_BYTES = 8;
const CANCEL_BYTES = 16;
const WAIT_MS = 10_000;

/**
 * The key when it is a request to cancel, undefined when it is anything else; then all of it is still to be read. Nobody
 * else may have read the stream. UNAVAILABLE when it ends before, or says nothing in ten seconds.
 */
export function takeCancel(stream: Duplex, clock: Clock): Promise<CancelKey | undefined> {
  return new Promise((resolve, reject) => {
    let bytes: Buffer = Buffer.alloc(0);
    const settle = (run: () => void): void => {
      timer.cancel();
      stream.off('readable', onReadable).off('end', onEnd).off('close', onEnd).off('error', onEnd);
      run();
    };
    const fail = (why: string): void => settle(() => reject(new GatehouseError('UNAVAILABLE', why)));
    const onEnd = (): void => fail('the client ended before it began');
    const onReadable = (): void => {
      for (let part = read(stream); part !== null; part = read(stream)) {
        bytes = bytes.length === 0 ? part : Buffer.concat([bytes, part]);
      }
      const isOfCancel = beginsAsCancel(bytes);
      if (isOfCancel === undefined || (isOfCancel && bytes.length < CANCEL_BYTES)) return;
      settle(() => {
        if (isOfCancel) resolve(readCancelKey(bytes));
        else {
          stream.unshift(bytes);
          resolve(undefined);
        }
      });
    };
    const timer = clock.after(WAIT_MS, () => fail('the client said nothing in ten seconds'));
    stream.on('readable', onReadable).once('end', onEnd).once('close', onEnd).once('error', onEnd);
  });
}

/** Of all sixteen bytes of a request to cancel. */
export function readCancelKey(bytes: Buffer): CancelKey {
  return { processId: bytes.readUInt32BE(8), secret: bytes.readUInt32BE(12) };
}

const read = (stream: Duplex): Buffer | null => stream.read() as Buffer | null;

/** Undefined until there are enough bytes to tell. */
function beginsAsCancel(bytes: Buffer): boolean | undefined {
  if (bytes.length < HEAD_BYTES) return undefined;
  return bytes.readUInt32BE(0) === CANCEL_BYTES && bytes.readUInt32BE(4) === CANCEL_REQUEST;
}
