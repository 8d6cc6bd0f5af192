// The agent of a machine: serves SSH to it, by its port or by tunnels to the proxies, and says what it is. Opens the
// parts, connects them, and closes them in reverse. The machine's membership, its view of the cluster and its heartbeats
// are the process's own, because a proxy in the same process uses them too.
import type { AuditSender } from '#client/audit-sender.ts';
import type { ClusterView } from '#client/cluster-view.ts';
import type { HostRecord } from '#client/credentials.ts';
import type { LiveSessions } from '#client/member/live-sessions.ts';
import type { Membership } from '#client/member/membership.ts';
import { formatAddress, parseAddress } from '#config/address.ts';
import type { SshConfig } from '#config/config.ts';
import type { Clock } from '#core/clock.ts';
import type { ListeningSockets } from '#core/listening.ts';
import type { Log } from '#core/log.ts';
import type { Resource } from '#core/resource.ts';
import { nodeLabels, type NodeSpec } from '#kinds/node/kind.ts';
import { startCommandLabels, type CommandLabels } from './labels.ts';
import { nodeDocument } from './node-document.ts';
import { openSsh } from './ssh/open.ts';
import type { SshService, SshServiceOptions } from './ssh/service.ts';
import { needsTunnels } from './tunnel/mode.ts';
import { startTunnels, type Tunnels } from './tunnel/tunnels.ts';

export interface AgentOptions {
  readonly clock: Clock;
  readonly log: Log;
  readonly version: string;
  /** Of a host with the role node; the caller closes it, after the agent. */
  readonly membership: Pick<Membership, 'joined' | 'record' | 'api'>;
  readonly view: ClusterView;
  readonly audit: Pick<AuditSender, 'emit'>;
  /** Where sessions are announced. */
  readonly sessions?: LiveSessions | undefined;
  readonly dataDir: string;
  /** How long the end waits for uploads; left out where the data directory outlives the process. */
  readonly patienceMs?: number | undefined;
  readonly config: SshConfig;
  readonly limits: SshServiceOptions['limits'];
  /** Left out: its port is bound anew. */
  readonly sockets?: ListeningSockets | undefined;
  /** `host:port` under which the node service is dialed; with port 0 it is the one that was bound. */
  readonly address: string;
  /**
   * `host:port` by which the cluster was found. When one of them is a proxy, this host keeps tunnels and listens to
   * nobody; otherwise it is dialed. Left out: it is dialed.
   */
  readonly tunnelAddresses?: readonly string[] | undefined;
  /** Variables of the process; commands get a few of them, and HTTP proxies are named there. */
  readonly environment: Readonly<Record<string, string | undefined>>;
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
  readonly #labels: CommandLabels;
  readonly #closing = new AbortController();
  #service: SshService | undefined;
  #tunnels: Tunnels | undefined;
  #address: string;
  #onChange: () => void = () => {};
  #closed: Promise<void> | undefined;

  constructor(options: AgentOptions) {
    this.#options = options;
    this.#address = options.address;
    this.#labels = startCommandLabels({ ...options, commands: options.config.commands });
    const failed = Promise.withResolvers<never>();
    this.failed = failed.promise;
    this.failed.catch(() => {});
    const opening = this.#open();
    opening.catch((error: unknown) => {
      if (!this.#closing.signal.aborted) failed.reject(error as Error);
    });
    this.ready = Promise.all([opening, this.#labels.ready]).then(() => undefined);
    this.ready.catch(() => {});
    this.ready.catch(() => {});
  }

  get counts() {
    const counts = this.#service?.counts ?? { connections: 0, users: 0, sessions: 0 };
    return { ...counts, tunnels: this.#tunnels?.proxyIds().length ?? 0 };
  }

  health(): AgentHealth {
    const { membership, view } = this.#options;
    const reason =
      (membership.record() === undefined ? 'has not joined the cluster yet' : undefined) ??
      (view.isReady() ? undefined : 'does not know the cluster yet') ??
      (this.#service === undefined ? 'does not serve yet' : undefined) ??
      (this.#tunnels?.proxyIds().length === 0 ? 'reaches no proxy' : undefined);
    return reason === undefined ? { ready: true } : { ready: false, reason };
  }

  documents(record: HostRecord): readonly Resource[] {
    return [this.#document(record)];
  }

  onChange(listener: () => void): void {
    this.#onChange = listener;
  }

  async drain(mostMs?: number): Promise<void> {
    this.#tunnels?.drain();
    await this.#service?.drain(mostMs);
  }

  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  async #open(): Promise<void> {
    const { membership, view, config, log } = this.#options;
    await membership.joined;
    await view.ready;
    const { signal } = this.#closing;
    signal.throwIfAborted();
    const service = await openSsh({ ...this.#options, labels: () => this.#currentLabels() });
    this.#service = service;
    if (signal.aborted) await service.close();
    signal.throwIfAborted();
    if (await this.#isTunnelled()) {
      this.#address = '';
      this.#tunnels = this.#startTunnels(service);
      log.info({}, 'the node serves SSH by tunnels');
      return;
    }
    const bound = await service.listen(config.listenAddr);
    this.#address = withBoundPort(this.#options.address, bound);
    log.info({ address: bound }, 'the node serves SSH');
  }

  async #isTunnelled(): Promise<boolean> {
    const { tunnelAddresses: addresses = [], clock, environment } = this.#options;
    if (addresses.length === 0) return false;
    return await needsTunnels({ clock, environment, addresses, signal: this.#closing.signal });
  }

  #startTunnels(service: SshService): Tunnels {
    const { clock, log, environment, membership, view, tunnelAddresses = [] } = this.#options;
    return startTunnels({
      clock,
      log,
      environment,
      membership,
      view,
      addresses: tunnelAddresses,
      services: { ssh: (stream, origin) => service.accept(stream, origin) },
      onChange: () => this.#onChange(),
    });
  }

  #document(record: HostRecord): Resource<NodeSpec> {
    const { version, config } = this.#options;
    return nodeDocument(record, {
      version,
      address: this.#address,
      tunnels: this.#tunnels?.proxyIds(),
      publicAddresses: config.publicAddrs.map(formatAddress),
      labels: config.labels,
      commands: config.commands,
      results: this.#labels.results(),
    });
  }

  #currentLabels(): Readonly<Record<string, string>> {
    const record = this.#options.membership.record();
    return record === undefined ? this.#options.config.labels : nodeLabels(this.#document(record));
  }

  async #close(): Promise<void> {
    this.#closing.abort();
    await this.#service?.close();
    await this.#tunnels?.close();
    await this.#labels.close();
  }
}

function withBoundPort(address: string, bound: string): string {
  const { host, port } = parseAddress(address, 0);
  return port === 0 ? formatAddress({ host, port: parseAddress(bound, 0).port }) : address;
}
