// The agent of a machine: serves SSH to it and says what it is. Opens the parts, connects them, and closes them in
// reverse. The machine's membership, its view of the cluster and its heartbeats are the process's own, because a proxy in
// the same process uses them too.
import type { AuditSender } from '#client/audit-sender.ts';
import type { ClusterView } from '#client/cluster-view.ts';
import type { HostRecord } from '#client/credentials.ts';
import type { Membership } from '#client/member/membership.ts';
import type { SshConfig } from '#config/config.ts';
import { formatAddress, parseAddress } from '#config/address.ts';
import type { Clock } from '#core/clock.ts';
import { GatehouseError } from '#core/errors/error.ts';
import type { Log } from '#core/log.ts';
import type { Resource } from '#core/resource.ts';
import { nodeLabels, type NodeSpec } from '#kinds/node/kind.ts';
import { startCommandLabels } from './labels.ts';
import { nodeDocument } from './node-document.ts';
import { openAccounts } from './ssh/account/accounts.ts';
import { startSshService, type SshService, type SshServiceOptions } from './ssh/service.ts';

export interface AgentOptions {
  readonly clock: Clock;
  readonly log: Log;
  readonly version: string;
  /** Of a host with the role node; the caller closes it, after the agent. */
  readonly membership: Pick<Membership, 'joined' | 'record'>;
  readonly view: ClusterView;
  readonly audit: Pick<AuditSender, 'emit'>;
  readonly dataDir: string;
  readonly config: SshConfig;
  readonly limits: SshServiceOptions['limits'];
  /** `host:port` under which the node service is dialed; with port 0 it is the one that was bound. */
  readonly address: string;
  /** Variables of the process; commands get a few of them. */
  readonly environment: Readonly<Record<string, string | undefined>>;
}

export interface AgentHealth {
  readonly ready: boolean;
  /** Why it is not. */
  readonly reason?: string;
}

export interface Agent {
  /** Resolves when `documents` is complete: labels are known and the port is open. The first heartbeat waits for it. */
  readonly ready: Promise<void>;
  /** Rejects when the agent cannot serve, whatever it would try; never resolves. */
  readonly failed: Promise<never>;
  health(): AgentHealth;
  /** What heartbeats say of this machine. */
  documents(record: HostRecord): readonly Resource[];
  readonly counts: SshService['counts'];
  /** Takes no more connections; resolves when the last session has ended, or after `mostMs`. */
  drain(mostMs?: number): Promise<void>;
  /** Ends what is left; done within two seconds. Safe to call twice. */
  close(): Promise<void>;
}

/** Returns at once; it serves as soon as the host has joined and knows the cluster. */
export function startAgent(options: AgentOptions): Agent {
  const { membership, view, config, log } = options;
  const labels = startCommandLabels({ ...options, commands: config.commands });
  const state: { service?: SshService; address: string; isClosing: boolean } = {
    address: options.address,
    isClosing: false,
  };
  const document = (record: HostRecord): Resource<NodeSpec> =>
    nodeDocument(record, {
      version: options.version,
      address: state.address,
      publicAddresses: config.publicAddrs.map(formatAddress),
      labels: config.labels,
      commands: config.commands,
      results: labels.results(),
    });
  const open = async (): Promise<void> => {
    await membership.joined;
    await view.ready;
    if (state.isClosing) throw new GatehouseError('UNAVAILABLE', 'the agent is closing');
    const currentLabels = (): Readonly<Record<string, string>> => {
      const record = membership.record();
      return record === undefined ? config.labels : nodeLabels(document(record));
    };
    state.service = openService(options, currentLabels);
    const bound = await state.service.listen(config.listenAddr);
    state.address = withBoundPort(options.address, bound);
    log.info({ address: bound }, 'the node serves SSH');
  };
  const failed = Promise.withResolvers<never>();
  failed.promise.catch(() => {});
  const opening = open();
  opening.catch((error: unknown) => {
    if (!state.isClosing) failed.reject(error as Error);
  });
  const ready = Promise.all([opening, labels.ready]).then(() => undefined);
  ready.catch(() => {});
  let closing: Promise<void> | undefined;
  return {
    ready,
    failed: failed.promise,
    health: () => healthOf(membership.record() !== undefined, view.isReady(), state.service),
    documents: (record) => [document(record)],
    get counts() {
      return state.service?.counts ?? { connections: 0, users: 0, sessions: 0 };
    },
    drain: async (mostMs) => await state.service?.drain(mostMs),
    close: () =>
      (closing ??= (async () => {
        state.isClosing = true;
        await state.service?.close();
        await labels.close();
      })()),
  };
}

function openService(options: AgentOptions, labels: () => Readonly<Record<string, string>>): SshService {
  const { clock } = options;
  const accounts = openAccounts({ clock });
  return startSshService({
    clock,
    log: options.log,
    membership: options.membership,
    view: options.view,
    audit: options.audit,
    config: options.config,
    limits: options.limits,
    dataDir: options.dataDir,
    labels,
    findAccount: (login) => accounts.find(login),
    prefixOf: () => [],
    serveSession: (opening) => opening.reject(3, 'sessions are not served yet'),
  });
}

function healthOf(hasJoined: boolean, isViewReady: boolean, service: SshService | undefined): AgentHealth {
  if (!hasJoined) return { ready: false, reason: 'has not joined the cluster yet' };
  if (!isViewReady) return { ready: false, reason: 'does not know the cluster yet' };
  if (service === undefined) return { ready: false, reason: 'does not serve yet' };
  return { ready: true };
}

function withBoundPort(address: string, bound: string): string {
  const { host, port } = parseAddress(address, 0);
  return port === 0 ? formatAddress({ host, port: parseAddress(bound, 0).port }) : address;
}
