// Two ends of an SSH connection joined in one process, for tests of whatever is built on connections: real handshake,
// real ciphers, keys made for the occasion. Not for production: the client is let in and the host is believed.
import { generateKeyPairSync } from 'node:crypto';
import { duplexPair, type Duplex } from 'node:stream';
import type { Clock } from '#core/clock.ts';
import { silentLog, type Log } from '#core/log.ts';
import { acceptSsh } from './accept.ts';
import { connectSsh } from './connect.ts';
import type {
  AcceptOptions,
  ConnectionHandlers,
  ConnectOptions,
  PublicKeyOffer,
  SshConnection,
  SshLimits,
} from './ssh.ts';

export interface PairOptions {
  readonly clock: Clock;
  readonly log?: Log;
  readonly limits?: Partial<SshLimits>;
  /** Default `joe`, with an Ed25519 key of its own. */
  readonly user?: string;
  readonly keys?: ConnectOptions['keys'];
  readonly hostKeys?: AcceptOptions<unknown>['hostKeys'];
  /** What the server does with channels and requests of the client, and the other way round. */
  readonly server?: ConnectionHandlers | ((connection: SshConnection) => ConnectionHandlers);
  readonly client?: ConnectionHandlers;
  /** Instead of two joined streams: the client's and the server's end of a connection. */
  readonly sockets?: readonly [Duplex, Duplex];
}

export interface ConnectedPair {
  readonly client: SshConnection;
  readonly server: SshConnection;
  /** What the client proved. */
  readonly offer: PublicKeyOffer;
  /** Ends both, and waits until they are closed. */
  close(): Promise<void>;
}

/** Both ends, authenticated. Rejects as connectSsh. */
export async function connectedPair(options: PairOptions): Promise<ConnectedPair> {
  const [near, far] = options.sockets ?? duplexPair();
  const { clock, log = silentLog } = options;
  const base = { clock, log, ...(options.limits === undefined ? {} : { limits: options.limits }) };
  const newKey = { privateKey: generateKeyPairSync('ed25519').privateKey };
  const accepted = new Promise<{ connection: SshConnection; offer: PublicKeyOffer }>((resolve, reject) => {
    acceptSsh<PublicKeyOffer>({
      ...base,
      socket: far,
      hostKeys: options.hostKeys ?? [{ privateKey: generateKeyPairSync('ed25519').privateKey }],
      authenticate: (offer) => ({ accept: true, identity: offer }),
      serve(connection, offer) {
        resolve({ connection, offer });
        const { server = {} } = options;
        return typeof server === 'function' ? server(connection) : server;
      },
      onRefused: reject,
    });
  });
  const connecting = connectSsh({
    ...base,
    socket: near,
    user: options.user ?? 'joe',
    keys: options.keys ?? [newKey],
    verifyHost: () => {},
    ...(options.client === undefined ? {} : { handlers: options.client }),
  });
  const [client, { connection: server, offer }] = await Promise.all([connecting, accepted]);
  return {
    client,
    server,
    offer,
    async close() {
      client.disconnect(11, 'done');
      await Promise.all([client.closed, server.closed]);
    },
  };
}
