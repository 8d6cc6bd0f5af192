// The way to the auth service through the proxy: agents and CLIs that reach nothing else speak TLS with it end to end,
// and the proxy passes the bytes on unread. It says whose connection it is in a signed line ahead of them.
import { connect, type Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { parseAddress } from '#config/address.ts';
import { PORTS } from '#config/ports.ts';
import type { Clock } from '#core/clock.ts';
import { GatehouseError } from '#core/errors/error.ts';
import type { Log } from '#core/log.ts';
import { RELAY_TO_AUTH, writeRelayHeader } from '#core/relay-header.ts';
import type { CertifiedKey } from '#wire/host-keys.ts';
import { splice } from '#wire/splice.ts';
import type { Origin } from './origin.ts';

export interface AuthDoorOptions {
  readonly clock: Clock;
  readonly log: Log;
  /** `host:port` of the auth servers, tried in order; the ones of the configuration and no others (S25). */
  readonly addresses: () => readonly string[];
  /** The key this proxy signs with; UNAVAILABLE until it has joined. */
  readonly key: () => CertifiedKey;
}

export interface AuthDoor {
  /** Owns the stream from now on; ends it when no auth server can be reached. `settled` when auth bounds it. */
  accept(stream: Duplex, origin: Origin, settled?: () => void): void;
  /** A connection to auth that already says whose it is; the caller closes it. UNAVAILABLE when none answers. */
  dial(origin: Origin): Promise<Socket>;
}

const DIAL_MS = 5_000;
const KEEP_ALIVE_MS = 30_000;
/** Auth ends idle ones itself, long before. */
const IDLE_MS = 3_600_000;

export function openAuthDoor(options: AuthDoorOptions): AuthDoor {
  const { clock, log } = options;
  // The one that answered last is asked first.
  let preferred: string | undefined;
  const dial = async (origin: Origin): Promise<Socket> => {
    const { privateKey, certificate } = options.key();
    const addresses = options.addresses();
    const first = addresses.filter((address) => address === preferred);
    let failure: unknown = new GatehouseError('UNAVAILABLE', 'no auth server is known');
    for (const address of [...first, ...addresses.filter((other) => other !== preferred)]) {
      try {
        const socket = await connectTo(address, clock);
        preferred = address;
        const header = { client: origin.remoteAddress, target: RELAY_TO_AUTH, now: clock.now() };
        socket.write(writeRelayHeader({ ...header, key: privateKey, certificate }));
        return socket;
      } catch (error) {
        failure = error;
      }
    }
    throw failure;
  };
  return {
    dial,
    accept(stream, origin, settled) {
      // It may end while auth is dialed.
      stream.once('error', () => stream.destroy());
      void (async () => {
        try {
          const socket = await dial(origin);
          settled?.();
          if (stream.destroyed) socket.destroy();
          else splice(stream, socket, { idle: { clock, ms: IDLE_MS } });
        } catch (error) {
          const fields = { err: error, address: origin.remoteAddress };
          log.warn(fields, 'a connection cannot be passed on to the auth service');
          stream.destroy();
        }
      })();
    },
  };
}

function connectTo(address: string, clock: Clock): Promise<Socket> {
  const { host, port } = parseAddress(address, PORTS.auth);
  return new Promise((resolve, reject) => {
    const socket = connect({
      host,
      port,
      allowHalfOpen: true,
      noDelay: true,
      keepAlive: true,
      keepAliveInitialDelay: KEEP_ALIVE_MS,
    });
    const fail = (cause: NodeJS.ErrnoException): void => {
      timer.cancel();
      socket.destroy();
      const why = cause.code ?? cause.message;
      reject(
        new GatehouseError('UNAVAILABLE', `cannot reach the auth service at ${address} (${why})`, { cause }),
      );
    };
    const timer = clock.after(DIAL_MS, () => fail(new Error(`no answer within ${DIAL_MS / 1000} s`)));
    socket.once('error', fail);
    socket.once('connect', () => {
      timer.cancel();
      socket.off('error', fail);
      socket.on('error', () => {});
      resolve(socket);
    });
  });
}
