// One tunnel: an SSH connection of this host to a proxy, over which the proxy opens a channel for each connection to a
// service here. The proxy is known by its host certificate, whatever address it was reached by.
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { refuseInput } from '#core/certs/refusal.ts';
import type { SshPublicKey } from '#core/certs/ssh/public-key.ts';
import type { Clock } from '#core/clock.ts';
import { GatehouseError } from '#core/errors/error.ts';
import { formatIpPort } from '#core/ip-port.ts';
import type { Log } from '#core/log.ts';
import { readHostCertificate, type CertifiedKey } from '#wire/host-keys.ts';
import { acceptChannelStream } from '#wire/ssh/channel-stream.ts';
import { connectSsh } from '#wire/ssh/connect.ts';
import type { IncomingChannel, SshConnection } from '#wire/ssh/ssh.ts';
import {
  dial,
  DIAL_CHANNEL,
  RECONNECT_REQUEST,
  TUNNEL_REQUEST,
  tunnelHello,
  type TunnelService,
} from '#wire/tunnel/protocol.ts';

const HANDSHAKE_MS = 10_000;
const MAX_CHANNELS = 4096;
/** RFC 4254 5.1, and RFC 4253 11.1. */
const PROHIBITED = 1;
const CONNECT_FAILED = 2;
const BY_APPLICATION = 11;
const UNKNOWN_LOCAL = '0.0.0.0:0';

/** As agent/ssh takes it. */
export interface TunnelOrigin {
  /** `ip:port` of the person's client, as the proxy says. */
  readonly remoteAddress: string;
  readonly localAddress: string;
  /** Host id of the proxy. */
  readonly via: string;
}

export type ServeTunnelled = (stream: Duplex, origin: TunnelOrigin) => void;
export type TunnelServices = Readonly<Partial<Record<TunnelService, ServeTunnelled>>>;

export interface TunnelOptions {
  readonly clock: Clock;
  readonly log: Log;
  /** Owned from now on. */
  readonly stream: Socket;
  readonly hostId: string;
  readonly key: CertifiedKey;
  readonly clusterName: string;
  readonly hostAuthorities: readonly SshPublicKey[];
  readonly services: TunnelServices;
  /** False: there is a tunnel to this proxy. Called before the proxy has proven itself. */
  readonly claim: (proxyId: string) => boolean;
  /** The proxy asks to go elsewhere. */
  readonly onReconnect: () => void;
}

export interface Tunnel {
  readonly proxyId: string;
  readonly stream: Socket;
  readonly connection: SshConnection;
  /** Takes no new connections; those that are open go on. */
  refuseNew(): void;
  disconnect(message: string): void;
}

/**
 * Resolves when the proxy has taken this connection as a tunnel. ALREADY_EXISTS when `claim` said no; otherwise as
 * connectSsh, or NOT_SUPPORTED when the proxy wants no tunnel. The stream is destroyed then.
 */
export async function connectTunnel(options: TunnelOptions): Promise<Tunnel> {
  const { clock, log, stream, hostId, key, services } = options;
  const timer = clock.after(HANDSHAKE_MS, () => stream.destroy());
  let proxyId = '';
  let isRefusing = false;
  try {
    const connection = await connectSsh({
      socket: stream,
      clock,
      log,
      limits: { maxChannels: MAX_CHANNELS },
      user: hostId,
      keys: [key],
      // Asked again whenever keys are exchanged anew.
      verifyHost: ({ blob }) => {
        const shown = requireProxy(blob, options);
        const isFine = proxyId === '' ? options.claim(shown) : proxyId === shown;
        if (!isFine) throw new GatehouseError('ALREADY_EXISTS', 'there is a tunnel to this proxy');
        proxyId = shown;
      },
      handlers: {
        onChannel: (opening) => {
          if (isRefusing) opening.reject(CONNECT_FAILED, 'this server is stopping');
          else serveChannel(opening, proxyId, options);
        },
        onRequest: (name) => {
          if (name !== RECONNECT_REQUEST) return false;
          options.onReconnect();
          return true;
        },
      },
    });
    const hello = tunnelHello.encode({ services: Object.keys(services) });
    if ((await connection.request(TUNNEL_REQUEST, hello)) === undefined) {
      connection.disconnect(BY_APPLICATION, 'no tunnel is wanted');
      throw new GatehouseError('NOT_SUPPORTED', 'the proxy takes no tunnel of this host');
    }
    return {
      proxyId,
      stream,
      connection,
      refuseNew: () => (isRefusing = true),
      disconnect: (message) => connection.disconnect(BY_APPLICATION, message),
    };
  } catch (error) {
    stream.destroy();
    throw error;
  } finally {
    timer.cancel();
  }
}

function requireProxy(blob: Uint8Array, { hostAuthorities, clusterName, clock }: TunnelOptions): string {
  const ground = { authorities: hostAuthorities, clusterName, now: clock.now(), roles: ['proxy'] } as const;
  return readHostCertificate(blob, ground).identity.host_id;
}

function serveChannel(opening: IncomingChannel, via: string, { services, stream }: TunnelOptions): void {
  if (opening.type !== DIAL_CHANNEL) {
    opening.reject(PROHIBITED, 'a proxy opens no such channel');
    return;
  }
  try {
    const { service, client } = dial.decode(opening.payload);
    const serve = services[service];
    if (serve === undefined) throw refuseInput('malformed', 'this host has no such service');
    const localAddress = formatIpPort(stream.localAddress ?? '', stream.localPort ?? 0) ?? UNKNOWN_LOCAL;
    serve(acceptChannelStream(opening), { remoteAddress: client, localAddress, via });
  } catch (error) {
    opening.reject(CONNECT_FAILED, (error as Error).message);
  }
}
