// The SSH side of the proxy with a real node behind it: every way in, every way to the node, over loopback.
import { randomUUID } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { NodeSpec } from '#kinds/node/kind.ts';
import type { Resource } from '#core/resource.ts';
import { makeTestNode, NODE_ID, type TestNode } from '#test/kit/ssh-node.ts';
import { startTestProxy, type TestProxy } from '#test/kit/ssh-proxy.ts';
import { until } from '#test/kit/until.ts';
import { readOnce } from './authenticate.ts';
import { takeLine } from '#wire/line.ts';
import { encodeProxyRequest, requireProxyReady } from '#wire/proxy-request.ts';
import { openChannelStream } from '#wire/ssh/channel-stream.ts';
import { directTcpip, subsystemRequest } from '#wire/ssh/payloads.ts';
import type { SshConnection, SshKey } from '#wire/ssh/ssh.ts';
import { Duplex } from 'node:stream';
import type { UserIdentity } from '#core/identity.ts';

const PROXY_ID = 'aaaaaaaa-0000-4000-8000-000000000001';
const ROLE = { allow: { logins: ['root'], node_labels: { env: 'test' } } };

let node: TestNode;
let proxy: TestProxy;
let joe: SshKey;
let nodeAddress: string;

const nodeDocument = (
  name: string,
  spec: Partial<NodeSpec>,
  labels = { env: 'test' },
): Resource<NodeSpec> => ({
  kind: 'node',
  version: 'v2',
  metadata: { name, labels },
  spec: { hostname: 'web-1', addr: '', use_tunnel: false, ...spec },
});

const who = (change: Partial<UserIdentity> = {}): UserIdentity => ({
  kind: 'user',
  cluster: node.view.name,
  name: 'joe',
  roles: ['access'],
  traits: {},
  logins: [],
  session_expires: '2030-01-01T00:00:00Z',
  ...change,
});

beforeEach(async () => {
  node = makeTestNode();
  node.view.putRole('access', ROLE);
  nodeAddress = await node.service.listen({ host: '127.0.0.1', port: 0 });
  node.view.putNode(nodeDocument(NODE_ID, { addr: nodeAddress }));
  proxy = await startTestProxy({
    clock: node.clock,
    view: node.view,
    hostId: PROXY_ID,
    key: node.hostKey(['proxy'], PROXY_ID),
  });
  joe = node.userKey('joe');
});
afterEach(async () => {
  await proxy.close();
  await node.close();
});

const direct = (host: string, port = 22): Uint8Array =>
  directTcpip.encode({ host, port, originHost: '127.0.0.1', originPort: 1 });

/** Logs in to the node over a stream that leads there, and says something. */
async function useNode(stream: Duplex): Promise<string> {
  const connection = await node.connect('root', joe, { socket: stream });
  const session = await openChannelStream(connection, 'session', new Uint8Array());
  session.write('hello');
  const answer = await new Promise<string>((resolve) =>
    session.once('data', (data: Buffer) => resolve(String(data))),
  );
  connection.disconnect(11, 'done');
  await connection.closed;
  return answer;
}

const errorOf = async (what: Promise<unknown>): Promise<string> => {
  try {
    await what;
    return 'no error';
  } catch (error) {
    return (error as Error).message;
  }
};

const remoteOf = (): unknown =>
  node.events.find(({ event }) => event === 'session.rejected')?.['addr.remote'];

describe('ways to a node', () => {
  it('ok: direct-tcpip by name, id and address; the host key is the one of the node', async () => {
    const connection = await proxy.connect('whoever', joe);
    for (const host of ['web-1', NODE_ID, `web-1.${node.view.name}`, '127.0.0.1', 'env=test']) {
      const stream = await openChannelStream(connection, 'direct-tcpip', direct(host));
      expect(await useNode(stream), host).toBe('hello');
    }
    await until('all channels are closed', () => connection.channelCount === 0);
    connection.disconnect(11, 'done');
  });

  it('ok: the subsystem proxy:host:port, also with bytes that come before its answer', async () => {
    const connection = await proxy.connect('joe', joe);
    for (const name of ['proxy:web-1:22', `proxy:web-1:0@${node.view.name}`]) {
      const stream = await openChannelStream(connection, 'session', new Uint8Array());
      stream.write('');
      const used = useNode(stream);
      expect(await stream.channel.request('subsystem', subsystemRequest.encode({ name }))).toBe(true);
      expect(await used).toBe('hello');
    }
    connection.disconnect(11, 'done');
  });

  it('ok: a request line over TLS, with SSH right behind it', async () => {
    const socket = await proxy.openRequest(who());
    socket.write(encodeProxyRequest({ target: 'web-1', port: 0 }));
    requireProxyReady(await takeLine(socket, { clock: node.clock, maxBytes: 8192, timeoutMs: 5000 }));
    expect(await useNode(socket)).toBe('hello');
  });

  it('ok: the node is told the address of the client, whatever way it came', async () => {
    const pinned = node.userKey('joe', { identity: { pinned_ip: '203.0.113.5' } });
    const connection = await proxy.connect('joe', joe);
    const stream = await openChannelStream(connection, 'direct-tcpip', direct('web-1'));
    await errorOf(node.connect('root', pinned, { socket: stream }));
    expect(remoteOf()).toMatch(/^127\.0\.0\.1:\d+$/);
    expect(String(remoteOf()).endsWith(`:${[...proxy.sockets][0]?.remotePort}`)).toBe(true);
    connection.disconnect(11, 'done');
  });

  it('ok: a client that leaves takes its way to the node with it, and the other way round', async () => {
    const connection = await proxy.connect('joe', joe);
    const stream = await openChannelStream(connection, 'direct-tcpip', direct('web-1'));
    const inner = await node.connect('root', joe, { socket: stream });
    expect(node.service.counts.connections).toBe(1);
    connection.disconnect(11, 'bye');
    await until('the node noticed', () => node.service.counts.connections === 0);
    await inner.closed;

    const again = await proxy.connect('joe', joe);
    const second = await openChannelStream(again, 'direct-tcpip', direct('web-1'));
    await node.connect('root', joe, { socket: second });
    node.view.setLocks([{ name: 'l', target: { login: 'root' } }]);
    await until('the client noticed', () => again.channelCount === 0);
    again.disconnect(11, 'bye');
  });
});

describe('what is refused', () => {
  it('refuses: names that several fit, with the list; and nodes that the user may not see, like those that are not there', async () => {
    node.view.putNode(nodeDocument('n2', { addr: '10.0.0.2:3022' }));
    node.view.putNode(nodeDocument('n3', { hostname: 'secret', addr: '10.0.0.3:3022' }, { env: 'prod' }));
    const connection = await proxy.connect('joe', joe);
    const open = (host: string, port?: number): Promise<string> =>
      errorOf(openChannelStream(connection, 'direct-tcpip', direct(host, port)));
    expect(await open('web-1')).toContain(`web-1 ${NODE_ID} ${nodeAddress}, web-1 n2 10.0.0.2:3022`);
    const [hidden, missing] = [await open('secret'), await open('absent')];
    expect(hidden.replace(/denial [0-9a-f-]+/, 'ID').replace('secret', 'X')).toBe(
      missing.replace(/denial [0-9a-f-]+/, 'ID').replace('absent', 'X'),
    );
    expect(await open('n3')).not.toContain('10.0.0.3');
    const [denial] = proxy.events.filter(({ event }) => event === 'access.denied');
    expect(denial).toMatchObject({
      user: 'joe',
      action: 'connect',
      resource: 'node/secret',
      server_id: PROXY_ID,
    });
    expect(JSON.stringify(denial)).toContain('n3');
    expect(hidden).toContain(String(denial?.['denial_id']));
    connection.disconnect(11, 'done');
  });

  it('S25 refuses: addresses of nobody, and nodes that point at the proxy itself or at metadata', async () => {
    const strict = await startTestProxy({
      clock: node.clock,
      view: node.view,
      hostId: PROXY_ID,
      key: node.hostKey(['proxy'], PROXY_ID),
      allowsLoopback: false,
    });
    for (const [i, addr] of [
      '127.0.0.1:3025',
      '[::1]:22',
      '169.254.169.254:80',
      '0.0.0.0:22',
      'localhost:22',
    ].entries()) {
      node.view.putNode(nodeDocument(`evil-${i}`, { hostname: `evil-${i}`, addr }));
    }
    const connection = await strict.connect('joe', joe);
    for (let i = 0; i < 5; i++) {
      expect(await errorOf(openChannelStream(connection, 'direct-tcpip', direct(`evil-${i}`)))).toMatch(
        /cannot reach evil-\d: address: \S+: (it is an address of the proxy itself|no server can be reached there)/,
      );
    }
    for (const host of ['127.0.0.2', '169.254.170.2', 'metadata.google.internal', '10.9.9.9']) {
      expect(await errorOf(openChannelStream(connection, 'direct-tcpip', direct(host, 3025)))).toContain(
        'no such server',
      );
    }
    connection.disconnect(11, 'done');
    await strict.close();
  });

  it('S10 S26 refuses: every channel, subsystem and request that does not lead to a node', async () => {
    const connection = await proxy.connect('joe', joe);
    for (const type of [
      'x11',
      'auth-agent@openssh.com',
      'forwarded-tcpip',
      'forwarded-streamlocal@openssh.com',
      'direct-streamlocal@openssh.com',
      'tun@openssh.com',
      'dial@gatehouse.dev',
      'peer-dial@gatehouse.dev',
      'what-ever',
    ]) {
      expect(await errorOf(openChannelStream(connection, type, new Uint8Array())), type).toContain(
        'refused the channel',
      );
    }
    for (const name of [
      'tcpip-forward',
      'streamlocal-forward@openssh.com',
      'tunnel@gatehouse.dev',
      'cancel-tcpip-forward',
    ]) {
      expect(await connection.request(name, new Uint8Array()), name).toBeUndefined();
    }
    let said = '';
    const session = await openChannelStream(connection, 'session', new Uint8Array(), {
      onStderr: (data) => (said += String(data)),
    });
    for (const [name, payload] of [
      ['shell', new Uint8Array()],
      ['exec', Buffer.from('\0\0\0\x02id')],
      ['subsystem', subsystemRequest.encode({ name: 'sftp' })],
      ['subsystem', subsystemRequest.encode({ name: 'proxy:absent:22' })],
      ['pty-req', new Uint8Array()],
      ['env', new Uint8Array()],
      ['x11-req', new Uint8Array()],
      ['auth-agent-req@openssh.com', new Uint8Array()],
    ] as const) {
      expect(await session.channel.request(name, payload), name).toBe(false);
    }
    expect(said).toContain('this is the proxy of the cluster, which has no shell');
    expect(said).toContain('no such server, or no access to it: absent');
    connection.disconnect(11, 'done');
  });

  it.each<[string, () => SshKey, RegExp]>([
    ['another authority', () => node.userKey('joe', { authority: node.view.hostAuthority }), /authority/],
    ['the oldssh format', () => node.userKey('joe', { isOldFormat: true }), /oldssh/],
    [
      'another cluster',
      () => node.userKey('joe', { identity: { cluster: 'other' } }),
      /access denied \(denial/,
    ],
    [
      'S20 a certificate for databases',
      () => node.userKey('joe', { identity: { usage: 'db' } }),
      /access denied \(denial/,
    ],
    [
      'S13 another address than the pinned one',
      () => node.userKey('joe', { identity: { pinned_ip: '192.0.2.1' } }),
      /access denied \(denial/,
    ],
    [
      'another source address',
      () => node.userKey('joe', { criticalOptions: { 'source-address': '192.0.2.0/24' } }),
      /address/,
    ],
    ['an expired certificate', () => node.userKey('joe', { validForMs: -1000 }), /expired/],
    ['S18 a host certificate under another id', () => node.hostKey(['node'], randomUUID()), /host id/],
    ['a member that has nothing to do here', () => node.hostKey(['auth'], 'joe'), /without the role/],
    ['a plain key', () => ({ privateKey: joe.privateKey }), /certificate of the cluster is needed/],
  ])('refuses: %s', async (_, key, text) => {
    let banner = '';
    const attempt = proxy.connect('joe', key(), { onBanner: (said) => (banner += said) });
    await expect(attempt).rejects.toMatchObject({ code: 'ACCESS_DENIED' });
    if (_ !== 'a plain key') expect(banner).toMatch(text);
    await until('it is on record', () => proxy.events.length > 0);
  });

  it('S2 refuses: the certificate of somebody else, without its key', async () => {
    const admin = node.userKey('admin', { identity: { name: 'admin' } });
    const thief = { privateKey: joe.privateKey, certificate: admin.certificate ?? new Uint8Array() };
    await expect(proxy.connect('admin', thief)).rejects.toThrow();
  });

  it('S2 S4 refuses: to take the offer of one certificate for the proof of another', () => {
    const read = readOnce((offer) => ({ of: offer.blob[0], by: offer.user }));
    const offer = { user: 'joe', algorithm: 'a', blob: Uint8Array.of(1), proven: false };
    expect(read(offer)).toEqual({ of: 1, by: 'joe' });
    expect(read({ ...offer, blob: Uint8Array.of(2), proven: true })).toEqual({ of: 2, by: 'joe' });
    expect(read({ ...offer, user: 'eve', blob: Uint8Array.of(2), proven: true })).toEqual({
      of: 2,
      by: 'eve',
    });
    expect(read({ ...offer, blob: Uint8Array.of(1, 2), proven: true })).toEqual({ of: 1, by: 'joe' });
  });
});

describe('S16 what is open', () => {
  it('S16 is cut by a lock at once, and new connections are refused with its message', async () => {
    const connection = await proxy.connect('joe', joe);
    const stream = await openChannelStream(connection, 'direct-tcpip', direct('web-1'));
    stream.on('error', () => {});
    node.view.setLocks([{ name: 'l', target: { user: 'joe' }, message: 'see the admin' }]);
    await node.clock.advance(400);
    await connection.closed;
    let banner = '';
    await errorOf(proxy.connect('joe', joe, { onBanner: (text) => (banner += text) }));
    expect(banner).toMatch(/see the admin \(denial /);
    node.view.setLocks([{ name: 'l', target: { role: 'access' } }]);
    const socket = await proxy.openRequest(who());
    socket.write(encodeProxyRequest({ target: 'web-1' }));
    const answer = await takeLine(socket, { clock: node.clock, maxBytes: 32_768, timeoutMs: 5000 });
    expect(() => requireProxyReady(answer)).toThrow(/a lock is in force/);
  });

  it('S16 a connection whose certificate has expired goes nowhere new, and ends when it is not used', async () => {
    const brief = await proxy.connect('joe', node.userKey('joe', { validForMs: 60_000 }));
    const stream = await openChannelStream(brief, 'direct-tcpip', direct('web-1'));
    await node.clock.advance(61_000);
    expect(await errorOf(openChannelStream(brief, 'direct-tcpip', direct('web-1')))).toContain('expired');
    await node.clock.advance(31_000);
    expect(await Promise.race([brief.closed.then(() => 'closed'), Promise.resolve('open')])).toBe('open');
    stream.destroy();
    await until('the channel is closed', () => brief.channelCount === 0);
    await node.clock.advance(31_000);
    await brief.closed;
  });

  it('S16 over TLS it is the same: an expired certificate opens nothing, a lock cuts what is open', async () => {
    const validBefore = node.clock.now() + 60_000;
    const late = await proxy.openRequest(who(), node.clock.now());
    late.write(encodeProxyRequest({ target: 'web-1' }));
    const refused = await takeLine(late, { clock: node.clock, maxBytes: 32_768, timeoutMs: 5000 });
    expect(() => requireProxyReady(refused)).toThrow(/expired/);
    const between = await proxy.openRequest(who(), node.clock.now() + 2000);
    const answer = takeLine(between, { clock: node.clock, maxBytes: 32_768, timeoutMs: 60_000 });
    await node.clock.advance(3000);
    between.write(encodeProxyRequest({ target: 'web-1' }));
    expect(await answer.then(requireProxyReady).catch((error: unknown) => String(error))).toMatch(/expired/);
    const socket = await proxy.openRequest(who(), validBefore);
    socket.write(encodeProxyRequest({ target: 'web-1' }));
    requireProxyReady(await takeLine(socket, { clock: node.clock, maxBytes: 8192, timeoutMs: 5000 }));
    socket.on('error', () => {}).resume();
    node.view.setLocks([{ name: 'l', target: { user: 'joe' } }]);
    await node.clock.advance(400);
    await until('nothing is open', () => proxy.sockets.size === 0);
  });

  it('ok: while auth is away nothing changes; with strict locks nobody new gets in', async () => {
    node.view.locksAreOf(node.clock.now() - 3_600_000);
    const connection: SshConnection = await proxy.connect('joe', joe);
    expect(await useNode(await openChannelStream(connection, 'direct-tcpip', direct('web-1')))).toBe('hello');
    node.view.setPreference({ locking_mode: 'strict' });
    expect(await errorOf(openChannelStream(connection, 'direct-tcpip', direct('web-1')))).toMatch(/locks/);
    connection.disconnect(11, 'done');
  });
});

describe('S33 what one holds', () => {
  const startBounded = (more: object): Promise<TestProxy> =>
    startTestProxy({
      clock: node.clock,
      view: node.view,
      hostId: PROXY_ID,
      key: node.hostKey(['proxy'], PROXY_ID),
      ...more,
    });

  it('S33 refuses: more than half of all connections to one person, whichever way they come', async () => {
    const small = await startBounded({ maxConnections: 4 });
    const open = [await small.connect('joe', joe), await small.connect('joe', joe)];
    let banner = '';
    await errorOf(small.connect('joe', joe, { onBanner: (text) => (banner += text) }));
    expect(banner).toContain('2 are allowed (max_connections)');
    const over = await small.openRequest(who());
    over.write(encodeProxyRequest({ target: 'web-1' }));
    const refused = await takeLine(over, { clock: node.clock, maxBytes: 32_768, timeoutMs: 5000 });
    expect(() => requireProxyReady(refused)).toThrow(/max_connections/);
    const other = await small.connect('ann', node.userKey('ann'));
    open[0]?.disconnect(11, 'done');
    await until('it has left', () => small.door.counts.connections === 2);
    const again = await small.connect('joe', joe);
    for (const connection of [again, other]) connection.disconnect(11, 'done');
    await small.close();
  });

  it('S33 refuses: more connections to one member than it has a use for', async () => {
    const id = randomUUID();
    const key = node.hostKey(['node'], id);
    const open: SshConnection[] = [];
    for (let i = 0; i < 256; i++) open.push(await proxy.connect(id, key));
    let banner = '';
    await errorOf(proxy.connect(id, key, { onBanner: (text) => (banner += text) }));
    expect(banner).toContain('256 are allowed');
    const other = randomUUID();
    (await proxy.connect(other, node.hostKey(['node'], other))).disconnect(11, 'done');
    for (const connection of open) connection.disconnect(11, 'done');
  }, 60_000);

  it('S33 refuses: more dials at a time than a connection may have channels', async () => {
    const stuck = await startBounded({ resolve: () => {} });
    node.view.putNode(nodeDocument('slow', { hostname: 'slow', addr: 'slow.example.com:22' }));
    const connection = await stuck.connect('joe', joe);
    const refused: string[] = [];
    const dials = Array.from({ length: 130 }, async () =>
      refused.push(await errorOf(openChannelStream(connection, 'direct-tcpip', direct('slow')))),
    );
    await until('two are refused', () => refused.length === 2);
    expect(refused[0]).toContain('at most 128 channels');
    await node.clock.advance(31_000);
    await Promise.all(dials);
    expect(refused[5]).toMatch(/no answer within/);
    connection.disconnect(11, 'done');
    await stuck.close();
  });

  it('S33 refuses: to look for names without end; those who find what they look for are not bothered', async () => {
    const connection = await proxy.connect('joe', joe);
    const ask = (host: string): Promise<string> =>
      errorOf(openChannelStream(connection, 'direct-tcpip', direct(host)));
    for (let i = 0; i < 200; i++) expect(await ask(`absent-${i}`)).toContain('no such server');
    expect(await ask('absent')).toContain('too many names');
    await node.clock.advance(1000);
    for (let i = 0; i < 15; i++) {
      const stream = await openChannelStream(connection, 'direct-tcpip', direct('web-1'));
      stream.on('error', () => {}).destroy();
    }
    connection.disconnect(11, 'done');
  });

  it('ok: a stream that ended before it was served is forgotten', async () => {
    const ended = new Duplex({ read() {}, write: (_data, _encoding, done) => done() });
    ended.destroy();
    const origin = { remoteAddress: '192.0.2.1:1', localAddress: '192.0.2.80:3080' };
    proxy.door.accept(ended, origin);
    proxy.door.proxySsh(ended, { identity: who(), validBefore: Infinity }, origin);
    expect(proxy.door.counts.inUse).toBe(0);
  });
});

describe('connection_limits.max_users', () => {
  it('ok: so many people at a time, each with several connections, and the next when one has left', async () => {
    const [first, again] = [await proxy.connect('joe', joe), await proxy.connect('joe', joe)];
    const over = await proxy.openRequest(who({ name: 'ann' }));
    over.write(encodeProxyRequest({ target: 'web-1' }));
    requireProxyReady(await takeLine(over, { clock: node.clock, maxBytes: 8192, timeoutMs: 5000 }));
    let banner = '';
    const bob = node.userKey('bob');
    await errorOf(proxy.connect('bob', bob, { onBanner: (text) => (banner += text) }));
    expect(banner).toContain('max_users');
    const late = await proxy.openRequest(who({ name: 'bob' }));
    const refused = await takeLine(late, { clock: node.clock, maxBytes: 32_768, timeoutMs: 5000 });
    expect(() => requireProxyReady(refused)).toThrow(/max_users/);
    over.destroy();
    await until('the seat is free', () => proxy.sockets.size === 2);
    const bobs = await proxy.connect('bob', bob);
    for (const connection of [first, again, bobs]) connection.disconnect(11, 'done');
  });
});

describe('S32 S33 the request line', () => {
  it.each([
    ['no line in time', '', 6000],
    ['no end', 'x'.repeat(10_000), 0],
    ['no JSON', 'GET / HTTP/1.1\n', 0],
    ['no target', '{}\n', 0],
    ['another cluster', encodeProxyRequest({ target: 'web-1', cluster: 'other' }), 0],
  ])('refuses: %s', async (_, text, waitMs) => {
    const socket = await proxy.openRequest(who());
    const answer = takeLine(socket, { clock: node.clock, maxBytes: 32_768, timeoutMs: 60_000 });
    socket.write(text);
    if (waitMs > 0) await node.clock.advance(waitMs);
    const line = await answer;
    expect(() => requireProxyReady(line)).toThrow();
    await until('the connection is closed', () => proxy.sockets.size === 0);
  });
});
