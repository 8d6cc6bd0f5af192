// What every process of the house tells of itself, daemon or operator.
import { monitorEventLoopDelay } from 'node:perf_hooks';
import type { Registry } from '#core/metrics/registry.ts';

/** Until it is disabled. */
export function processMetrics(registry: Registry, version: string): { disable(): unknown } {
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
