// What the daemon counts: the process, the calls of the auth service, its store and audit log, and the agent.
import { monitorEventLoopDelay } from 'node:perf_hooks';
import type { Agent } from '#agent/main.ts';
import type { Auth, AuthOptions } from '#auth/main.ts';
import type { Member } from '../member.ts';
import { Registry } from './registry.ts';

export interface WatchedServices {
  readonly auth?: Auth | undefined;
  readonly member?: Pick<Member, 'heartbeats' | 'health' | 'audit'> | undefined;
  readonly agent?: Agent | undefined;
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

function processMetrics(registry: Registry, version: string): { disable(): unknown } {
  const delay = monitorEventLoopDelay({ resolution: 20 });
  delay.enable();
  registry.gauge('gatehouse_build_info', 'Version of Gatehouse and of its runtime.', () => [
    [{ version, node: process.version }, 1],
  ]);
  registry.gauge('process_resident_memory_bytes', 'Memory that the system gave to the process.', () =>
    process.memoryUsage.rss(),
  );
  registry.gauge('nodejs_heap_used_bytes', 'Memory in use by objects.', () => process.memoryUsage().heapUsed);
  registry.gauge('nodejs_external_memory_bytes', 'Memory of buffers.', () => process.memoryUsage().external);
  registry.gauge('nodejs_eventloop_delay_seconds', 'Delay of the event loop since the start.', () => [
    [{ quantile: '0.5' }, delay.percentile(50) / 1e9],
    [{ quantile: '0.99' }, delay.percentile(99) / 1e9],
    [{ quantile: '1' }, delay.max / 1e9],
  ]);
  registry.gauge('process_uptime_seconds', 'Time since the start.', () => process.uptime());
  registry.gauge('process_cpu_seconds', 'Time on processors since the start.', () => {
    const { user, system } = process.cpuUsage();
    return (user + system) / 1e6;
  });
  return delay;
}

function serviceMetrics(registry: Registry, services: () => WatchedServices): void {
  const ofAuth = (read: (auth: Auth) => number) => (): (readonly [Record<string, string>, number])[] => {
    const { auth } = services();
    return auth === undefined ? [] : [[{}, read(auth)]];
  };
  const ofAgent = (read: (agent: Agent) => number) => (): (readonly [Record<string, string>, number])[] => {
    const { agent } = services();
    return agent === undefined ? [] : [[{}, read(agent)]];
  };
  const ofMember =
    (read: (member: NonNullable<WatchedServices['member']>) => number) =>
    (): (readonly [Record<string, string>, number])[] => {
      const { member } = services();
      return member === undefined ? [] : [[{}, read(member)]];
    };
  registry.gauge(
    'gatehouse_auth_ready',
    '1 when the auth service can answer.',
    ofAuth((auth) => (auth.isReady() ? 1 : 0)),
  );
  registry.gauge(
    'gatehouse_audit_pending',
    'Audit events that a sink still lacks.',
    ofAuth((auth) => auth.audit.status().pending),
  );
  registry.gauge(
    'gatehouse_audit_lost',
    'Audit events lost since the start.',
    ofAuth((auth) => auth.audit.status().lost),
  );
  registry.gauge(
    'gatehouse_audit_healthy',
    '1 when every audit sink takes events.',
    ofAuth((auth) => (auth.audit.status().healthy ? 1 : 0)),
  );
  registry.gauge(
    'gatehouse_agent_ready',
    '1 when the node serves and the cluster knows this machine.',
    ofMember((member) => (member.health().ready && services().agent?.health().ready === true ? 1 : 0)),
  );
  registry.gauge(
    'gatehouse_agent_heartbeats_sent',
    'Heartbeats that were answered.',
    ofMember((member) => member.heartbeats.sent),
  );
  registry.gauge(
    'gatehouse_agent_heartbeats_failed',
    'Heartbeats that were not.',
    ofMember((member) => member.heartbeats.failed),
  );
  registry.gauge(
    'gatehouse_agent_events_pending',
    'Events of this host that the audit log does not have yet.',
    ofMember((member) => member.audit.status().pending),
  );
  registry.gauge(
    'gatehouse_node_connections',
    'SSH connections to the node, handshakes included.',
    ofAgent((agent) => agent.counts.connections),
  );
  registry.gauge(
    'gatehouse_node_sessions',
    'SSH sessions on the node.',
    ofAgent((agent) => agent.counts.sessions),
  );
}
