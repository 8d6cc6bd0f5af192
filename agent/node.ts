// The node service of an agent: SSH to this machine, its labels, and what heartbeats say of it. Beside main.ts, because an
// agent may serve databases and applications alone.
import type { ClusterView } from '#client/cluster-view.ts';
import type { HostRecord } from '#client/credentials.ts';
import type { LiveSessions } from '#client/member/live-sessions.ts';
import type { Membership } from '#client/member/membership.ts';
import { formatAddress, parseAddress } from '#config/address.ts';
import type { SshConfig } from '#config/config.ts';
import type { Clock } from '#core/clock.ts';
import { GatehouseError } from '#core/errors/error.ts';
import type { ListeningSockets } from '#core/listening.ts';
import type { Log } from '#core/log.ts';
import type { Resource } from '#core/resource.ts';
import { nodeLabels, type NodeSpec } from '#kinds/node/kind.ts';
import { startCommandLabels } from './labels.ts';
import { nodeDocument } from './node-document.ts';
import type { Recordings } from './recordings.ts';
import type { AgentEvent } from './ssh/context.ts';
import { openSsh } from './ssh/open.ts';
import type { SshService, SshServiceOptions } from './ssh/service.ts';

export interface NodeOptions {
  readonly clock: Clock;
  readonly log: Log;
  readonly version: string;
  readonly membership: Pick<Membership, 'record' | 'api'>;
  readonly view: ClusterView;
  readonly audit: { emit(event: AgentEvent): void };
  readonly sessions?: LiveSessions | undefined;
  readonly dataDir: string;
  readonly config: SshConfig;
  readonly limits: SshServiceOptions['limits'];
  readonly sockets?: ListeningSockets | undefined;
  /** `host:port`; with port 0 it is the one that was bound. */
  readonly address: string;
  readonly environment: Readonly<Record<string, string | undefined>>;
}

export interface Node {
  /** Resolves when every command of a label has ended once. */
  readonly ready: Promise<void>;
  /** Needs a joined membership and a view that is ready. UNAVAILABLE otherwise. */
  open(recordings: Recordings): SshService;
  /** Opened: listens where it is dialed. UNAVAILABLE when the address is taken. */
  serve(isTunnelled: boolean): Promise<void>;
  document(record: HostRecord, proxyIds: readonly string[]): Resource<NodeSpec>;
  readonly counts: SshService['counts'];
  drain(mostMs?: number): Promise<void>;
  close(): Promise<void>;
}

/** Labels are evaluated from now on. */
export function openNode(options: NodeOptions): Node {
  return new RunningNode(options);
}

class RunningNode implements Node {
  readonly ready: Promise<void>;
  readonly #options: NodeOptions;
  readonly #labels: ReturnType<typeof startCommandLabels>;
  #service: SshService | undefined;
  #address: string;
  #isTunnelled = false;

  constructor(options: NodeOptions) {
    this.#options = options;
    this.#address = options.address;
    this.#labels = startCommandLabels({ ...options, commands: options.config.commands });
    this.ready = this.#labels.ready;
  }

  get counts(): SshService['counts'] {
    return this.#service?.counts ?? { connections: 0, users: 0, sessions: 0 };
  }

  open(recordings: Recordings): SshService {
    return (this.#service = openSsh({ ...this.#options, recordings, labels: () => this.#currentLabels() }));
  }

  async serve(isTunnelled: boolean): Promise<void> {
    const { config, log, address } = this.#options;
    this.#isTunnelled = isTunnelled;
    if (isTunnelled) {
      this.#address = '';
      log.info({}, 'the node serves SSH by tunnels');
      return;
    }
    if (this.#service === undefined) throw new GatehouseError('INTERNAL', 'the node service is not open');
    const bound = await this.#service.listen(config.listenAddr);
    this.#address = withBoundPort(address, bound);
    log.info({ address: bound }, 'the node serves SSH');
  }

  document(record: HostRecord, proxyIds: readonly string[]): Resource<NodeSpec> {
    const { version, config } = this.#options;
    return nodeDocument(record, {
      version,
      address: this.#address,
      tunnels: this.#isTunnelled ? proxyIds : undefined,
      publicAddresses: config.publicAddrs.map(formatAddress),
      labels: config.labels,
      commands: config.commands,
      results: this.#labels.results(),
    });
  }

  async drain(mostMs?: number): Promise<void> {
    await this.#service?.drain(mostMs);
  }

  async close(): Promise<void> {
    await this.#service?.close();
    await this.#labels.close();
  }

  #currentLabels(): Readonly<Record<string, string>> {
    const record = this.#options.membership.record();
    return record === undefined ? this.#options.config.labels : nodeLabels(this.document(record, []));
  }
}

function withBoundPort(address: string, bound: string): string {
  const { host, port } = parseAddress(address, 0);
  return port === 0 ? formatAddress({ host, port: parseAddress(bound, 0).port }) : address;
}
