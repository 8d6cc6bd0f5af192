// HAProxy in front of the proxies, as people run it: TCP, round robin, health checks. Its admin socket cuts connections.
import { writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { until } from '#test/kit/until.ts';
import type { Host } from './network.ts';

export interface Balancer {
  /** Resolves when it sends clients to so many proxies. */
  serves(count: number): Promise<void>;
  /** Cuts all connections to a proxy, as an idle limit does. */
  cut(proxy: string): Promise<void>;
}

/** `proxies` are `host:port` by name. Ends with the network. */
export async function startBalancer(
  host: Host,
  folder: string,
  proxies: Readonly<Record<string, string>>,
): Promise<Balancer> {
  const admin = join(folder, 'haproxy.sock');
  const config = join(folder, 'haproxy.cfg');
  const servers = Object.entries(proxies).map(([name, address]) => `  server ${name} ${address} check`);
  writeFileSync(
    config,
    `global
  stats socket ${admin} mode 600 level admin
  maxconn 2000
defaults
  mode tcp
  timeout connect 2s
  timeout client 1h
  timeout server 1h
  timeout check 2s
  option redispatch
  retries 2
listen gate
  bind ${host.address}:3080
  balance roundrobin
  default-server inter 500ms fall 2 rise 1
${servers.join('\n')}
`,
  );
  const child = host.spawn('haproxy', '-db', '-f', config);
  let said = '';
  child.stderr?.on('data', (data: Buffer) => (said += data.toString()));
  const ask = (command: string): Promise<string> =>
    new Promise((resolve, reject) => {
      let answer = '';
      connect(admin)
        .on('data', (data) => (answer += data.toString()))
        .on('error', reject)
        .on('close', () => resolve(answer))
        .end(`${command}\n`);
    });
  await until('the balancer', async () => {
    if (child.exitCode !== null) throw new Error(`haproxy ended: ${said}`);
    return (await ask('show info').catch(() => '')) !== '';
  });
  return {
    serves: (count) =>
      until(
        `the balancer to serve ${count}`,
        async () => {
          const lines = (await ask('show stat')).split('\n');
          return (
            lines.filter((line) => line.startsWith('gate,proxy') && line.split(',')[17] === 'UP').length ===
            count
          );
        },
        60_000,
      ).then(() => undefined),
    cut: async (proxy) => void (await ask(`shutdown sessions server gate/${proxy}`)),
  };
}
