// Agents and proxies joined by tunnels over loopback: found, lost, moved, and used by people.
import { randomUUID } from 'node:crypto';
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { HostRecord } from '#client/credentials.ts';
import type { NodeSpec } from '#kinds/node/kind.ts';
import type { ProxySpec } from '#kinds/proxy/kind.ts';
import type { Resource } from '#core/resource.ts';
import { silentLog } from '#core/log.ts';
import { startTunnels, type Tunnels, type TunnelsOptions } from '#agent/tunnel/tunnels.ts';
import { makeTestNode, NODE_ID, type TestNode } from '#test/kit/ssh-node.ts';
import { hostRecord, startTestProxy, type TestProxy } from '#test/kit/ssh-proxy.ts';
import { until } from '#test/kit/until.ts';
import { openChannelStream } from '#wire/ssh/channel-stream.ts';
import { directTcpip } from '#wire/ssh/payloads.ts';
import type { SshConnection, SshKey } from '#wire/ssh/ssh.ts';

const SECOND = 1000;
const TUNNELLED = { use_tunnel: true };

let node: TestNode;
let joe: SshKey;
let proxies: TestProxy[];
let closing: (() => unknown)[];

beforeEach(() => {
  node = makeTestNode();
  node.view.putRole('access', { allow: { logins: ['root'], node_labels: { '*': '*' } } });
  joe = node.userKey('joe');
  proxies = [];
  closing = [];
});
afterEach(async () => {
  for (const close of closing.toReversed()) await close();
  for (const proxy of proxies) await proxy.close();
  await node.close();
});

const proxyIdOf = (i: number): string => `aaaaaaaa-0000-4000-8000-00000000000${i}`;

async function startProxy(i: number, spec: Partial<ProxySpec> = {}): Promise<TestProxy> {
  const { clock, view } = node;
  const hostId = proxyIdOf(i);
  const proxy = await startTestProxy({ clock, view, hostId, key: node.hostKey(['proxy'], hostId) });
  proxies.push(proxy);
  announce(proxy, spec);
  return proxy;
}

function announce(proxy: TestProxy, spec: Partial<ProxySpec> = {}, expires?: string): void {
  node.view.putProxy({
    kind: 'proxy',
    version: 'v2',
    metadata: { name: proxy.hostId, ...(expires === undefined ? {} : { expires }) },
    spec: {
      hostname: 'proxy',
      public_addrs: [],
      ssh_addrs: [],
      tunnel_addrs: [proxy.address],
      peer_addr: proxy.address,
      ...spec,
    },
  });
}

function putNode(spec: Partial<NodeSpec>): void {
  const document: Resource<NodeSpec> = {
    kind: 'node',
    version: 'v2',
    metadata: { name: NODE_ID },
    spec: { hostname: 'web-1', addr: '', use_tunnel: false, ...spec },
  };
  node.view.putNode(document);
}

function openTunnels(options: Partial<TunnelsOptions> = {}, hostId = NODE_ID): Tunnels {
  const record = hostRecord(hostId, node.hostKey(['node'], hostId), node.view, ['node']);
  const tunnels = startTunnels({
    clock: node.clock,
    log: silentLog,
    environment: {},
    membership: { record: () => record },
    view: node.view,
    addresses: [],
    services: { ssh: (stream, origin) => node.service.accept(stream, origin) },
    ...options,
  });
  closing.push(() => tunnels.close());
  return tunnels;
}

/** Time goes on while the network does. Returns how much of it went. */
async function flow(what: string, isDone: () => boolean | Promise<boolean>): Promise<number> {
  const start = node.clock.now();
  await until(what, async () => {
    if (await isDone()) return true;
    await node.clock.advance(20);
    return false;
  });
  return node.clock.now() - start;
}

async function pass(ms: number): Promise<void> {
  const end = node.clock.now() + ms;
  await until('time goes by', async () => {
    await node.clock.advance(200);
    return node.clock.now() >= end;
  });
}

async function useNode(proxy: TestProxy): Promise<string> {
  const connection = await proxy.connect('joe', joe);
  try {
    return await talk(connection);
  } finally {
    connection.disconnect(11, 'done');
  }
}

async function talk(connection: SshConnection): Promise<string> {
  const payload = directTcpip.encode({ host: 'web-1', port: 22, originHost: '127.0.0.1', originPort: 1 });
  const stream = await openChannelStream(connection, 'direct-tcpip', payload);
  const inner = await node.connect('root', joe, { socket: stream });
  const session = await openChannelStream(inner, 'session', new Uint8Array());
  session.write('hello');
  const answer = await new Promise<string>((resolve) =>
    session.once('data', (data: Buffer) => resolve(String(data))),
  );
  inner.disconnect(11, 'done');
  return answer;
}

const held = (): number[] => proxies.map(({ door }) => door.counts.tunnels);

describe('one proxy', () => {
  it('ok: a node is reached through its tunnel, and knows who comes through which proxy', async () => {
    const proxy = await startProxy(1);
    const tunnels = openTunnels();
    putNode(TUNNELLED);
    await flow('the tunnel', () => tunnels.proxyIds().length === 1);
    expect(await useNode(proxy)).toBe('hello');
    node.view.setLocks([{ name: 'l', target: { login: 'root' } }]);
    await expect(useNode(proxy)).rejects.toThrow();
    const denial = node.events.find(({ event }) => event === 'access.denied');
    expect(denial?.['addr.remote']).toMatch(/^127\.0\.0\.1:\d+$/);
    expect(tunnels.proxyIds()).toEqual([proxyIdOf(1)]);
  });

  it('ok: a lost tunnel is opened anew within seconds', async () => {
    const proxy = await startProxy(1);
    const tunnels = openTunnels();
    putNode(TUNNELLED);
    await flow('the tunnel', () => tunnels.proxyIds().length === 1);
    for (let i = 0; i < 5; i++) {
      for (const socket of proxy.sockets) socket.resetAndDestroy();
      await flow('it is lost', () => tunnels.proxyIds().length === 0);
      expect(await flow('it is back', () => tunnels.proxyIds().length === 1)).toBeLessThan(5 * SECOND);
    }
    expect(await useNode(proxy)).toBe('hello');
  });

  it('ok: half-open connections are found by both ends, and replaced within 15 s', async () => {
    const proxy = await startProxy(1);
    const between = await startFlakyProxy(proxy.port);
    announce(proxy, { tunnel_addrs: [between.address] });
    const tunnels = openTunnels();
    await flow('the tunnel', () => tunnels.counts.opened === 1);
    between.swallow();
    const ms = await flow('another one', () => tunnels.counts.opened === 2);
    expect(ms).toBeLessThan(15 * SECOND);
    await flow('the proxy closed the old one', () => proxy.door.counts.connections === 1);
    expect(held()).toEqual([1]);
  });

  it('ok: an agent whose proxy is away tries on, ever more seldom; and at once when the proxy is heard of', async () => {
    const proxy = await startProxy(1);
    proxy.refuse(true);
    const tunnels = openTunnels();
    await pass(60 * SECOND);
    const atFirst = tunnels.counts.failed;
    await pass(60 * SECOND);
    const later = tunnels.counts.failed - atFirst;
    expect(later).toBeGreaterThan(3);
    expect(later).toBeLessThan(atFirst);
    await pass(300 * SECOND);
    // At last every ten seconds or somewhat sooner.
    expect(tunnels.counts.failed - atFirst - later).toBeLessThan(65);
    proxy.refuse(false);
    announce(proxy, {}, '2030-01-01T00:00:00Z');
    expect(await flow('the tunnel', () => tunnels.proxyIds().length === 1)).toBeLessThan(3 * SECOND);
  });

  it('S16 S18 a lock on the agent ends its tunnel, and it gets no other', async () => {
    const proxy = await startProxy(1);
    const tunnels = openTunnels();
    await flow('the tunnel', () => held()[0] === 1);
    node.view.setLocks([{ name: 'l', target: { server_id: NODE_ID } }]);
    await flow('it is gone', () => held()[0] === 0);
    await pass(20 * SECOND);
    expect(tunnels.proxyIds()).toEqual([]);
    expect(proxy.door.counts.connections).toBe(0);
  });

  it('S18 refuses: a member that is no proxy, another cluster, another authority where a proxy should be', async () => {
    const { clock, view } = node;
    const foreign = makeTestNode();
    const keys = [node.hostKey(['node', 'auth'], proxyIdOf(1)), foreign.hostKey(['proxy'], proxyIdOf(1))];
    for (const key of keys) {
      const fake = await startTestProxy({ clock, view, hostId: proxyIdOf(1), key });
      proxies.push(fake);
      announce(fake);
      const tunnels = openTunnels();
      await pass(10 * SECOND);
      expect(tunnels.counts.failed).toBeGreaterThan(0);
      expect(tunnels.proxyIds()).toEqual([]);
    }
    await foreign.close();
  });

  it('ok: renewed certificates are shown in a new tunnel, and the old one goes when it is unused', async () => {
    const proxy = await startProxy(1);
    let record: HostRecord = hostRecord(NODE_ID, node.hostKey(['node'], NODE_ID), node.view, ['node']);
    const tunnels = openTunnels({ membership: { record: () => record } });
    putNode(TUNNELLED);
    await flow('the tunnel', () => tunnels.counts.opened === 1);
    record = hostRecord(NODE_ID, node.hostKey(['node'], NODE_ID), node.view, ['node']);
    await flow('another one', () => tunnels.counts.opened === 2);
    expect(tunnels.proxyIds()).toEqual([proxyIdOf(1)]);
    await flow('the old one goes', () => proxy.door.counts.connections === 1);
    expect(await useNode(proxy)).toBe('hello');
  });
});

describe('several proxies', () => {
  it('ok: behind a round-robin balancer each is reached, and none twice', async () => {
    for (const i of [1, 2, 3]) await startProxy(i);
    const balancer = await startBalancer(proxies);
    for (const proxy of proxies) announce(proxy, { tunnel_addrs: [balancer.address] });
    const tunnels = openTunnels();
    await flow('all three', () => tunnels.proxyIds().length === 3);
    expect(held()).toEqual([1, 1, 1]);
    await pass(60 * SECOND);
    expect(proxies.map(({ door }) => door.counts.connections)).toEqual([1, 1, 1]);
    expect(tunnels.counts.opened).toBe(3);
    putNode(TUNNELLED);
    for (const proxy of proxies) expect(await useNode(proxy)).toBe('hello');
  });

  it('ok: nothing is known but an address: what answers there is the first, and tells of the others', async () => {
    await startProxy(1, { tunnel_addrs: [] });
    const [proxy] = proxies;
    const found = {
      id: proxyIdOf(1),
      endsTls: true,
      tunnelAddress: proxy?.address ?? '',
      hostAuthorities: [],
      isTrusted: false,
    };
    const tunnels = openTunnels({
      view: { ...node.view, isReady: () => false },
      addresses: ['gate.example.com:3080'],
      find: async () => found,
    });
    await flow('the tunnel', () => tunnels.proxyIds().length === 1);
    expect(held()).toEqual([1]);
  });

  it('ok: a proxy that drains is left; who is connected through it stays, and the others are used', async () => {
    for (const i of [1, 2]) await startProxy(i);
    const [first, second] = proxies as [TestProxy, TestProxy];
    const tunnels = openTunnels();
    putNode(TUNNELLED);
    await flow('both', () => tunnels.proxyIds().length === 2);
    const connection = await first.connect('joe', joe);
    const payload = directTcpip.encode({ host: 'web-1', port: 22, originHost: 'x', originPort: 1 });
    const stream = await openChannelStream(connection, 'direct-tcpip', payload);
    const inner = await node.connect('root', joe, { socket: stream });
    first.refuse(true);
    first.door.drain();
    await pass(30 * SECOND);
    expect(inner.channelCount).toBe(0);
    const session = await openChannelStream(inner, 'session', new Uint8Array());
    session.write('still here');
    expect(await new Promise((resolve) => session.once('data', (data) => resolve(String(data))))).toBe(
      'still here',
    );
    expect(await useNode(second)).toBe('hello');
    inner.disconnect(11, 'done');
    await flow('the tunnel to the first goes', () => held()[0] === 0);
    expect(tunnels.proxyIds()).toEqual([proxyIdOf(2)]);
  });

  it('ok: peering: one tunnel is enough for users of every proxy, and moves when its proxy dies', async () => {
    node.view.setNetworking({ tunnel_strategy: { type: 'proxy_peering', agent_connection_count: 1 } });
    for (const i of [1, 2, 3]) await startProxy(i);
    const tunnels = openTunnels({ onChange: () => putNode({ ...TUNNELLED, proxy_ids: tunnels.proxyIds() }) });
    await flow('one tunnel', () => tunnels.proxyIds().length === 1);
    await pass(10 * SECOND);
    expect(held().toSorted()).toEqual([0, 0, 1]);
    for (const proxy of proxies) expect(await useNode(proxy)).toBe('hello');
    // What the node last said of its tunnels may be old.
    putNode({ ...TUNNELLED, proxy_ids: ['somebody-else'] });
    for (const proxy of proxies) expect(await useNode(proxy)).toBe('hello');
    const dead = proxies[held().indexOf(1)] as TestProxy;
    dead.refuse(true);
    for (const socket of dead.sockets) socket.resetAndDestroy();
    await flow('another tunnel', () => tunnels.proxyIds().length === 1 && tunnels.counts.opened === 2);
    for (const proxy of proxies) if (proxy !== dead) expect(await useNode(proxy)).toBe('hello');
  });

  it('S16 a proxy that is locked loses its tunnels, and no other proxy asks it any more', async () => {
    node.view.setNetworking({ tunnel_strategy: { type: 'proxy_peering', agent_connection_count: 1 } });
    for (const i of [1, 2, 3]) await startProxy(i);
    const tunnels = openTunnels({ onChange: () => putNode({ ...TUNNELLED, proxy_ids: tunnels.proxyIds() }) });
    await flow('one tunnel', () => tunnels.proxyIds().length === 1);
    const locked = tunnels.proxyIds()[0] as string;
    const others = proxies.filter(({ hostId }) => hostId !== locked);
    for (const proxy of others) expect(await useNode(proxy)).toBe('hello');
    const victim = proxies.find(({ hostId }) => hostId === locked) as TestProxy;
    node.view.setLocks([{ name: 'l', target: { server_id: locked } }]);
    await flow('nobody is connected to it', () => victim.sockets.size === 0);
    await flow('another tunnel', () => tunnels.proxyIds().length === 1);
    expect(tunnels.proxyIds()).not.toContain(locked);
    await pass(30 * SECOND);
    expect(victim.sockets.size).toBe(0);
    for (const proxy of others) expect(await useNode(proxy)).toBe('hello');
  });

  it('S18 refuses: peers ask only for tunnels of the proxy itself, and only proxies may', async () => {
    for (const i of [1, 2]) await startProxy(i);
    const [first] = proxies as [TestProxy, TestProxy];
    const id = randomUUID();
    const agent = await first.connect(id, node.hostKey(['node', 'app'], id));
    await expect(openChannelStream(agent, 'peer-dial@gatehouse.dev', Buffer.from('{}'))).rejects.toThrow(
      /no such channel/,
    );
    const peerId = proxyIdOf(9);
    const peer = await first.connect(peerId, node.hostKey(['proxy'], peerId));
    const payload = (service: string): Uint8Array =>
      Buffer.from(JSON.stringify({ service, client: '192.0.2.1:1', target: NODE_ID }));
    await expect(openChannelStream(peer, 'peer-dial@gatehouse.dev', payload('ssh'))).rejects.toThrow(
      /no tunnel/,
    );
    await expect(openChannelStream(peer, 'peer-dial@gatehouse.dev', payload('tcp'))).rejects.toThrow(
      /not understood/,
    );
    await expect(openChannelStream(peer, 'direct-tcpip', new Uint8Array())).rejects.toThrow();
    expect(await peer.request('tunnel@gatehouse.dev', Buffer.from('{"services":["ssh"]}'))).toBeUndefined();
    peer.disconnect(11, 'done');
    agent.disconnect(11, 'done');
  });
});

/** A TCP proxy that can keep its connections and pass on nothing more. */
async function startFlakyProxy(targetPort: number): Promise<{ address: string; swallow(): void }> {
  const pairs: Socket[][] = [];
  const server = createServer((near) => {
    const far = connect(targetPort, '127.0.0.1');
    pairs.push([near, far]);
    for (const socket of [near, far]) socket.on('error', () => {});
    near.pipe(far).pipe(near);
    near.once('close', () => far.destroy());
  });
  await listen(server);
  closing.push(() => {
    for (const socket of pairs.flat()) socket.destroy();
    server.close();
  });
  return {
    address: addressOf(server),
    swallow() {
      for (const socket of pairs.flat())
        socket
          .unpipe()
          .on('data', () => {})
          .removeAllListeners('close');
    },
  };
}

/** Each connection to the next one. */
async function startBalancer(targets: readonly TestProxy[]): Promise<{ address: string }> {
  let turn = 0;
  const server = createServer((near) => {
    const far = connect(targets[turn++ % targets.length]?.port ?? 0, '127.0.0.1');
    for (const socket of [near, far]) socket.on('error', () => {});
    near.pipe(far).pipe(near);
    near.once('close', () => far.destroy());
    far.once('close', () => near.destroy());
  });
  await listen(server);
  closing.push(() => server.close());
  return { address: addressOf(server) };
}

const listen = (server: Server): Promise<void> =>
  new Promise((resolve) => server.listen(0, '127.0.0.1', () => resolve()));
const addressOf = (server: Server): string => `127.0.0.1:${(server.address() as AddressInfo).port}`;
