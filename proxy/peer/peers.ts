// Other proxies of the cluster: an agent that keeps few tunnels is reached through the proxy where one of them ends. Each
// connection to a peer is opened when it is first needed and kept; a channel of it is one connection to an agent there.
import { connect, type Socket } from 'node:net';
import { parseAddress } from '#config/address.ts';
import type { SshPublicKey } from '#core/certs/ssh/public-key.ts';
import type { Clock } from '#core/clock.ts';
import { GatehouseError } from '#core/errors/error.ts';
import type { Log } from '#core/log.ts';
import type { Resource } from '#core/resource.ts';
import type { ProxySpec } from '#kinds/proxy/kind.ts';
import { readHostCertificate, type CertifiedKey } from '#wire/host-keys.ts';
import { ChannelPort } from '#wire/splice-channel.ts';
import { connectSsh } from '#wire/ssh/connect.ts';
import type { SshConnection } from '#wire/ssh/ssh.ts';
import { PEER_CHANNEL, peerDial } from '#wire/tunnel/protocol.ts';
import { Pulses } from '#wire/tunnel/pulse.ts';
import type { TunnelRequest } from '../tunnel/registry.ts';

const PEER_PORT = 3021;
const ASK_AFTER_MS = 4000;
const SPREAD_MS = 2000;
const MAX_CHANNELS = 4096;

export interface PeersOptions {
  readonly clock: Clock;
  readonly log: Log;
  /** This proxy. */
  readonly hostId: () => string;
  readonly key: () => CertifiedKey;
  readonly clusterName: () => string;
  readonly hostAuthorities: () => readonly SshPublicKey[];
  readonly proxies: () => readonly Resource<ProxySpec>[];
  /** A lock is in force on this host. */
  readonly isLocked: (hostId: string) => boolean;
  /** For connecting to a peer, and for its answer. Default 5 s. */
  readonly timeoutMs?: number;
  /** Default: TCP to that address. */
  readonly connectTo?: (address: string) => Socket;
}

interface Peer {
  readonly socket: Socket;
  readonly ready: Promise<SshConnection>;
}

export class Peers {
  readonly #options: Required<PeersOptions>;
  readonly #peers = new Map<string, Peer>();
  readonly #pulses: Pulses;
  #isClosed = false;

  constructor(options: PeersOptions) {
    this.#options = { timeoutMs: 5000, connectTo: connectByTcp, ...options };
    this.#pulses = new Pulses({ clock: options.clock, askAfterMs: ASK_AFTER_MS, spreadMs: SPREAD_MS });
  }

  /**
   * A channel to a service of `hostId` through another proxy: those in `proxyIds` first, one after the other, then the
   * rest at once, because what a host last said of its tunnels may be old. NOT_FOUND when none has a tunnel of it.
   */
  async dial(hostId: string, proxyIds: readonly string[], request: TunnelRequest): Promise<ChannelPort> {
    const { proxies, isLocked } = this.#options;
    const isPeer = ({ metadata: { name }, spec }: Resource<ProxySpec>): boolean =>
      name !== this.#options.hostId() && spec.peer_addr !== '' && !isLocked(name);
    const others = proxies().filter(isPeer);
    const isHinted = ({ metadata }: Resource<ProxySpec>): boolean => proxyIds.includes(metadata.name);
    for (const peer of others.filter(isHinted)) {
      const port = await this.#dialThrough(peer, hostId, request).catch((error: unknown) =>
        this.#note(peer, error),
      );
      if (port !== undefined) return port;
    }
    const rest = others
      .filter((peer) => !isHinted(peer))
      .map((peer) => this.#dialThrough(peer, hostId, request));
    const first = await Promise.any(rest).catch(() => undefined);
    void closeOthers(rest, first);
    if (first !== undefined) return first;
    throw new GatehouseError('NOT_FOUND', 'no other proxy has a tunnel of it');
  }

  /** Locks have changed: ends connections to those that are locked, and what runs through them. */
  cut(): void {
    for (const [name, { socket }] of this.#peers) if (this.#options.isLocked(name)) socket.destroy();
  }

  close(): void {
    this.#isClosed = true;
    for (const { socket } of this.#peers.values()) socket.destroy();
  }

  async #dialThrough(
    peer: Resource<ProxySpec>,
    target: string,
    { service, client, timeoutMs = this.#options.timeoutMs }: TunnelRequest,
  ): Promise<ChannelPort> {
    const port = new ChannelPort();
    const opening = this.#open(peer, peerDial.encode({ service, client, target }), port);
    const late = Promise.withResolvers<never>();
    const timer = this.#options.clock.after(timeoutMs, () =>
      late.reject(new GatehouseError('UNAVAILABLE', 'the other proxy gave no answer')),
    );
    try {
      return await Promise.race([opening, late.promise]);
    } catch (error) {
      void closeOthers([opening], undefined);
      throw error;
    } finally {
      timer.cancel();
    }
  }

  async #open(peer: Resource<ProxySpec>, payload: Uint8Array, port: ChannelPort): Promise<ChannelPort> {
    const connection = await this.#connection(peer);
    return port.bind(await connection.open(PEER_CHANNEL, payload, port));
  }

  #connection(peer: Resource<ProxySpec>): Promise<SshConnection> {
    const known = this.#peers.get(peer.metadata.name);
    if (known !== undefined) return known.ready;
    if (this.#isClosed) return Promise.reject(new GatehouseError('UNAVAILABLE', 'the proxy stops'));
    const socket = this.#options.connectTo(peer.spec.peer_addr);
    const ready = this.#connect(peer, socket);
    this.#peers.set(peer.metadata.name, { socket, ready });
    return ready;
  }

  async #connect(peer: Resource<ProxySpec>, socket: Socket): Promise<SshConnection> {
    const { clock, log, hostId, key, timeoutMs } = this.#options;
    const name = peer.metadata.name;
    const forget = (): void => {
      if (this.#peers.get(name)?.socket === socket) this.#peers.delete(name);
      socket.destroy();
    };
    const timer = clock.after(timeoutMs, forget);
    try {
      await connected(socket);
      const connection = await connectSsh({
        socket,
        clock,
        log,
        limits: { maxChannels: MAX_CHANNELS },
        user: hostId(),
        keys: [key()],
        verifyHost: ({ blob }) => this.#requirePeer(name, blob),
      });
      const pulse = this.#pulses.watch({ stream: socket, probe: () => connection.probe(), onDead: forget });
      void connection.closed.then(() => {
        pulse.stop();
        return forget();
      });
      return connection;
    } catch (error) {
      forget();
      throw error;
    } finally {
      timer.cancel();
    }
  }

  #requirePeer(name: string, blob: Uint8Array): void {
    const { hostAuthorities, clusterName, clock } = this.#options;
    const { identity } = readHostCertificate(blob, {
      authorities: hostAuthorities(),
      clusterName: clusterName(),
      now: clock.now(),
      roles: ['proxy'],
    });
    if (identity.host_id === name) return;
    throw new GatehouseError('CERTIFICATE_INVALID', 'another proxy answers at the address of this one');
  }

  #note(peer: Resource<ProxySpec>, error: unknown): undefined {
    this.#options.log.debug({ err: error, proxyId: peer.metadata.name }, 'not reached through another proxy');
  }
}

function connectByTcp(address: string): Socket {
  const { host, port } = parseAddress(address, PEER_PORT);
  return connect({ host, port, noDelay: true });
}

function connected(socket: Socket): Promise<void> {
  return new Promise((resolve, reject) => {
    if (!socket.connecting) resolve();
    socket.once('connect', resolve);
    socket.once('error', (cause) =>
      reject(new GatehouseError('UNAVAILABLE', 'another proxy cannot be reached', { cause })),
    );
    socket.once('close', () => reject(new GatehouseError('UNAVAILABLE', 'another proxy cannot be reached')));
  });
}

async function closeOthers(
  all: readonly Promise<ChannelPort>[],
  kept: ChannelPort | undefined,
): Promise<void> {
  const settled = await Promise.allSettled(all);
  for (const one of settled) if (one.status === 'fulfilled' && one.value !== kept) one.value.drop();
}
