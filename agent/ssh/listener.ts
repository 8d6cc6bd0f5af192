// The TCP door of a node: people dial it directly, or by a proxy that says in a signed line whom it relays. Separate from
// the service because tunnels bring connections that were never listened for.
import { createServer, type Server, type Socket } from 'node:net';
import type { Address } from '#config/address.ts';
import type { Clock } from '#core/clock.ts';
import { GatehouseError, isCode } from '#core/errors/error.ts';
import { formatIpPort } from '#core/ip-port.ts';
import { newSockets, type ListeningSockets } from '#core/listening.ts';
import type { Log } from '#core/log.ts';
import { RateLimit } from '#core/rate-limit.ts';
import type { RelayHeader } from '#core/relay-header.ts';
import type { SshOrigin } from './handshake.ts';
import type { ConnectionLimits } from './limits.ts';
import { takeRelayHeader } from './relay.ts';

export interface ListenerOptions {
  readonly clock: Clock;
  readonly log: Log;
  readonly listen: Address;
  readonly sockets?: ListeningSockets | undefined;
  readonly limits: ConnectionLimits;
  /** Judges a relay header; a throw ends the connection. */
  readonly readRelay: (header: Uint8Array) => RelayHeader;
  readonly accept: (socket: Socket, origin: SshOrigin) => void;
}

export interface Listener {
  /** `host:port` that is bound. */
  readonly address: string;
  /** Takes no more connections; those there are go on. Safe to call twice. */
  close(): Promise<void>;
}

/** UNAVAILABLE when the address cannot be listened on. */
export async function openListener(options: ListenerOptions): Promise<Listener> {
  const { listen, clock, log } = options;
  // Bad headers are somebody's mistake or attack; a few lines of each say as much as all of them.
  const noise = new RateLimit({ clock, burst: 5, refillMs: 60_000 });
  const server = createServer({ pauseOnConnect: true, noDelay: true, keepAlive: true }, (socket) => {
    socket.on('error', () => {});
    void receive(options, socket).catch((error: unknown) => {
      socket.destroy();
      if (!isCode(error)) log.error({ err: error }, 'a connection to the node could not be served');
      else if (error.code !== 'UNAVAILABLE' && noise.take(socket.remoteAddress ?? '')) {
        log.warn({ err: error, address: socket.remoteAddress }, 'a relayed connection was refused');
      }
    });
  });
  await listening(server, options);
  server.on('error', (error) => log.error({ err: error }, 'the port of the node reports an error'));
  const bound = server.address();
  const port = typeof bound === 'object' && bound !== null ? bound.port : listen.port;
  let closing: Promise<void> | undefined;
  return {
    address: formatIpPort(listen.host, port) ?? `${listen.host}:${port}`,
    close: () => (closing ??= new Promise((resolve) => server.close(() => resolve()))),
  };
}

async function receive({ clock, limits, readRelay, accept }: ListenerOptions, socket: Socket): Promise<void> {
  const { remoteAddress = '', remotePort = 0, localAddress = '', localPort = 0 } = socket;
  const direct = formatIpPort(withoutZone(remoteAddress), remotePort);
  const local = formatIpPort(withoutZone(localAddress), localPort);
  // It was closed already.
  if (direct === undefined || local === undefined) throw gone();
  const giveBack = limits.handshakes.take(remoteAddress);
  if (giveBack === undefined) throw new GatehouseError('LIMIT_EXCEEDED', 'too many connections that wait');
  let header: Uint8Array | undefined;
  try {
    header = await takeRelayHeader(socket, clock);
  } finally {
    giveBack();
  }
  if (header === undefined) {
    accept(socket, { remoteAddress: direct, localAddress: local });
    return;
  }
  const { client, proxyId } = readRelay(header);
  accept(socket, { remoteAddress: client, localAddress: local, via: proxyId });
}

const withoutZone = (address: string): string => address.split('%', 1)[0] ?? address;

const gone = (): GatehouseError => new GatehouseError('UNAVAILABLE', 'the connection is closed already');

const SETTING = 'ssh_service.listen_addr';

function listening(server: Server, { listen, sockets = newSockets }: ListenerOptions): Promise<void> {
  const { host, port } = listen;
  return new Promise((resolve, reject) => {
    const fail = (error: NodeJS.ErrnoException): void =>
      reject(
        new GatehouseError(
          'UNAVAILABLE',
          `cannot listen on ${host}:${port} (${error.code ?? 'failed'}); change ${SETTING} or stop what uses it`,
          { cause: error },
        ),
      );
    server.once('error', fail).listen({ ...sockets.claim(SETTING, listen), backlog: 511 }, () => {
      server.off('error', fail);
      sockets.opened(SETTING, listen, server);
      resolve();
    });
  });
}
