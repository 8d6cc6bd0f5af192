// What the daemon counts: the process, the calls of the auth service, its store and audit log, the proxy and
// the agent.
import type { Agent } from '#agent/main.ts';
import type { Auth, AuthOptions } from '#auth/main.ts';
import type { Proxy } from '#proxy/main.ts';
import type { Member } from '../member.ts';
import { Registry } from '#core/metrics/registry.ts';
import { processMetrics } from './process-metrics.ts';

export interface WatchedServices {
  readonly auth?: Auth | undefined;
  readonly member?: Pick<Member, 'heartbeats' | 'health' | 'audit'> | undefined;
  readonly agent?: Agent | undefined;
  readonly proxy?: Proxy | undefined;
}

export interface DaemonMetrics {
  readonly observer: NonNullable<AuthOptions['observer']>;
  /** The services whose state is read when somebody asks. */
  watch(services: WatchedServices): void;
  /** Feeds that are open at present. */
  watchers(): number;
  render(): string;
  close(): void;
}

const CALL_SECONDS = [0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5];
const STORE_SECONDS = [0.0005, 0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1];
const WATCH_ROUTE = 'GET /v1/watch';

export function openDaemonMetrics(version: string): DaemonMetrics {
  const registry = new Registry();
  let services: Parameters<DaemonMetrics['watch']>[0] = {};
  const running = new Map<string, number>();
  const delay = processMetrics(registry, version);
  const calls = registry.counter('gatehouse_auth_calls_total', 'Calls of the auth API by route and status.');
  const seconds = registry.histogram(
    'gatehouse_auth_call_seconds',
    'Time from the head of a call to the end of its answer; feeds are left out.',
    CALL_SECONDS,
  );
  const stored = registry.histogram(
    'gatehouse_store_call_seconds',
    'Time of a call of the store.',
    STORE_SECONDS,
  );
  const failed = registry.counter('gatehouse_store_errors_total', 'Calls of the store that failed, by code.');
  const events = registry.counter(
    'gatehouse_audit_events_total',
    'Audit events by type: logins, certificates, joins.',
  );
  registry.gauge('gatehouse_auth_calls_running', 'Calls under way by route; feeds are /v1/watch.', () =>
    Array.from(running, ([route, count]) => [{ route }, count] as const),
  );
  serviceMetrics(registry, () => services);
  const move = (route: string, by: number): void => {
    const count = (running.get(route) ?? 0) + by;
    if (count > 0) running.set(route, count);
    else running.delete(route);
  };
  return {
    observer: {
      callBegan: (route) => move(route, 1),
      callEnded(route, status, durationMs) {
        move(route, -1);
        calls.add({ route, status: String(status) });
        if (route !== WATCH_ROUTE) seconds.observe(durationMs / 1000, { route });
      },
      stored({ call, durationMs, code }) {
        stored.observe(durationMs / 1000, { call });
        if (code !== undefined) failed.add({ call, code });
      },
      event: (type) => events.add({ type }),
    },
    watch: (opened) => void (services = opened),
    watchers: () => running.get(WATCH_ROUTE) ?? 0,
    render: () => registry.render(),
    close: () => delay.disable(),
  };
}

type Values = readonly (readonly [Record<string, string>, number])[];

function serviceMetrics(registry: Registry, services: () => WatchedServices): void {
  for (const [name, says, read] of serviceGauges(readerOf(services)))
    registry.gauge(`gatehouse_${name}`, says, read);
}

type Reader = <K extends keyof WatchedServices>(
  key: K,
  read: (service: NonNullable<WatchedServices[K]>, all: WatchedServices) => number,
) => () => Values;

/** Of services that do not run here there are no values. */
function readerOf(services: () => WatchedServices): Reader {
  return (key, read) => () => {
    const all = services();
    const service = all[key];
    return service === undefined ? [] : [[{}, read(service as NonNullable<typeof service>, all)]];
  };
}

function serviceGauges(of: Reader): readonly (readonly [string, string, () => Values])[] {
  return [
    ['auth_ready', '1 when the auth service can answer.', of('auth', (auth) => Number(auth.isReady()))],
    [
      'audit_pending',
      'Audit events that a sink still lacks.',
      of('auth', (auth) => auth.audit.status().pending),
    ],
    ['audit_lost', 'Audit events lost since the start.', of('auth', (auth) => auth.audit.status().lost)],
    [
      'audit_healthy',
      '1 when every audit sink takes events.',
      of('auth', (auth) => Number(auth.audit.status().healthy)),
    ],
    [
      'agent_ready',
      '1 when the node serves and the cluster knows this machine.',
      of('member', (member, { agent }) => Number(member.health().ready && agent?.health().ready === true)),
    ],
    [
      'agent_heartbeats_sent',
      'Heartbeats that were answered.',
      of('member', (member) => member.heartbeats.sent),
    ],
    [
      'agent_heartbeats_failed',
      'Heartbeats that were not.',
      of('member', (member) => member.heartbeats.failed),
    ],
    [
      'agent_events_pending',
      'Events of this host that the audit log does not have yet.',
      of('member', (member) => member.audit.status().pending),
    ],
    [
      'node_connections',
      'SSH connections to the node, handshakes included.',
      of('agent', (agent) => agent.counts.connections),
    ],
    ['node_sessions', 'SSH sessions on the node.', of('agent', (agent) => agent.counts.sessions)],
    ['proxy_ready', '1 when the proxy can serve.', of('proxy', (proxy) => Number(proxy.health().ready))],
    [
      'proxy_connections',
      'Connections to the ports of the proxy.',
      of('proxy', (proxy) => proxy.counts.connections),
    ],
    [
      'proxy_tunnels',
      'Hosts that are reached through a tunnel to this proxy.',
      of('proxy', (proxy) => proxy.counts.tunnels),
    ],
  ];
}
