// Bounds what one network holds of the listener: so many handshakes at a time, and so many connections without a
// certificate of the cluster, so that nobody outside can take the room of the members.
import type { Server } from 'node:https';
import type { Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import { NetworkPool } from '#core/network-pool.ts';

/**
 * To be called before the server listens. What is beyond `most` is dropped; members are never counted. `addressOf` says
 * whose a connection is, also when a proxy passed it on.
 */
export function boundStrangers(server: Server, most: number, addressOf: (socket: Socket) => string): void {
  const handshakes = new NetworkPool(most);
  const strangers = new NetworkPool(most);
  /** How to give back what each connection holds, by its name. */
  const held = new Map<string, (() => void)[]>();
  server.on('connection', (socket: Socket) => {
    const release = handshakes.take(addressOf(socket));
    if (release === undefined) {
      socket.destroy();
      return;
    }
    const name = nameOf(socket);
    held.set(name, [release]);
    socket.once('close', () => {
      for (const give of held.get(name) ?? []) give();
      held.delete(name);
    });
  });
  // What the guard makes of the certificate is another question: a locked member is no stranger.
  server.on('secureConnection', (socket: TLSSocket) => {
    const holds = held.get(nameOf(socket));
    holds?.shift()?.();
    if (socket.authorized) return;
    const release = strangers.take(addressOf(socket));
    if (release === undefined) socket.destroy();
    else holds?.push(release);
  });
}

/** The same for a connection before and after its handshake. */
const nameOf = ({ remoteAddress, remotePort }: Socket): string => `${remoteAddress ?? ''} ${remotePort ?? 0}`;
