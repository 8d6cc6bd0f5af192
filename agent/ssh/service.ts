// The SSH service of a node: takes connections from its port and from tunnels, lets in whom the cluster allows, and
// looks after those who are in.
//
//   accept ──> handshake ──(certificate, roles, locks, limits)──> live ──(cut, or closed by either end)──> closed
//                  └──────────────(refused)──────────────────────────────────────────────────────────────────┘
import type { Duplex } from 'node:stream';
import type { ClusterView } from '#client/cluster-view.ts';
import type { Membership } from '#client/member/membership.ts';
import type { Address } from '#config/address.ts';
import { parseDuration } from '#core/duration.ts';
import { GatehouseError, isCode } from '#core/errors/error.ts';
import { parseIpPort } from '#core/ip-port.ts';
import type { ListeningSockets } from '#core/listening.ts';
import { acceptSsh } from '#wire/ssh/accept.ts';
import { certifiedHostKey, offeredHostKeys } from '#wire/host-keys.ts';
import type { SshConnection } from '#wire/ssh/ssh.ts';
import type { SshHost } from './context.ts';
import { PrivateDirs } from './forward/private-dir.ts';
import type { ForwardParts } from './forward/ground.ts';
import { Handshake, type Admitted, type HandshakeParts, type SshOrigin } from './handshake.ts';
import { ConnectionLimits, type LimitOptions } from './limits.ts';
import { openListener, type Listener } from './listener.ts';
import { LiveConnection, type LiveParts } from './live-connection.ts';
import { SessionMonitor } from '#core/access/session-monitor.ts';
import type { Admission } from '#core/access/ssh-access.ts';
import { NodeGround } from './node-ground.ts';
import { SshRefusals } from './refusals.ts';
import type { ServeGuest, ServeSession } from './session/parts.ts';

export type { SshOrigin } from './handshake.ts';

export interface SshServiceOptions {
  readonly host: SshHost;
  /** Joined: its record has the host's key and certificate. */
  readonly membership: Pick<Membership, 'record'>;
  /** Ready. */
  readonly view: ClusterView;
  /** What `ssh_service` says. */
  readonly config: ForwardParts['config'] & { readonly fileCopy: boolean };
  readonly limits: LimitOptions;
  readonly sockets?: ListeningSockets | undefined;
  readonly findAccount: HandshakeParts['findAccount'];
  /** What stands in front of a program that runs as the account. */
  readonly prefixOf: LiveParts['prefixOf'];
  readonly serveSession: ServeSession;
  readonly serveGuest: ServeGuest;
}

export interface SshService {
  /** Sockets of any way in; owns them from now on. Never throws: who cannot be served is closed. */
  accept(socket: Duplex, origin: SshOrigin): void;
  /** Takes connections by TCP as well. UNAVAILABLE when the address is taken. */
  listen(address: Address): Promise<string>;
  readonly counts: { readonly connections: number; readonly users: number; readonly sessions: number };
  /** Stops listening; resolves when the last session ended, or after `mostMs`. May be called again. */
  drain(mostMs?: number): Promise<void>;
  /** Ends everything, within a second or so. Safe to call twice. */
  close(): Promise<void>;
}

/** Needs a joined membership and a view that is ready. */
export function startSshService(options: SshServiceOptions): SshService {
  return new RunningService(options);
}

const STOPPING = 'this server is stopping';
const DRAINING = 'this server restarts; connect again';
const DRAIN_LOOK_MS = 1000;
/** A client that was let in just now has not asked for its session yet. */
const FRESH_MS = 5000;
const CLOSE_MS = 1500;

class RunningService implements SshService {
  readonly #options: SshServiceOptions;
  readonly #limits: ConnectionLimits;
  readonly #refusals: SshRefusals;
  readonly #monitor: SessionMonitor<Admission>;
  readonly #dirs = new PrivateDirs();
  readonly #ground: NodeGround;
  readonly #hostKey: ReturnType<typeof certifiedHostKey>;
  readonly #handshakeParts: HandshakeParts;
  readonly #liveParts: LiveParts;
  readonly #sockets = new Set<Duplex>();
  readonly #live = new Set<LiveConnection>();
  #listener: Listener | undefined;
  #isDraining = false;
  #isStopping = false;
  #onEmpty: (() => void) | undefined;

  constructor(options: SshServiceOptions) {
    const { host, view, membership, config, serveSession, serveGuest, prefixOf, findAccount } = options;
    const { clock, log } = host;
    this.#options = options;
    this.#ground = new NodeGround({ host, view, fileCopy: config.fileCopy });
    this.#limits = new ConnectionLimits(options.limits);
    this.#refusals = new SshRefusals(host);
    this.#monitor = new SessionMonitor({ clock, log, onChange: (listener) => view.onChange(listener) });
    this.#hostKey = certifiedHostKey(() => membership.record());
    this.#handshakeParts = {
      limits: this.#limits,
      refusals: this.#refusals,
      findAccount,
      ground: (remoteIp) => this.#ground.certificates(remoteIp),
      decide: (question) => this.#ground.decide(question),
    };
    this.#liveParts = {
      host,
      config,
      dirs: this.#dirs,
      refusals: this.#refusals,
      serveSession,
      serveGuest,
      prefixOf,
      review: ({ question }) => this.#ground.decide(question),
    };
  }

  get counts() {
    let sessions = 0;
    for (const live of this.#live) sessions += live.sessions;
    return { connections: this.#limits.connections, users: this.#limits.users, sessions };
  }

  accept(socket: Duplex, origin: SshOrigin): void {
    try {
      this.#accept(socket, origin);
    } catch (error) {
      socket.destroy();
      const why = isCode(error) ? error.message : error;
      this.#options.host.log.warn({ why, address: origin.remoteAddress }, 'an SSH connection was not taken');
    }
  }

  async listen(listen: Address): Promise<string> {
    const { clock, log } = this.#options.host;
    const listener = await openListener({
      clock,
      log,
      listen,
      sockets: this.#options.sockets,
      limits: this.#limits,
      readRelay: (header) => this.#ground.readRelay(header),
      accept: (socket, origin) => this.accept(socket, origin),
    });
    if (this.#isDraining || this.#isStopping) {
      await listener.close();
      throw new GatehouseError('UNAVAILABLE', STOPPING);
    }
    this.#listener = listener;
    return listener.address;
  }

  async drain(mostMs = Infinity): Promise<void> {
    const { clock } = this.#options.host;
    // Not stopping: what was accepted before is still served.
    this.#isDraining = true;
    void this.#listener?.close();
    const empty = new Promise<void>((resolve) => (this.#onEmpty = resolve));
    this.#endUnused(clock.now() + mostMs);
    this.#tellIfEmpty();
    await empty;
  }

  async close(): Promise<void> {
    this.#isStopping = true;
    this.#monitor.close();
    const listener = this.#listener?.close();
    for (const live of this.#live) live.end(STOPPING);
    if (this.#sockets.size > 0) {
      const empty = new Promise<void>((resolve) => (this.#onEmpty = resolve));
      const timer = this.#options.host.clock.after(CLOSE_MS, () => this.#onEmpty?.());
      for (const socket of this.#sockets) if (this.#live.size === 0) socket.destroy();
      await empty;
      timer.cancel();
      for (const socket of this.#sockets) socket.destroy();
    }
    await listener;
    this.#dirs.close();
  }

  #accept(socket: Duplex, origin: SshOrigin): void {
    const { host, view } = this.#options;
    const { clock, log } = host;
    const remoteIp = parseIpPort(origin.remoteAddress)?.ip;
    if (this.#isStopping) throw new GatehouseError('UNAVAILABLE', STOPPING);
    if (remoteIp === undefined) throw new GatehouseError('BAD_REQUEST', 'it comes from no address');
    const hostKey = this.#hostKey();
    const { keep_alive_interval, keep_alive_count_max } = view.networking();
    const handshake = this.#openHandshake(origin, remoteIp);
    this.#sockets.add(socket);
    acceptSsh<Admitted | undefined>({
      socket,
      clock,
      log,
      hostKeys: offeredHostKeys(hostKey),
      limits: { keepAliveMs: parseDuration(keep_alive_interval), keepAliveCount: keep_alive_count_max },
      authenticate: (offer) => handshake.authenticate(offer),
      serve: (connection, admitted) => this.#serve(socket, connection, handshake, origin, admitted),
      onRefused: (error, lastUser) => {
        log.debug({ why: error.message, address: origin.remoteAddress }, 'an SSH handshake failed');
        handshake.refused(error, lastUser);
        this.#forget(socket);
      },
    });
  }

  #openHandshake(origin: SshOrigin, remoteIp: string): Handshake {
    const endConnection = this.#limits.takeConnection();
    const endHandshake = endConnection && this.#limits.handshakes.take(remoteIp);
    if (endConnection === undefined || endHandshake === undefined) {
      endConnection?.();
      throw new GatehouseError('LIMIT_EXCEEDED', 'too many connections (connection_limits)');
    }
    return new Handshake(this.#handshakeParts, { origin, remoteIp, endConnection, endHandshake });
  }

  #serve(
    socket: Duplex,
    connection: SshConnection,
    handshake: Handshake,
    origin: SshOrigin,
    admitted: Admitted | undefined,
  ): LiveConnection {
    if (admitted === undefined) throw new GatehouseError('UNAUTHENTICATED', 'nothing was proven');
    handshake.succeeded();
    const live = new LiveConnection(this.#liveParts, connection, admitted, origin);
    this.#live.add(live);
    const unwatch = this.#monitor.watch(live, admitted.admission);
    const end = async (): Promise<void> => {
      await connection.closed;
      unwatch();
      live.closed();
      handshake.closed();
      this.#live.delete(live);
      this.#forget(socket);
    };
    void end();
    return live;
  }

  #forget(socket: Duplex): void {
    this.#sockets.delete(socket);
    this.#tellIfEmpty();
  }

  #tellIfEmpty(): void {
    if (this.#sockets.size === 0) this.#onEmpty?.();
  }

  /** Again and again until all have ended: what is used runs on. */
  #endUnused(endsAt: number): void {
    const { clock } = this.#options.host;
    if (this.#sockets.size === 0) return;
    const now = clock.now();
    if (now >= endsAt) {
      this.#onEmpty?.();
      return;
    }
    for (const live of this.#live) {
      if (!live.isInUse && now - live.lastInputAt >= FRESH_MS) live.end(DRAINING);
    }
    clock.after(Math.min(DRAIN_LOOK_MS, endsAt - now), () => this.#endUnused(endsAt));
  }
}
