// The agent of a machine: serves SSH to it, and databases and applications that it reaches, by its port or by tunnels to the
// proxies, and says what it is. Opens the parts, connects them, and closes them in reverse. The machine's membership, its
// view of the cluster and its heartbeats are the process's own, because a proxy in the same process uses them too.
import type { Duplex } from 'node:stream';
import type { AuditSender } from '#client/audit-sender.ts';
import type { ClusterView } from '#client/cluster-view.ts';
import type { HostRecord } from '#client/credentials.ts';
import type { LiveSessions } from '#client/member/live-sessions.ts';
import type { Membership } from '#client/member/membership.ts';
import type { AppServiceConfig, DbServiceConfig, SshConfig } from '#config/config.ts';
import type { Clock } from '#core/clock.ts';
import type { ListeningSockets } from '#core/listening.ts';
import type { Log } from '#core/log.ts';
import type { Resource } from '#core/resource.ts';
import type { TargetHeader } from '#wire/target/header.ts';
import { openNode, type Node } from './node.ts';
import { openRecordings, type Recordings } from './recordings.ts';
import type { SshService, SshServiceOptions } from './ssh/service.ts';
import { engines } from './target/engines.ts';
import { openTargets, type Targets, type TargetsOptions } from './target/open.ts';
import { needsTunnels } from './tunnel/mode.ts';
import { startTunnels, type Tunnels } from './tunnel/tunnels.ts';

export interface AgentOptions {
  readonly clock: Clock;
  readonly log: Log;
  readonly version: string;
  /** Of a host with the roles of its services; the caller closes it, after the agent. */
  readonly membership: Pick<Membership, 'joined' | 'record' | 'api'>;
  readonly view: ClusterView;
  /** `filled` is left out where events are kept without end. */
  readonly audit: Pick<AuditSender, 'emit'> & Partial<Pick<AuditSender, 'filled'>>;
  /** Where sessions are announced. */
  readonly sessions?: LiveSessions | undefined;
  readonly dataDir: string;
  /** How long the end waits for uploads; left out where the data directory outlives the process. */
  readonly patienceMs?: number | undefined;
  /** What it serves; one of them at least. */
  readonly config: {
    readonly ssh?: SshConfig | undefined;
    readonly db?: DbServiceConfig | undefined;
    readonly app?: AppServiceConfig | undefined;
  };
  readonly limits: SshServiceOptions['limits'];
  /** Left out: its port is bound anew. */
  readonly sockets?: ListeningSockets | undefined;
  /** `host:port` under which the node service is dialed; with port 0 it is the one that was bound. */
  readonly address: string;
  /**
   * `host:port` by which the cluster was found. When one of them is a proxy, this host keeps tunnels and its node service
   * listens to nobody; otherwise that is dialed. Left out: it is dialed. Databases and applications are reached by tunnels
   * always, but for the proxy of this process.
   */
  readonly tunnelAddresses?: readonly string[] | undefined;
  /** A proxy runs in this process, to which `handOver` is given. */
  readonly isBesideProxy?: boolean;
  /** Variables of the process; commands get a few of them, and HTTP proxies are named there. */
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** For tests; what speaks the protocols of databases and applications. */
  readonly engines?: TargetsOptions['engines'];
}

export interface AgentHealth {
  readonly ready: boolean;
  /** Why it is not. */
  readonly reason?: string;
}

export interface Agent {
  /** Resolves when `documents` is complete: labels are known, and it can be reached. The first heartbeat waits for it. */
  readonly ready: Promise<void>;
  /** Rejects when the agent cannot serve, whatever it would try; never resolves. */
  readonly failed: Promise<never>;
  health(): AgentHealth;
  /** What heartbeats say of this machine. */
  documents(record: HostRecord): readonly Resource[];
  /** Calls at each change of `documents` that cannot wait; one listener. */
  onChange(listener: () => void): void;
  /** Takes connections to databases and applications from a proxy in this process; undefined until it serves some. */
  readonly handOver: ((header: TargetHeader, stream: Duplex) => void) | undefined;
  readonly counts: SshService['counts'] & { readonly tunnels: number };
  /** Takes no more connections; resolves when the last session has ended, or after `mostMs`. */
  drain(mostMs?: number): Promise<void>;
  /** Ends what is left; done within two seconds, and `patienceMs`. Safe to call twice. */
  close(): Promise<void>;
}

/** Returns at once; it serves as soon as the host has joined and knows the cluster. */
export function startAgent(options: AgentOptions): Agent {
  return new RunningAgent(options);
}

class RunningAgent implements Agent {
  readonly ready: Promise<void>;
  readonly failed: Promise<never>;
  readonly #options: AgentOptions;
  readonly #node: Node | undefined;
  readonly #closing = new AbortController();
  #recordings: Recordings | undefined;
  #targets: Targets | undefined;
  #tunnels: Tunnels | undefined;
  #isOpen = false;
  #onChange: () => void = () => {};
  #closed: Promise<void> | undefined;

  constructor(options: AgentOptions) {
    this.#options = options;
    const { ssh } = options.config;
    this.#node = ssh === undefined ? undefined : openNode({ ...options, config: ssh });
    const failed = Promise.withResolvers<never>();
    this.failed = failed.promise;
    this.failed.catch(() => {});
    const opening = this.#open();
    opening.catch((error: unknown) => {
      if (!this.#closing.signal.aborted) failed.reject(error as Error);
    });
    this.ready = Promise.all([opening, this.#node?.ready]).then(() => undefined);
    this.ready.catch(() => {});
  }

  get counts() {
    const node = this.#node?.counts ?? { connections: 0, users: 0, sessions: 0 };
    const targets = this.#targets?.counts ?? { connections: 0, users: 0 };
    return {
      connections: node.connections + targets.connections,
      users: Math.max(node.users, targets.users),
      sessions: node.sessions,
      tunnels: this.#tunnels?.proxyIds().length ?? 0,
    };
  }

  get handOver() {
    const targets = this.#targets;
    return targets === undefined
      ? undefined
      : (header: TargetHeader, stream: Duplex) => targets.handOver(header, stream);
  }

  health(): AgentHealth {
    const { membership, view, isBesideProxy = false } = this.#options;
    const reason =
      (membership.record() === undefined ? 'has not joined the cluster yet' : undefined) ??
      (view.isReady() ? undefined : 'does not know the cluster yet') ??
      (this.#isOpen ? undefined : 'does not serve yet') ??
      (this.#tunnels?.proxyIds().length === 0 && !isBesideProxy ? 'reaches no proxy' : undefined);
    return reason === undefined ? { ready: true } : { ready: false, reason };
  }

  documents(record: HostRecord): readonly Resource[] {
    const { version } = this.#options;
    const proxyIds = this.#tunnels?.proxyIds() ?? [];
    const facts = {
      hostId: record.certificates.host_id,
      hostname: record.node_name,
      version,
      proxyIds,
    };
    const node = this.#node?.document(record, proxyIds);
    return [...(node === undefined ? [] : [node]), ...(this.#targets?.documents(facts) ?? [])];
  }

  onChange(listener: () => void): void {
    this.#onChange = listener;
  }

  async drain(mostMs?: number): Promise<void> {
    this.#tunnels?.drain();
    await Promise.all([this.#node?.drain(mostMs), this.#drainTargets(mostMs)]);
  }

  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  async #open(): Promise<void> {
    const { membership, view, config } = this.#options;
    await membership.joined;
    await view.ready;
    const { signal } = this.#closing;
    signal.throwIfAborted();
    this.#recordings = await openRecordings({
      ...this.#options,
      hostId: membership.record()?.certificates.host_id ?? '',
      emit: (event) => this.#options.audit.emit(event),
    });
    signal.throwIfAborted();
    const service = this.#node?.open(this.#recordings);
    if (config.db !== undefined || config.app !== undefined) {
      this.#targets = await this.#openTargets(this.#recordings, config);
      signal.throwIfAborted();
      await this.#targets.ready;
    }
    const isTunnelled = await this.#isTunnelled();
    if (isTunnelled || this.#targets !== undefined) {
      this.#tunnels = this.#startTunnels(isTunnelled ? service : undefined);
    }
    await this.#node?.serve(isTunnelled);
    this.#isOpen = true;
  }

  #openTargets(recordings: Recordings, { db, app }: AgentOptions['config']): Promise<Targets> {
    return openTargets({
      ...this.#options,
      engines: this.#options.engines ?? engines,
      recordings,
      db,
      app,
      onChange: () => this.#onChange(),
    });
  }

  async #isTunnelled(): Promise<boolean> {
    const { tunnelAddresses: addresses = [], clock, environment } = this.#options;
    if (addresses.length === 0) return false;
    return await needsTunnels({ clock, environment, addresses, signal: this.#closing.signal });
  }

  #startTunnels(ssh: SshService | undefined): Tunnels {
    const { clock, log, environment, membership, view, tunnelAddresses = [], isBesideProxy } = this.#options;
    return startTunnels({
      clock,
      log,
      environment,
      membership,
      view,
      addresses: tunnelAddresses,
      ...(isBesideProxy === undefined ? {} : { isBesideProxy }),
      services: {
        ...(ssh === undefined ? {} : { ssh: (stream, origin) => ssh.accept(stream, origin) }),
        ...this.#targets?.services,
      },
      onChange: () => this.#onChange(),
    });
  }

  async #drainTargets(mostMs = Infinity): Promise<void> {
    if (this.#targets === undefined) return;
    const late = Promise.withResolvers<void>();
    const timer = mostMs === Infinity ? undefined : this.#options.clock.after(mostMs, late.resolve);
    await Promise.race([this.#targets.drained(), late.promise]);
    timer?.cancel();
  }

  async #close(): Promise<void> {
    const { log } = this.#options;
    this.#closing.abort();
    await Promise.all([this.#node?.close(), this.#targets?.close()]);
    await this.#tunnels?.close();
    await this.#recordings?.close().catch((error: unknown) => {
      log.error({ err: error }, 'the spool of recordings was not closed in order');
    });
  }
}
