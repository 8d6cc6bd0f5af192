// One line off the front of a stream that goes on as something else: bounded in bytes and in time.
import type { Duplex } from 'node:stream';
import type { Clock } from '#core/clock.ts';
import { GatehouseError } from '#core/errors/error.ts';

const NEWLINE = 0x0a;

export interface LineLimits {
  readonly clock: Clock;
  readonly maxBytes: number;
  readonly timeoutMs: number;
}

/**
 * The bytes before the first newline. Nobody else may have read the stream, and what comes after the line is put back for
 * who reads it next. TOO_LARGE without a newline in `maxBytes`, UNAVAILABLE when the stream ends or time is up first; the
 * caller destroys it.
 */
export function takeLine(stream: Duplex, { clock, maxBytes, timeoutMs }: LineLimits): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    let bytes: Buffer = Buffer.alloc(0);
    const settle = (run: () => void): void => {
      timer.cancel();
      stream.off('readable', onReadable).off('end', onEnd).off('close', onEnd).off('error', onEnd);
      run();
    };
    const fail = (code: 'UNAVAILABLE' | 'TOO_LARGE', message: string): void =>
      settle(() => reject(new GatehouseError(code, message)));
    const onReadable = (): void => {
      for (let part = readSome(stream, maxBytes); part !== undefined; part = readSome(stream, maxBytes)) {
        bytes = bytes.length === 0 ? part : Buffer.concat([bytes, part]);
        const end = bytes.indexOf(NEWLINE);
        if (end >= 0 && end <= maxBytes) {
          const rest = bytes.subarray(end + 1);
          settle(() => {
            if (rest.length > 0) stream.unshift(rest);
            resolve(bytes.subarray(0, end));
          });
          return;
        }
        if (bytes.length > maxBytes) {
          fail('TOO_LARGE', `the first line has more than ${maxBytes} bytes`);
          return;
        }
      }
    };
    const onEnd = (): void => fail('UNAVAILABLE', 'the connection ended before the first line');
    const timer = clock.after(timeoutMs, () => fail('UNAVAILABLE', 'the first line did not come in time'));
    stream.on('readable', onReadable).once('end', onEnd).once('close', onEnd).once('error', onEnd);
  });
}

function readSome(stream: Duplex, maxBytes: number): Buffer | undefined {
  const size = Math.min(stream.readableLength, maxBytes + 1);
  return size === 0 ? undefined : ((stream.read(size) as Buffer | null) ?? undefined);
}
