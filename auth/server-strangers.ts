// Bounds what one network holds of the listener: so many handshakes at a time, and so many connections without a
// certificate of the cluster, so that nobody outside can take the room of the members.
import type { Server } from 'node:https';
import type { Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import { networkOf } from '#core/rate-limit.ts';

/** To be called before the server listens. What is beyond `most` is dropped; members are never counted. */
export function boundStrangers(server: Server, most: number): void {
  const handshakes = new Pool(most);
  const strangers = new Pool(most);
  server.on('connection', (socket: Socket) => {
    const connection = nameOf(socket);
    if (!handshakes.take(connection, socket)) {
      socket.destroy();
      return;
    }
    socket.once('close', () => {
      handshakes.release(connection);
      strangers.release(connection);
    });
  });
  // What the guard makes of the certificate is another question: a locked member is no stranger.
  server.on('secureConnection', (socket: TLSSocket) => {
    const connection = nameOf(socket);
    handshakes.release(connection);
    if (!socket.authorized && !strangers.take(connection, socket)) socket.destroy();
  });
}

/** Connections, counted by network. */
class Pool {
  readonly #most: number;
  readonly #networks = new Map<string, string>();
  readonly #counts = new Map<string, number>();

  constructor(most: number) {
    this.#most = most;
  }

  take(connection: string, { remoteAddress = '' }: Socket): boolean {
    const network = networkOf(remoteAddress);
    const count = this.#counts.get(network) ?? 0;
    if (count >= this.#most) return false;
    this.#counts.set(network, count + 1);
    this.#networks.set(connection, network);
    return true;
  }

  /** Safe to call for what is not in it. */
  release(connection: string): void {
    const network = this.#networks.get(connection);
    if (network === undefined) return;
    this.#networks.delete(connection);
    const left = (this.#counts.get(network) ?? 1) - 1;
    if (left === 0) this.#counts.delete(network);
    else this.#counts.set(network, left);
  }
}

/** The same for a connection before and after its handshake. */
const nameOf = ({ remoteAddress, remotePort }: Socket): string => `${remoteAddress ?? ''} ${remotePort ?? 0}`;
