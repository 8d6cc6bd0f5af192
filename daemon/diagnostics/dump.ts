// What the signal USR1 writes to the log: enough to see from outside what a process is doing, and nothing secret. The
// report of the runtime is not used, because it holds arguments and environment.
import type { Agent } from '#agent/main.ts';
import type { Auth } from '#auth/main.ts';
import type { Log } from '#core/log.ts';
import type { Proxy } from '#proxy/main.ts';
import type { Member } from '../member.ts';

export interface DumpSources {
  readonly version: string;
  readonly auth?: Auth | undefined;
  readonly agent?: Agent | undefined;
  readonly proxy?: Proxy | undefined;
  readonly member?: Member | undefined;
  /** Feeds that are open. */
  readonly watchers: number;
}

/** One line each for process, auth service, proxy and agent. */
export function dumpDiagnostics(log: Log, sources: DumpSources): void {
  const { version, auth, agent, proxy, member, watchers } = sources;
  const { rss, heapTotal, heapUsed, external, arrayBuffers } = process.memoryUsage();
  const { user, system } = process.cpuUsage();
  log.info(
    {
      version,
      node: process.version,
      pid: process.pid,
      uptimeSeconds: Math.round(process.uptime()),
      cpuSeconds: Math.round((user + system) / 1e6),
      memory: { rss, heapTotal, heapUsed, external, arrayBuffers },
      handles: countWords(process.getActiveResourcesInfo()),
    },
    'diagnostics of the process',
  );
  if (auth !== undefined) {
    const { healthy, durable, pending, journalBytes, lost } = auth.audit.status();
    log.info(
      {
        ready: auth.isReady(),
        address: auth.address,
        cluster: auth.clusterName,
        revision: auth.state.revision(),
        watchers,
        audit: { healthy, durable, pending, journalBytes, lost },
      },
      'diagnostics of the auth service',
    );
  }
  if (proxy !== undefined) {
    const { web } = proxy.addresses;
    log.info({ ...proxy.health(), ...proxy.counts, address: web }, 'diagnostics of the proxy');
  }
  if (agent !== undefined) {
    log.info(
      { ...agent.health(), ...agent.counts, hostId: member?.hostId, heartbeats: member?.heartbeats },
      'diagnostics of the agent',
    );
  }
}

function countWords(words: readonly string[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const word of words) counts[word] = (counts[word] ?? 0) + 1;
  return counts;
}
