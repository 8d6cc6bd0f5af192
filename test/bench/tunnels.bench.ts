// A thousand idle tunnels to one proxy: what each costs the proxy in memory, and how long until all are back after the
// proxy was killed, with the processor time that takes. The proxy's SSH side runs in a process of its own; the agents' side
// is all in this one.
import { fork, type ChildProcess } from 'node:child_process';
import { createPrivateKey, randomUUID } from 'node:crypto';
import { createServer } from 'node:net';
import { startTunnels, type Tunnels } from '#agent/tunnel/tunnels.ts';
import { sshAuthority } from '#core/certs/ssh/issue.ts';
import { privateKeyPem } from '#core/certs/x509/keys.ts';
import { systemClock } from '#core/clock.ts';
import { silentLog } from '#core/log.ts';
import { openSshDoor } from '#proxy/ssh/door.ts';
import type { SshKey } from '#wire/ssh/ssh.ts';
import { makeTestView } from '../kit/cluster-view.ts';
import { freePort } from '../kit/daemon.ts';
import { makeTestNode } from '../kit/ssh-node.ts';
import { hostRecord } from '../kit/ssh-proxy.ts';
import { until } from '../kit/until.ts';
import { median, printHeading } from './kit.ts';

const COUNT = 1000;
const RESTARTS = 3;
const PROXY_ID = 'aaaaaaaa-0000-4000-8000-000000000001';
const TARGET_KIB = 40;
const clock = systemClock;

interface ProxySetup {
  readonly port: number;
  readonly authority: string;
  readonly key: string;
  readonly certificate: string;
}

interface Told {
  readonly tunnels: number;
  readonly rss: number;
  readonly cpuSeconds: number;
}

/** The proxy: tells its size whenever it is asked. */
async function serve({ port, authority, key, certificate }: ProxySetup): Promise<void> {
  const hostAuthority = sshAuthority(createPrivateKey(authority));
  const own = makeTestView(clock);
  const view = { ...own, hostAuthority, sshAuthorities: () => [hostAuthority.publicKey] };
  const sshKey: SshKey = {
    privateKey: createPrivateKey(key),
    certificate: new Uint8Array(Buffer.from(certificate, 'base64')),
  };
  const record = hostRecord(PROXY_ID, sshKey, view, ['proxy']);
  const door = openSshDoor({
    maxUsers: 1000,
    clock,
    log: silentLog,
    membership: { record: () => record, api: noAuth },
    view,
    audit: { emit: () => {} },
  });
  const server = createServer({ noDelay: true, allowHalfOpen: true }, (socket) => {
    socket.on('error', () => socket.destroy());
    door.accept(socket, {
      remoteAddress: `127.0.0.1:${socket.remotePort}`,
      localAddress: `127.0.0.1:${port}`,
    });
  });
  await new Promise<void>((resolve) => server.listen({ port, host: '127.0.0.1', backlog: COUNT }, resolve));
  process.on('message', () => {
    globalThis.gc?.();
    const { user, system } = process.cpuUsage();
    const told: Told = {
      tunnels: door.counts.tunnelConnections,
      rss: process.memoryUsage().rss,
      cpuSeconds: (user + system) / 1e6,
    };
    process.send?.(told);
  });
  process.once('disconnect', () => process.exit(0));
  process.send?.('open');
}

function noAuth(): never {
  throw new Error('this proxy has no auth service');
}

async function bench(): Promise<void> {
  printHeading(`${COUNT} idle tunnels`);
  const node = makeTestNode({}, clock);
  const key = node.hostKey(['proxy'], PROXY_ID);
  const proxySetup: ProxySetup = {
    port: await freePort(),
    authority: privateKeyPem(node.view.hostAuthority.privateKey).reveal(),
    key: privateKeyPem(key.privateKey).reveal(),
    certificate: Buffer.from(key.certificate ?? []).toString('base64'),
  };
  let proxy = await startProxy(proxySetup);
  announce(node.view, proxySetup.port);
  const tunnels = Array.from({ length: COUNT }, () => open(node));
  const first = await allBack(proxy);
  console.log(`first: ${describe(first)}`);
  // What a process holds for the burst of the first ones is not of the tunnels: as many again are counted.
  const once = await settled(proxy);
  tunnels.push(...Array.from({ length: COUNT }, () => open(node)));
  await allBack(proxy, 2 * COUNT);
  const each = ((await settled(proxy)).rss - once.rss) / COUNT / 1024;
  const verdict = each <= TARGET_KIB ? 'met' : 'MISSED';
  console.log(`idle tunnel in the proxy: ${each.toFixed(1)} KiB of RSS (target ${TARGET_KIB} ${verdict})`);
  await Promise.all(tunnels.splice(COUNT).map((one) => one.close()));
  const times: number[] = [];
  for (let round = 0; round < RESTARTS; round++) {
    const before = process.cpuUsage();
    const dead = new Promise((resolve) => proxy.once('exit', resolve));
    proxy.kill('SIGKILL');
    await dead;
    proxy = await startProxy(proxySetup);
    const back = await allBack(proxy);
    const { user, system } = process.cpuUsage(before);
    times.push(back.ms);
    console.log(
      `after KILL: ${describe(back)}; agents ${((user + system) / 1e6).toFixed(2)} s of processor time`,
    );
  }
  console.log(`all ${COUNT} back after a restart: median ${Math.round(median(times))} ms`);
  await Promise.all(tunnels.map((one) => one.close()));
  proxy.kill('SIGKILL');
  await node.close();
  process.exitCode = each <= TARGET_KIB ? 0 : 1;
}

type Node = ReturnType<typeof makeTestNode>;

function announce(view: Node['view'], port: number): void {
  const address = `127.0.0.1:${port}`;
  view.putProxy({
    kind: 'proxy',
    version: 'v2',
    metadata: { name: PROXY_ID },
    spec: { hostname: 'proxy', public_addrs: [], ssh_addrs: [], tunnel_addrs: [address], peer_addr: address },
  });
}

function open({ hostKey, view }: Node): Tunnels {
  const hostId = randomUUID();
  const record = hostRecord(hostId, hostKey(['node'], hostId), view, ['node']);
  return startTunnels({
    clock,
    log: silentLog,
    environment: {},
    membership: { record: () => record },
    view,
    addresses: [],
    services: { ssh: (stream) => stream.destroy() },
  });
}

async function startProxy(setup: ProxySetup): Promise<ChildProcess> {
  const child = fork(import.meta.filename, {
    execArgv: ['--disable-warning=ExperimentalWarning', '--expose-gc'],
    env: { ...process.env, GATEHOUSE_BENCH_PROXY: JSON.stringify(setup) },
  });
  await new Promise((resolve) => child.once('message', resolve));
  return child;
}

function ask(proxy: ChildProcess): Promise<Told> {
  return new Promise((resolve) => {
    proxy.once('message', (told) => resolve(told as Told));
    proxy.send('?');
  });
}

interface Back extends Told {
  /** Since the proxy was open. */
  readonly ms: number;
}

async function allBack(proxy: ChildProcess, count = COUNT): Promise<Back> {
  const started = performance.now();
  let asked = 0;
  const told = await until(
    'all tunnels',
    async () => {
      // Each answer costs the proxy a collection.
      if (performance.now() - asked < 200) return undefined;
      asked = performance.now();
      const now = await ask(proxy);
      return now.tunnels === count && now;
    },
    180_000,
  );
  return { ...told, ms: performance.now() - started };
}

/** Being asked collects garbage; its pages are given back a little later, so the second answer counts. */
async function settled(proxy: ChildProcess): Promise<Told> {
  await pause(15_000);
  await ask(proxy);
  await pause(3000);
  return ask(proxy);
}

async function pause(ms: number): Promise<void> {
  const end = performance.now() + ms;
  await until('garbage to go', () => performance.now() > end, ms + 5000);
}

const describe = ({ tunnels, ms, cpuSeconds }: Back): string =>
  `${tunnels} tunnels in ${Math.round(ms)} ms, the proxy ${cpuSeconds.toFixed(2)} s of processor time`;

const setup = process.env['GATEHOUSE_BENCH_PROXY'];
if (setup === undefined) await bench();
else await serve(JSON.parse(setup) as ProxySetup);
