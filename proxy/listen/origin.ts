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
  readonly #known = new Map<string, Origin>();

  /** Until the socket closes. */
  remember(socket: Socket, origin: Origin): void {
    const name = nameOf(socket);
    this.#known.set(name, origin);
    socket.once('close', () => this.#known.delete(name));
  }

  of(socket: Socket): Origin {
    return this.#known.get(nameOf(socket)) ?? originOf(socket);
  }
}

/** The same for a TCP connection and for the TLS on it. */
const nameOf = ({ remoteAddress, remotePort, localAddress, localPort }: Socket): string =>
  `${remoteAddress} ${remotePort} ${localAddress} ${localPort}`;
