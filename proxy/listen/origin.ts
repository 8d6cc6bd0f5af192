// Where a connection comes from, as every service of the proxy is told: the person's client, also when a balancer is in
// between. Kept beside the socket, because TLS and HTTP make new objects of one connection.
import type { Socket } from 'node:net';
import { formatIpPort, parseIpPort } from '#core/ip-port.ts';

export interface Origin {
  /** `ip:port` of the client. */
  readonly remoteAddress: string;
  /** `ip:port` that it reached. */
  readonly localAddress: string;
}

const UNKNOWN = '0.0.0.0:0';

/** As the socket itself has it. A socket that is closed has none: all zeros. */
export function originOf(socket: Socket): Origin {
  const { remoteAddress = '', remotePort = 0, localAddress = '', localPort = 0 } = socket;
  return {
    remoteAddress: formatIpPort(withoutZone(remoteAddress), remotePort) ?? UNKNOWN,
    localAddress: formatIpPort(withoutZone(localAddress), localPort) ?? UNKNOWN,
  };
}

/** The address without its port. */
export const ipOf = ({ remoteAddress }: Origin): string => parseIpPort(remoteAddress)?.ip ?? '';

const withoutZone = (address: string): string => address.split('%', 1)[0] ?? '';

/** Finds the origin of a connection again, whatever object now stands for it. */
export class Origins {
  readonly #known = new Map<string, { readonly origin: Origin; readonly settled: () => void }>();

  /** Until the socket closes. `settled` as in listener.ts. */
  remember(socket: Socket, origin: Origin, settled: () => void): void {
    const name = nameOf(socket);
    const known = { origin, settled };
    this.#known.set(name, known);
    socket.once('close', () => {
      // The same address may have come again already.
      if (this.#known.get(name) === known) this.#known.delete(name);
    });
  }

  of(socket: Socket): Origin {
    return this.#known.get(nameOf(socket))?.origin ?? originOf(socket);
  }

  /** The client is no stranger any more, or somebody else bounds it. */
  settle(socket: Socket): void {
    this.#known.get(nameOf(socket))?.settled();
  }
}

/** The same for a TCP connection and for the TLS on it. */
const nameOf = ({ remoteAddress, remotePort, localAddress, localPort }: Socket): string =>
  `${remoteAddress} ${remotePort} ${localAddress} ${localPort}`;
