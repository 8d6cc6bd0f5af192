// The conversation of SOCKS on a stream: reads who is to be reached, and answers once that is known.
import type { Duplex } from 'node:stream';
import type { Clock } from '#core/clock.ts';
import { GatehouseError } from '#core/errors/error.ts';
import { readSocks, type SocksMessage } from './socks.ts';

const HANDSHAKE_MS = 20_000;

export interface SocksRequest {
  readonly host: string;
  readonly port: number;
  /** Tells the client that the connection is there: what follows is the connection's. */
  grant(): void;
  /** Tells it that there is none, and ends the stream. */
  refuse(): void;
}

/** BAD_REQUEST when what comes is not SOCKS, UNAVAILABLE when it does not come; the caller destroys the stream then. */
export function takeSocksRequest(stream: Duplex, clock: Clock): Promise<SocksRequest> {
  return new Promise((resolve, reject) => {
    let bytes: Buffer = Buffer.alloc(0);
    let wants: SocksMessage['is'] = 'greeting';
    const settle = (run: () => void): void => {
      timer.cancel();
      stream.off('data', onData).off('end', onEnd).off('close', onEnd);
      stream.pause();
      run();
    };
    const onEnd = (): void =>
      settle(() => reject(new GatehouseError('UNAVAILABLE', 'SOCKS: the client left')));
    const onData = (part: Buffer): void => {
      bytes = Buffer.concat([bytes, part]);
      try {
        for (let found = readSocks(bytes, wants); found !== undefined; found = readSocks(bytes, wants)) {
          const message = found;
          bytes = bytes.subarray(message.used);
          if (message.is === 'request') {
            settle(() => {
              if (bytes.length > 0) stream.unshift(bytes);
              resolve(requestOf(stream, message));
            });
            return;
          }
          stream.write(message.reply);
          wants = 'request';
        }
      } catch (error) {
        settle(() => reject(error as Error));
      }
    };
    const timer = clock.after(HANDSHAKE_MS, onEnd);
    stream.on('data', onData).once('end', onEnd).once('close', onEnd);
  });
}

function requestOf(
  stream: Duplex,
  { host, port, granted, failed }: SocksMessage & { is: 'request' },
): SocksRequest {
  return {
    host,
    port,
    grant: () => void stream.write(granted),
    refuse: () => void stream.end(failed, () => stream.destroy()),
  };
}
