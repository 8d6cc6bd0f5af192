// The SSH side of the proxy: streams that the listeners recognised as SSH come in, people leave for nodes, agents stay as
// tunnels, other proxies ask for them. Also the same way to nodes for clients that come over TLS. Opens its parts and
// connects them; the listeners are elsewhere.
import type { Duplex } from 'node:stream';
import { quietEvents } from '#client/audit/quiet-events.ts';
import type { ClusterView } from '#client/cluster-view.ts';
import type { Membership } from '#client/member/membership.ts';
import { lockInForce } from '#core/access/locks.ts';
import { timeout } from '#core/access/options.ts';
import type { Clock, Timer } from '#core/clock.ts';
import { GatehouseError, isCode } from '#core/errors/error.ts';
import type { Log } from '#core/log.ts';
import { PeopleLimit } from '#core/people-limit.ts';
import { certifiedHostKey, offeredHostKeys } from '#wire/host-keys.ts';
import { acceptSsh } from '#wire/ssh/accept.ts';
import type {
  AuthAnswer,
  ConnectionHandlers,
  PublicKeyOffer,
  SshConnection,
  SshLimits,
} from '#wire/ssh/ssh.ts';
import { ipOf, type Origin } from '../listen/origin.ts';
import { Peers, type PeersOptions } from '../peer/peers.ts';
import type { Resolve } from '../route/dial-node.ts';
import type { ProxyRecordings } from '../record/recordings.ts';
import { RelayKeys } from '../record/relay-keys.ts';
import { SessionRelay } from '../record/relay.ts';
import { Router } from '../route/router.ts';
import { TunnelRegistry } from '../tunnel/registry.ts';
import { agentDialer, type AgentDialer } from '../tunnel/agents.ts';
import { Admission, type ProxyUser } from './admission.ts';
import { readHolder, readOnce, type Holder } from './authenticate.ts';
import { hostHandlers } from './host-handlers.ts';
import { serveProxyRequest } from './proxy-request.ts';
import { ProxyRefusals, type ProxyEvent } from './refusals.ts';
import { userHandlers } from './user-handlers.ts';

/** Channels of tunnels and peers; people have fewer. */
const MAX_CHANNELS = 4096;
/** An agent has one tunnel, and those it leaves; another proxy one connection. */
const MOST_OF_MEMBER = 256;
const DIAL_TIMEOUT_MS = 10_000;
/** How often connections of expired certificates are looked for. */
const SWEEP_MS = 30_000;
/** What is locked is cut at its server first, which says why; the proxy follows, whatever the server does. */
const FOLLOW_MS = 400;
/** RFC 4253 11.1. */
const BY_APPLICATION = 11;

export interface SshDoorOptions {
  readonly clock: Clock;
  readonly log: Log;
  readonly membership: Pick<Membership, 'record' | 'api'>;
  readonly view: ClusterView;
  readonly audit: { emit(event: ProxyEvent): void };
  /**
   * Dial nodes that announce a loopback address although they are not this very host. Only for clusters that live on one
   * machine, such as where the proxy itself listens on loopback alone. Default false.
   */
  readonly allowsLoopback?: boolean;
  /** Different people at a time. */
  readonly maxUsers: number;
  /** Connections at a time, of all. One person has half of them at most. Default: no bound. */
  readonly maxConnections?: number;
  /** Where sessions go that end here. Without it those that must be recorded are refused. */
  readonly recordings?: Pick<ProxyRecordings, 'record'>;
  readonly resolve?: Resolve;
  readonly connectToPeer?: PeersOptions['connectTo'];
}

/** Of a client certificate that was verified. */
export type ProvenPerson = Pick<ProxyUser, 'identity' | 'validBefore'>;

export interface SshDoor {
  /** Serves one client, whose first bytes are still to be read. The stream is owned from now on. */
  accept(stream: Duplex, origin: Origin): void;
  /** The same for a TLS connection of `gatehouse-proxy-ssh`, whose client certificate was verified; see wire/proxy-request.ts. */
  proxySsh(stream: Duplex, proven: ProvenPerson, origin: Origin): void;
  /**
   * Connections of people and members that are open, hosts that are reached by a tunnel, their tunnels (more only while
   * old ones are found dead), and connections that would be missed if they ended now.
   */
  readonly counts: Readonly<Record<'connections' | 'tunnels' | 'tunnelConnections' | 'inUse', number>>;
  /** Agents by their tunnels, here or at other proxies: databases and applications are reached by the same ones. */
  readonly agents: AgentDialer;
  /** Agents are asked to go to another proxy; what is open stays. */
  drain(): void;
  /** Ends everything at once. */
  close(): void;
}

export function openSshDoor(options: SshDoorOptions): SshDoor {
  return new Door(options);
}

function cannotRecord(): never {
  throw new GatehouseError('STORAGE_FAILED', 'this proxy has no place for recordings');
}

interface Live {
  readonly holder: Holder;
  readonly connection: SshConnection;
  readonly user: ProxyUser | undefined;
}

class Door implements SshDoor {
  readonly agents: AgentDialer;
  readonly #options: SshDoorOptions;
  readonly #key: ReturnType<typeof certifiedHostKey>;
  readonly #tunnels: TunnelRegistry;
  readonly #peers: Peers;
  readonly #refusals: ProxyRefusals;
  readonly #relay: SessionRelay;
  readonly #admission: Admission;
  readonly #people: PeopleLimit;
  /** Connections of members, by host id. */
  readonly #members = new PeopleLimit(Infinity);
  readonly #mostOfOne: number;
  readonly #live = new Set<Live>();
  /** Streams of which nobody knows yet whose they are, and those over TLS. */
  readonly #streams = new Map<Duplex, ProxyUser | undefined>();
  readonly #stopWatching: () => void;
  #sweep;
  #following: Timer | undefined;

  constructor(options: SshDoorOptions) {
    const { clock, log, view, membership, audit, allowsLoopback = false, resolve, connectToPeer } = options;
    this.#options = options;
    this.#key = certifiedHostKey(() => membership.record());
    const hostId = (): string => this.#hostId();
    const base = { clock, log, hostId, key: this.#key };
    this.#tunnels = new TunnelRegistry({ clock, log });
    this.#peers = new Peers({
      ...base,
      clusterName: () => view.clusterName(),
      hostAuthorities: () => view.sshAuthorities('host'),
      proxies: () => view.proxies(),
      isLocked: (serverId) => lockInForce(view.locks(), { serverId }, clock.now()) !== undefined,
      ...(connectToPeer === undefined ? {} : { connectTo: connectToPeer }),
    });
    this.agents = agentDialer(this.#tunnels, this.#peers);
    this.#refusals = new ProxyRefusals({ clock, hostId, emit: (event) => audit.emit(event) });
    const router = new Router({
      ...base,
      view,
      tunnels: this.#tunnels,
      peers: this.#peers,
      dialTimeoutMs: () => timeout(view.networking().ssh_dial_timeout) ?? DIAL_TIMEOUT_MS,
      allowsLoopback,
      ...(resolve === undefined ? {} : { resolve }),
    });
    this.#relay = new SessionRelay({
      clock,
      log,
      view,
      refusals: this.#refusals,
      keys: new RelayKeys({ clock, api: () => membership.api() }),
      recordings: options.recordings ?? { record: cannotRecord },
      proxyId: hostId,
      // Only people come that way, so it has the channels of a person's connection.
      limits: () => this.#keepAlive(),
      emit: quietEvents({ clock, emit: (event) => audit.emit(event) }),
    });
    this.#admission = new Admission({ clock, view, router, refusals: this.#refusals, relay: this.#relay });
    this.#people = new PeopleLimit(options.maxUsers);
    this.#mostOfOne = Math.max(1, Math.floor((options.maxConnections ?? Infinity) / 2));
    this.#stopWatching = view.onChange((kinds) => {
      if (kinds.has('lock')) this.#onLocks();
    });
    this.#sweep = clock.after(SWEEP_MS, () => this.#onSweep());
  }

  get counts(): SshDoor['counts'] {
    let inUse = this.#streams.size;
    for (const { connection } of this.#live) if (connection.channelCount > 0) inUse++;
    const { hosts, connections: tunnelConnections } = this.#tunnels;
    return { connections: this.#live.size, tunnels: hosts, tunnelConnections, inUse };
  }

  accept(stream: Duplex, origin: Origin): void {
    const { clock, log } = this.#options;
    if (!this.#hold(stream)) return;
    const read = readOnce((offer: PublicKeyOffer) => this.#read(offer, origin));
    acceptSsh<Holder>({
      socket: stream,
      clock,
      log,
      hostKeys: offeredHostKeys(this.#key()),
      limits: { ...this.#keepAlive(), maxChannels: MAX_CHANNELS },
      authenticate: (offer) => this.#authenticate(offer, origin, read),
      serve: (connection, holder) => this.#serve(stream, connection, holder, origin),
      onRefused: (error, login) => this.#onRefused(error, login, origin),
    });
  }

  proxySsh(stream: Duplex, proven: ProvenPerson, origin: Origin): void {
    const user = { ...proven, origin };
    if (!this.#hold(stream, user)) return;
    const { clock, log, view } = this.#options;
    void serveProxyRequest(stream, {
      clock,
      log,
      admit: () => this.#enter(stream, user),
      admission: this.#admission,
      clusterName: () => view.clusterName(),
      user,
    });
  }

  drain(): void {
    this.#tunnels.drain();
  }

  close(): void {
    this.#stopWatching();
    this.#sweep.cancel();
    this.#following?.cancel();
    this.#peers.close();
    this.#tunnels.close();
    this.#relay.close();
    for (const { connection } of this.#live) connection.disconnect(BY_APPLICATION, 'the proxy stops');
    for (const stream of this.#streams.keys()) stream.destroy();
  }

  /** Clients that vanished are found as the cluster says; tunnels have their own, quicker way. */
  #keepAlive(): Pick<SshLimits, 'keepAliveMs' | 'keepAliveCount'> {
    const { keep_alive_interval: interval, keep_alive_count_max: count } = this.#options.view.networking();
    return { keepAliveMs: timeout(interval) ?? 0, keepAliveCount: count };
  }

  #isReady(): boolean {
    return this.#options.view.isReady() && this.#options.membership.record() !== undefined;
  }

  #hostId(): string {
    const record = this.#options.membership.record();
    if (record === undefined)
      throw new GatehouseError('UNAVAILABLE', 'this proxy has not joined the cluster yet');
    return record.certificates.host_id;
  }

  /** False for one that cannot be served, or that ended already and will not say so again. */
  #hold(stream: Duplex, user?: ProxyUser): boolean {
    if (!this.#isReady() || stream.destroyed) {
      stream.destroy();
      return false;
    }
    this.#streams.set(stream, user);
    stream.once('close', () => this.#streams.delete(stream));
    return true;
  }

  /** An offer is judged by its certificate alone, so that nobody learns of locks without proof. */
  #authenticate(
    offer: PublicKeyOffer,
    origin: Origin,
    read: (offer: PublicKeyOffer) => Holder,
  ): AuthAnswer<Holder> {
    try {
      const holder = read(offer);
      if (offer.proven) this.#admit(holder, origin);
      return { accept: true, identity: holder };
    } catch (error) {
      if (!isCode(error)) throw error;
      const isPlainKey = error.details['reason'] === 'wrong-type';
      return isPlainKey && !offer.proven ? { accept: false } : { accept: false, message: error.message };
    }
  }

  #read(offer: PublicKeyOffer, origin: Origin): Holder {
    const { view, clock } = this.#options;
    return readHolder(offer, {
      authorities: (type) => view.sshAuthorities(type),
      clusterName: view.clusterName(),
      now: clock.now(),
      remoteIp: ipOf(origin),
    });
  }

  #admit(holder: Holder, origin: Origin): void {
    if (holder.is === 'user') {
      this.#admission.admit({ ...holder, origin });
      this.#people.requireSeat(holder.identity.name, this.#mostOfOne);
    } else {
      this.#admission.requireHost(holder.identity, holder.validBefore);
      this.#members.requireSeat(holder.identity.host_id, MOST_OF_MEMBER);
    }
  }

  /** Errors as Admission.admit, and LIMIT_EXCEEDED; the seat is held until the stream ends. */
  #enter(stream: Duplex, user: ProxyUser): void {
    this.#admission.admit(user);
    stream.once('close', this.#people.take(user.identity.name, this.#mostOfOne));
  }

  #serve(stream: Duplex, connection: SshConnection, holder: Holder, origin: Origin): ConnectionHandlers {
    const user = holder.is === 'user' ? { ...holder, origin } : undefined;
    const live: Live = { holder, connection, user };
    this.#streams.delete(stream);
    this.#live.add(live);
    const leave =
      holder.is === 'user'
        ? this.#people.add(holder.identity.name)
        : this.#members.add(holder.identity.host_id);
    void this.#forgetWhenClosed(live, leave);
    const { clock, log, view } = this.#options;
    if (holder.is === 'host') {
      const { identity } = holder;
      return hostHandlers({
        identity,
        connection,
        stream,
        hostId: () => this.#hostId(),
        tunnels: this.#tunnels,
      });
    }
    return userHandlers({
      clock,
      log,
      admission: this.#admission,
      clusterName: () => view.clusterName(),
      user: { ...holder, origin },
      connection,
    });
  }

  async #forgetWhenClosed(live: Live, leave: () => void): Promise<void> {
    await live.connection.closed;
    leave();
    this.#live.delete(live);
  }

  #onRefused(error: GatehouseError, login: string | undefined, origin: Origin): void {
    // Who never tried to log in is a scanner or a health check.
    if (login === undefined) return;
    const remoteIp = ipOf(origin);
    this.#refusals.failed({ ...origin, error: error.message, login, remoteIp });
  }

  /** A lock cuts what is open. */
  #onLocks(): void {
    this.#following ??= this.#options.clock.after(FOLLOW_MS, () => {
      this.#following = undefined;
      this.#recheck({ cutsInUse: true });
    });
    this.#peers.cut();
    this.#recheck({ cutsInUse: false });
  }

  #recheck({ cutsInUse }: { cutsInUse: boolean }): void {
    for (const { holder, connection, user } of this.#live) {
      const isFine =
        holder.is === 'host'
          ? this.#admission.isHostFine(holder.identity)
          : user !== undefined && this.#admission.isUnlocked(user);
      const inUse = holder.is === 'user' && connection.channelCount > 0;
      if (!isFine && (cutsInUse || !inUse)) connection.disconnect(BY_APPLICATION, 'a lock is in force');
    }
    for (const [stream, user] of this.#streams) {
      if (cutsInUse && user !== undefined && !this.#admission.isUnlocked(user)) stream.destroy();
    }
  }

  /** The channels of a person live on, as long as the node lets them; a member renews in time and comes again. */
  #onSweep(): void {
    const now = this.#options.clock.now();
    for (const { holder, connection } of this.#live) {
      const isUsed = holder.is === 'user' && connection.channelCount > 0;
      if (now >= holder.validBefore && !isUsed)
        connection.disconnect(BY_APPLICATION, 'the certificate has expired');
    }
    this.#sweep = this.#options.clock.after(SWEEP_MS, () => this.#onSweep());
  }
}
