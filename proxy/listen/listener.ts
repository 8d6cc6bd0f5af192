// A TCP port of the proxy: accepts within bounds, learns who is there and what is spoken, and hands the socket on. What
// is done with it is decided elsewhere.
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { formatAddress, type Address } from '#config/address.ts';
import type { IpNetwork } from '#core/certs/ip-address.ts';
import type { Clock } from '#core/clock.ts';
import { GatehouseError } from '#core/errors/error.ts';
import { newSockets, type ListeningSockets } from '#core/listening.ts';
import type { Log } from '#core/log.ts';
import { NetworkPool } from '#core/network-pool.ts';
import type { Spoken } from './detect.ts';
import { readFirstBytes } from './first-bytes.ts';
import { ipOf, originOf, type Origin } from './origin.ts';

/** What all ports of the proxy share. */
export interface ListenContext {
  readonly clock: Clock;
  readonly log: Log;
  readonly balancers: readonly IpNetwork[];
  readonly bounds: ListenBounds;
  readonly sockets?: ListeningSockets | undefined;
}

export interface ListenerOptions extends ListenContext {
  readonly listen: Address;
  /** The setting that has the address, for messages. */
  readonly setting: string;
  /** False for a port that serves one protocol. */
  readonly detects: boolean;
  /**
   * Is given a paused socket, which it owns. `settled` says that the client has proven itself, or is bounded by
   * somebody else; until then, or until it closes, it counts as a stranger of its network.
   */
  readonly accept: (socket: Socket, origin: Origin, spoken: Spoken | undefined, settled: () => void) => void;
}

export interface Listener {
  /** `host:port`, as bound. */
  readonly address: string;
  readonly port: number;
  /** Takes no new connections; those that are there go on. */
  stop(): void;
  /** Ends all of them. Safe to call twice. */
  close(): Promise<void>;
}

/** Connections at once, over all ports. */
export class ListenBounds {
  readonly strangers: NetworkPool;
  readonly #most: number;
  #count = 0;

  /** `most` connections, `mostStrangers` of them from one network without proof of who they are. */
  constructor(most: number, mostStrangers = 500) {
    this.#most = most;
    this.strangers = new NetworkPool(mostStrangers, Math.max(1, Math.floor(most / 2)));
  }

  get count(): number {
    return this.#count;
  }

  /** False when there is no room; the count ends with the socket. */
  take(socket: Socket): boolean {
    if (this.#count >= this.#most) return false;
    this.#count++;
    socket.once('close', () => this.#count--);
    return true;
  }
}

const KEEP_ALIVE_MS = 30_000;

/** Resolves when it listens. UNAVAILABLE when the address is taken. */
export async function openListener(options: ListenerOptions): Promise<Listener> {
  const sockets = new Set<Socket>();
  const server = createServer(
    {
      allowHalfOpen: true,
      pauseOnConnect: true,
      noDelay: true,
      keepAlive: true,
      keepAliveInitialDelay: KEEP_ALIVE_MS,
    },
    (socket) => {
      sockets.add(socket);
      socket.once('close', () => sockets.delete(socket));
      admit(socket, options);
    },
  );
  await listening(server, options);
  // What fails later, such as too many open files, fails one connection and not the port.
  server.on('error', (error) => options.log.error({ err: error }, 'a connection could not be accepted'));
  const { address, port } = server.address() as AddressInfo;
  let closing: Promise<void> | undefined;
  const closed = (): Promise<void> => new Promise((resolve) => server.close(() => resolve()));
  return {
    address: formatAddress({ host: address, port }),
    port,
    stop: () => void (closing ??= closed()),
    close() {
      closing ??= closed();
      for (const socket of sockets) socket.destroy();
      return closing;
    },
  };
}

function admit(socket: Socket, options: ListenerOptions): void {
  const { bounds, log } = options;
  // Whoever takes the socket adds its own; without one an error would end the process.
  socket.on('error', () => {});
  if (!bounds.take(socket)) {
    log.warn({}, 'a connection is dropped: connection_limits.max_connections is reached');
    socket.destroy();
    return;
  }
  const release = takeStranger(socket, socket.remoteAddress ?? '', options);
  if (release === undefined) return;
  const own = ipOf(originOf(socket));
  readFirstBytes(
    socket,
    options,
    ({ origin, spoken }) => {
      // From a balancer: from now on it counts where its client is, or one client could shut out all others.
      const client = ipOf(origin);
      if (client !== own) release();
      const settled = client === own ? release : takeStranger(socket, client, options);
      if (settled === undefined) return;
      log.debug({ address: origin.remoteAddress, spoken: spoken?.type }, 'a connection was accepted');
      options.accept(socket, origin, spoken, settled);
    },
    (error) => {
      log.debug({ address: socket.remoteAddress, err: error }, 'a connection is refused');
      socket.destroy();
    },
  );
}

/** Undefined when the network has too many, and the socket is dropped; otherwise it counts until it closes at the latest. */
function takeStranger(
  socket: Socket,
  ip: string,
  { bounds, log }: Pick<ListenerOptions, 'bounds' | 'log'>,
): (() => void) | undefined {
  const release = bounds.strangers.take(ip);
  if (release === undefined) {
    log.debug({ address: ip }, 'a connection is dropped: its network has too many');
    socket.destroy();
  } else socket.once('close', release);
  return release;
}

function listening(
  server: Server,
  { listen, setting, sockets = newSockets }: ListenerOptions,
): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', (cause) =>
      reject(
        new GatehouseError(
          'UNAVAILABLE',
          `cannot listen on ${formatAddress(listen)}; is another process using it?`,
          {
            cause,
            details: { remedy: `Stop the other process, or set ${setting} to another address.` },
          },
        ),
      ),
    );
    server.listen(sockets.claim(setting, listen), () => {
      server.removeAllListeners('error');
      sockets.opened(setting, listen, server);
      resolve();
    });
  });
}
