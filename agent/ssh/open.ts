// The SSH service with everything under it: accounts and programs of this machine, recordings, and the service itself.
// Opened in this order and closed in reverse.
import { quietEvents } from '#client/audit/quiet-events.ts';
import type { ClusterView } from '#client/cluster-view.ts';
import type { LiveSessions } from '#client/member/live-sessions.ts';
import type { Membership } from '#client/member/membership.ts';
import type { SshConfig } from '#config/config.ts';
import type { Clock } from '#core/clock.ts';
import { GatehouseError } from '#core/errors/error.ts';
import type { ListeningSockets } from '#core/listening.ts';
import type { Log } from '#core/log.ts';
import type { Recordings } from '../recordings.ts';
import type { AgentEvent, SshHost } from './context.ts';
import { startSshService, type SshService, type SshServiceOptions } from './service.ts';
import { openSessionRuntime } from './session/runtime.ts';
import { joinServer } from './join/serve.ts';
import { sessionServer } from './session/serve.ts';

export interface SshOptions {
  readonly clock: Clock;
  readonly log: Log;
  /** Joined. */
  readonly membership: Pick<Membership, 'record' | 'api'>;
  /** Ready. */
  readonly view: ClusterView;
  readonly audit: { emit(event: AgentEvent): void };
  /** Where sessions with a terminal are announced. */
  readonly sessions?: LiveSessions | undefined;
  readonly dataDir: string;
  /** The caller closes them, after the service. */
  readonly recordings: Pick<Recordings, 'record'>;
  readonly config: SshConfig;
  readonly limits: SshServiceOptions['limits'];
  readonly sockets?: ListeningSockets | undefined;
  /** Static ones and the results of commands, as they are now. */
  readonly labels: () => Readonly<Record<string, string>>;
}

/** UNAVAILABLE before the host has joined. The caller closes it. */
export function openSsh(options: SshOptions): SshService {
  const { clock, membership, view, config, sessions, recordings } = options;
  const host = hostOf(options);
  const runtime = openSessionRuntime({ clock });
  const service = startSshService({
    host,
    membership,
    view,
    config,
    limits: options.limits,
    sockets: options.sockets,
    findAccount: (login) => runtime.accounts.find(login),
    prefixOf: (account) => runtime.launcher.prefixOf(account),
    serveGuest: joinServer({ host, view, live: runtime.live }),
    serveSession: sessionServer({
      host,
      runtime,
      permitUserEnv: config.permitUserEnv,
      record: (request) => recordings.record(request),
      ...(sessions === undefined ? {} : { announced: sessions }),
    }),
  });
  let closing: Promise<void> | undefined;
  return {
    accept: (socket, origin) => service.accept(socket, origin),
    listen: (address) => service.listen(address),
    get counts() {
      return service.counts;
    },
    drain: (mostMs) => service.drain(mostMs),
    close: () =>
      (closing ??= (async () => {
        await service.close();
        runtime.close();
      })()),
  };
}

function hostOf({ clock, log, membership, view, audit, dataDir, labels }: SshOptions): SshHost {
  const record = membership.record();
  if (record === undefined) throw new GatehouseError('UNAVAILABLE', 'this host has not joined yet');
  return {
    clock,
    log,
    hostId: record.certificates.host_id,
    hostname: record.node_name,
    clusterName: view.clusterName(),
    dataDir,
    labels,
    emit: quietEvents({ clock, emit: (event) => audit.emit(event) }),
  };
}
