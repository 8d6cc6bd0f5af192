// Ends TLS on an accepted connection, within a time. Connections are not taken from a listener of node:tls, because what
// they speak is known only after their first bytes.
import type { Socket } from 'node:net';
import { TLSSocket, type TLSSocketOptions } from 'node:tls';
import type { Clock } from '#core/clock.ts';
import { GatehouseError } from '#core/errors/error.ts';
import { HANDSHAKE_MS } from './settings.ts';

/**
 * The connection once the handshake is over. UNAUTHENTICATED when it fails or takes longer than ten seconds; the socket
 * is destroyed then.
 */
export function acceptTls(socket: Socket, options: TLSSocketOptions, clock: Clock): Promise<TLSSocket> {
  const tls = new TLSSocket(socket, { ...options, isServer: true });
  return new Promise((resolve, reject) => {
    const fail = (cause?: unknown): void => {
      timer.cancel();
      tls.destroy();
      socket.destroy();
      reject(new GatehouseError('UNAUTHENTICATED', 'the TLS handshake failed', { cause }));
    };
    const timer = clock.after(HANDSHAKE_MS, () => fail(new Error('it took longer than ten seconds')));
    const onClose = (): void => fail(new Error('the client ended it'));
    // Some failures of the handshake are told by the second event only.
    tls.once('error', fail).once('_tlsError', fail).once('close', onClose);
    tls.once('secure', () => {
      timer.cancel();
      tls.off('error', fail).off('_tlsError', fail).off('close', onClose);
      tls.on('error', () => {});
      resolve(tls);
    });
  });
}
