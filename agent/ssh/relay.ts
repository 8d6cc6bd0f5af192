// The first bytes of a TCP connection to the node: a relay header of a proxy, or SSH itself. Only a header that a proxy
// of the cluster signed for this node changes the address that a connection is taken to come from.
import type { Socket } from 'node:net';
import type { Clock } from '#core/clock.ts';
import { GatehouseError } from '#core/errors/error.ts';
import { MAX_RELAY_HEADER_BYTES, relayHeaderLength } from '#core/relay-header.ts';

/** A client that waits for the server to speak first gets SSH after this. Proxies write at once. */
const SILENCE_MS = 1000;
/** From the first byte of a header to its last. */
const HEADER_MS = 10_000;

/**
 * Takes the header off the front of `socket`, which must not be read by anybody else before: its bytes, or undefined
 * when there is none. What came after it is put back. UNAVAILABLE when the connection ends or dawdles first; the caller
 * destroys it.
 */
export function takeRelayHeader(socket: Socket, clock: Clock): Promise<Uint8Array | undefined> {
  return new Promise((resolve, reject) => {
    let bytes: Buffer = Buffer.alloc(0);
    const settle = (run: () => void): void => {
      timer.cancel();
      socket.off('readable', onReadable).off('end', onEnd).off('close', onEnd).off('error', onEnd);
      run();
    };
    const onReadable = (): void => {
      for (let part = read(socket); part !== undefined; part = read(socket)) {
        bytes = bytes.length === 0 ? part : Buffer.concat([bytes, part]);
        const length = relayHeaderLength(bytes);
        if (length === 'partial') continue;
        const isHeader = length !== 'absent';
        const rest = isHeader ? bytes.subarray(length) : bytes;
        settle(() => {
          if (rest.length > 0) socket.unshift(rest);
          resolve(isHeader ? bytes.subarray(0, length) : undefined);
        });
        return;
      }
      if (bytes.length > 0 && !isBegun) {
        isBegun = true;
        timer.cancel();
        timer = clock.after(HEADER_MS, () => onEnd());
      }
    };
    const onEnd = (): void =>
      settle(() => reject(new GatehouseError('UNAVAILABLE', 'the connection ended before it began')));
    let isBegun = false;
    let timer = clock.after(SILENCE_MS, () => settle(() => resolve(undefined)));
    socket.on('readable', onReadable).once('end', onEnd).once('close', onEnd).once('error', onEnd);
  });
}

/** No more than a header may have, so that a peer that sends much is not read ahead. */
function read(socket: Socket): Buffer | undefined {
  const size = Math.min(socket.readableLength, MAX_RELAY_HEADER_BYTES);
  return size === 0 ? undefined : ((socket.read(size) as Buffer | null) ?? undefined);
}
