// For which host the first request on a connection is, without taking anything off it: where TLS said no name, this alone
// tells applications from the pages of the proxy.
import type { Socket } from 'node:net';
import type { Clock } from '#core/clock.ts';
import { hostOf } from '#wire/http1/framing.ts';
import { headEnd, parseRequestHead } from '#wire/http1/head.ts';

const PEEK_MS = 10_000;
const MAX_PEEK = 16 * 1024;

/**
 * Calls `then` in the same turn in which it is known, with the socket paused and all bytes in it. The host is undefined
 * when the request is none, has none, is too long or too slow: whoever serves it then says so.
 */
export function peekHost(socket: Socket, clock: Clock, then: (host: string | undefined) => void): void {
  let bytes: Buffer = Buffer.alloc(0);
  const settle = (host: string | undefined): void => {
    timer.cancel();
    socket.off('data', onData).off('end', onEnd).off('close', onEnd);
    socket.pause();
    if (bytes.length > 0) socket.unshift(bytes);
    then(host);
  };
  const onEnd = (): void => settle(undefined);
  const onData = (part: Buffer): void => {
    bytes = bytes.length === 0 ? part : Buffer.concat([bytes, part]);
    const host = hostIn(bytes);
    if (host !== 'partial') settle(host.host);
    else if (bytes.length > MAX_PEEK) settle(undefined);
  };
  const timer = clock.after(PEEK_MS, () => settle(undefined));
  socket.on('data', onData).once('end', onEnd).once('close', onEnd);
  socket.resume();
}

function hostIn(bytes: Buffer): 'partial' | { readonly host: string | undefined } {
  try {
    const end = headEnd(bytes, MAX_PEEK);
    return end === undefined ? 'partial' : { host: hostOf(parseRequestHead(bytes.subarray(0, end))) };
  } catch {
    return { host: undefined };
  }
}
