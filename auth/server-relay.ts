// The first bytes of a connection to the auth server: TLS, or one signed line of a proxy ahead of it that says who is
// behind the connection. Only a line that a proxy of the cluster signed changes whose address counts; whatever is wrong
// with one ends the connection.
import type { Server } from 'node:https';
import type { Socket } from 'node:net';
import { parseAuthorizedKey } from '#core/certs/ssh/lines.ts';
import { systemClock, type Clock } from '#core/clock.ts';
import { GatehouseError } from '#core/errors/error.ts';
import { parseIpPort } from '#core/ip-port.ts';
import type { Log } from '#core/log.ts';
import { NetworkPool } from '#core/network-pool.ts';
import { plainAddress } from '#core/rate-limit.ts';
import {
  MAX_RELAY_HEADER_BYTES,
  readRelayHeader,
  relayHeaderLength,
  RELAY_TO_AUTH,
  SeenRelays,
} from '#core/relay-header.ts';
import type { CertificateAuthorities } from './authority/authority.ts';

export interface RelayOptions {
  readonly clock: Clock;
  readonly log: Log;
  readonly clusterName: string;
  readonly authorities: Pick<CertificateAuthorities, 'publicPart'>;
  /** Is a lock in force on this host? */
  readonly isLocked: (hostId: string) => boolean;
  /** How long the first bytes may take, and how many connections of one network may be at it. */
  readonly firstBytesMs: number;
  readonly mostAtOnce: number;
}

export interface Relays {
  /** The IP address of the client behind a connection, before and after its handshake. */
  addressOf(socket: Pick<Socket, 'remoteAddress' | 'remotePort'>): string;
}

/** To be called before the server listens, and once all who wait for its connections do so: they get them after this. */
export function acceptRelays(server: Server, options: RelayOptions): Relays {
  const clients = new Map<string, string>();
  const seen = new SeenRelays();
  const pool = new NetworkPool(options.mostAtOnce);
  const next = server.listeners('connection') as ((this: Server, socket: Socket) => void)[];
  server.removeAllListeners('connection');
  server.on('connection', (socket: Socket) => {
    const release = pool.take(socket.remoteAddress ?? '');
    if (release === undefined) {
      socket.destroy();
      return;
    }
    socket.on('error', ignore);
    void (async () => {
      try {
        const header = await takeHeader(socket, options);
        if (header !== undefined) note(clients, socket, clientOf(header, options, seen));
        socket.off('error', ignore);
        for (const listener of next) listener.call(server, socket);
      } catch (error) {
        options.log.debug({ err: error, address: socket.remoteAddress }, 'a connection ended before TLS');
        socket.destroy();
      } finally {
        release();
      }
    })();
  });
  return {
    addressOf: (socket) => clients.get(nameOf(socket)) ?? plainAddress(socket.remoteAddress ?? ''),
  };
}

function note(clients: Map<string, string>, socket: Socket, client: string): void {
  const name = nameOf(socket);
  clients.set(name, client);
  socket.once('close', () => clients.delete(name));
}

/** Codes as of readRelayHeader; LOCKED when a lock is in force on the proxy. */
function clientOf(header: Uint8Array, options: RelayOptions, seen: SeenRelays): string {
  const { clock, clusterName, authorities, isLocked } = options;
  const lines = authorities.publicPart('host').sshPublicKeys;
  const { client, proxyId } = readRelayHeader(header, {
    target: RELAY_TO_AUTH,
    now: clock.now(),
    authorities: lines.map((line) => parseAuthorizedKey(line).key),
    clusterName,
    seen,
  });
  if (isLocked(proxyId)) throw new GatehouseError('LOCKED', 'a lock is in force on the proxy');
  const ip = parseIpPort(client)?.ip;
  if (ip === undefined) throw new GatehouseError('BAD_REQUEST', 'the relay header names no client');
  return ip;
}

/** The header off the front, or undefined when there is none; what came after it is put back. */
function takeHeader(socket: Socket, { firstBytesMs }: RelayOptions): Promise<Buffer | undefined> {
  return new Promise((resolve, reject) => {
    let bytes: Buffer = Buffer.alloc(0);
    const settle = (run: () => void): void => {
      timer.cancel();
      socket.off('readable', onReadable).off('end', onEnd).off('close', onEnd);
      run();
    };
    const onReadable = (): void => {
      for (let part = read(socket); part !== undefined; part = read(socket)) {
        bytes = bytes.length === 0 ? part : Buffer.concat([bytes, part]);
        const length = relayHeaderLength(bytes);
        if (length === 'partial') continue;
        const headerLength = length === 'absent' ? 0 : length;
        const rest = bytes.subarray(headerLength);
        settle(() => {
          if (rest.length > 0) socket.unshift(rest);
          resolve(headerLength === 0 ? undefined : bytes.subarray(0, headerLength));
        });
        return;
      }
    };
    const onEnd = (): void =>
      settle(() => reject(new GatehouseError('UNAVAILABLE', 'the connection ended before it began')));
    // In real time, as the limits of TLS and HTTP that come after it.
    const timer = systemClock.after(firstBytesMs, onEnd);
    socket.on('readable', onReadable).once('end', onEnd).once('close', onEnd);
  });
}

/** No more than a header may have, so that nothing is read ahead. */
function read(socket: Socket): Buffer | undefined {
  const size = Math.min(socket.readableLength, MAX_RELAY_HEADER_BYTES);
  return size === 0 ? undefined : ((socket.read(size) as Buffer | null) ?? undefined);
}

function ignore(): void {
  // The close that follows says it all.
}

/** The same for a connection before and after its handshake. */
const nameOf = ({ remoteAddress, remotePort }: Pick<Socket, 'remoteAddress' | 'remotePort'>): string =>
  `${remoteAddress ?? ''} ${remotePort ?? 0}`;
