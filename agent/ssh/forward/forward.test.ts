// Forwards over the real wire, with sockets of this machine at the far end: bytes both ways, half-closed ends, and what
// is cleaned up.
import { createHash, randomBytes } from 'node:crypto';
import { existsSync, mkdtempSync, rmSync, statSync } from 'node:fs';
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openChannelStream } from '#wire/ssh/channel-stream.ts';
import {
  boundPort,
  directStreamlocal,
  directTcpip,
  forwardedTcpip,
  streamlocalForward,
  tcpipForward,
  x11Open,
} from '#wire/ssh/payloads.ts';
import type { IncomingChannel, SshConnection } from '#wire/ssh/ssh.ts';
import { makeTestNode, type TestNode } from '#test/kit/ssh-node.ts';
import { until } from '#test/kit/until.ts';
import type { SessionForwards } from '../context.ts';

let node: TestNode;
let folder: string;
let connection: SshConnection;
let incoming: IncomingChannel[];
let forwards: SessionForwards | undefined;
const servers: Server[] = [];

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'gatehouse-forward-'));
  incoming = [];
  node = makeTestNode({
    serveSession: (opening, _, given) => {
      forwards = given;
      opening.accept({});
    },
  });
  node.view.putRole('access', {
    allow: { logins: ['root'], node_labels: { '*': ['*'] } },
    options: { forward_agent: true, permit_x11_forwarding: true },
  });
  const handlers = { onChannel: (opening: IncomingChannel) => void incoming.push(opening) };
  connection = await node.connect('root', node.userKey('joe'), { handlers });
  await connection.open('session', new Uint8Array(), {});
});
afterEach(async () => {
  await node.close();
  for (const server of servers.splice(0)) server.close();
  rmSync(folder, { recursive: true, force: true });
});

/** Says what it got, in full, when the other end has finished. */
async function startTarget(path?: string): Promise<number> {
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    const hash = createHash('sha256');
    socket.on('error', () => {});
    socket.on('data', (data) => void hash.update(data));
    socket.on('end', () => socket.end(hash.digest('hex')));
  });
  servers.push(server);
  await new Promise<void>((resolve) => {
    if (path === undefined) server.listen(0, '127.0.0.1', resolve);
    else server.listen(path, resolve);
  });
  return (server.address() as AddressInfo).port ?? 0;
}

async function exchange(stream: NodeJS.ReadWriteStream, bytes: Buffer): Promise<string> {
  let said = '';
  stream.on('data', (data: Buffer) => void (said += data.toString()));
  stream.end(bytes);
  await new Promise((resolve) => stream.once('end', resolve));
  return said;
}
const digest = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex');
const portEvents = () => node.events.filter(({ event }) => event === 'port');
const tcpTo = (port: number, host = '127.0.0.1'): Uint8Array =>
  directTcpip.encode({ host, port, originHost: '127.0.0.1', originPort: 4711 });

describe('local', () => {
  it.each(['127.0.0.1', 'localhost'])('ok: bytes to and from %s, each way ended by itself', async (host) => {
    const port = await startTarget();
    const bytes = randomBytes(5_000_000);
    const stream = await openChannelStream(connection, 'direct-tcpip', tcpTo(port, host));
    expect(await exchange(stream, bytes)).toBe(digest(bytes));
    await until('the channel to close', () => connection.channelCount === 1);
    expect(portEvents()).toMatchObject([
      { action: 'local-tcp', dst_addr: host, dst_port: port, success: true, user: 'joe', login: 'root' },
    ]);
  });

  it('ok: a socket of this machine', async () => {
    const path = join(folder, 'target.sock');
    await startTarget(path);
    const payload = directStreamlocal.encode({ path, reservedText: '', reservedNumber: 0 });
    const stream = await openChannelStream(connection, 'direct-streamlocal@openssh.com', payload);
    expect(await exchange(stream, Buffer.from('hello'))).toBe(digest(Buffer.from('hello')));
    expect(portEvents()).toMatchObject([
      { action: 'local-socket', dst_addr: path, dst_port: 0, success: true },
    ]);
  });

  it('S33 ok: a target that reads nothing stops its channel, and no other', async () => {
    const server = createServer((socket) => void socket.pause());
    servers.push(server);
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as AddressInfo;
    let stuck = 0;
    const channel = await connection.open('direct-tcpip', tcpTo(port), { onDrain: () => void (stuck = 0) });
    const chunk = Buffer.alloc(65_536);
    for (let i = 0; i < 400 && stuck === 0; i++) {
      if (!channel.write(chunk)) stuck = i + 1;
      await new Promise((resolve) => setImmediate(resolve));
    }
    // Windows and socket buffers of two ends: far less than what was offered.
    expect(stuck).toBeGreaterThan(0);
    const other = await startTarget();
    const stream = await openChannelStream(connection, 'direct-tcpip', tcpTo(other));
    expect(await exchange(stream, Buffer.from('x'))).toBe(digest(Buffer.from('x')));
    channel.close();
  });

  it.each([
    ['a port that nobody listens on', tcpTo(1), 2],
    ['S25 the metadata service', tcpTo(80, '169.254.169.254'), 1],
    ['S25 the metadata service by another spelling', tcpTo(80, '0xa9fea9fe'), 1],
    ['S25 a link-local address', tcpTo(80, 'fe80::1%eth0'), 1],
    ['port 0', tcpTo(0), 1],
    ['a port that is none', tcpTo(65_536), 1],
    ['no host', tcpTo(80, ''), 1],
    ['a host with a space', tcpTo(80, 'a b'), 1],
  ])('refuses: %s', async (_, payload, reason) => {
    await expect(connection.open('direct-tcpip', payload, {})).rejects.toMatchObject({ details: { reason } });
    expect(portEvents()).toMatchObject([{ success: false }]);
  });

  it.each([
    ['a path that is not there', '/nonexistent/x'],
    ['a relative path', 'x'],
    ['a path that is too long', `/${'x'.repeat(200)}`],
  ])('refuses: %s', async (_, path) => {
    const payload = directStreamlocal.encode({ path, reservedText: '', reservedNumber: 0 });
    await expect(connection.open('direct-streamlocal@openssh.com', payload, {})).rejects.toMatchObject({
      code: 'ACCESS_DENIED',
    });
    expect(portEvents()).toMatchObject([{ success: false }]);
  });
});

describe('remote', () => {
  async function bind(host: string, port = 0): Promise<number> {
    const reply = await connection.request('tcpip-forward', tcpipForward.encode({ host, port }));
    if (reply === undefined) throw new Error('refused');
    return port === 0 ? boundPort.decode(reply).port : port;
  }
  const dialed = (port: number, host = '127.0.0.1'): Promise<Socket> =>
    new Promise((resolve, reject) => {
      const socket = connect({ host, port, allowHalfOpen: true }, () => resolve(socket)).once(
        'error',
        reject,
      );
    });

  it('ok: connections become channels that say where they came to and from', async () => {
    const port = await bind('localhost');
    const socket = await dialed(port);
    const opening = await until('the channel', () => incoming[0]);
    expect(forwardedTcpip.decode(opening.payload)).toMatchObject({
      host: 'localhost',
      port,
      originHost: '127.0.0.1',
      originPort: socket.localPort,
    });
    let got = '';
    const channel = opening.accept({
      onData(data) {
        got += data.toString();
        channel.consumed(data.length);
      },
      onEof() {
        channel.write(Buffer.from(`you said ${got}`));
        channel.end();
        channel.close();
      },
    });
    expect(await exchange(socket, Buffer.from('hello'))).toBe('you said hello');
    expect(portEvents()).toMatchObject([{ action: 'remote-tcp', dst_addr: 'localhost', dst_port: port }]);
  });

  it('ok: loopback unless all addresses are asked for', async () => {
    const loopback = await bind('localhost');
    const everywhere = await bind('');
    const other = '127.0.0.2';
    await expect(dialed(loopback, other)).rejects.toMatchObject({ code: 'ECONNREFUSED' });
    (await dialed(everywhere, other)).destroy();
  });

  it('ok: the end of the connection ends what listens', async () => {
    const port = await bind('localhost');
    const path = join(folder, 'r.sock');
    const payload = streamlocalForward.encode({ path });
    expect(await connection.request('streamlocal-forward@openssh.com', payload)).toBeDefined();
    expect(statSync(path).mode & 0o777).toBe(0o600);
    connection.disconnect(11, 'bye');
    await until('the port to close', () =>
      dialed(port).then(
        (socket) => void socket.destroy(),
        () => true,
      ),
    );
    await until('the path to go', () => !existsSync(path));
  });

  it('ok: a path, and its cancelling', async () => {
    const path = join(folder, 'r.sock');
    const payload = streamlocalForward.encode({ path });
    expect(await connection.request('streamlocal-forward@openssh.com', payload)).toBeDefined();
    // S28: what is there already is not replaced.
    expect(await connection.request('streamlocal-forward@openssh.com', payload)).toBeUndefined();
    const socket = connect({ path });
    socket.on('error', () => {});
    const opening = await until('the channel', () => incoming[0]);
    expect(opening.type).toBe('forwarded-streamlocal@openssh.com');
    opening.reject(1, 'no');
    await until('the end of the refused one', () => socket.destroyed || socket.readableEnded);
    expect(await connection.request('cancel-streamlocal-forward@openssh.com', payload)).toBeDefined();
    await until('the path to go', () => !existsSync(path));
  });

  it('refuses: a port that is taken, and more than 64 forwards', async () => {
    const taken = await startTarget();
    const encode = (port: number) => tcpipForward.encode({ host: '127.0.0.1', port });
    expect(await connection.request('tcpip-forward', encode(taken))).toBeUndefined();
    expect(portEvents().at(-1)).toMatchObject({ success: false, error: 'EADDRINUSE' });
    for (let i = 0; i < 64; i++) await bind('127.0.0.1');
    expect(await connection.request('tcpip-forward', encode(0))).toBeUndefined();
  });
});

describe('agent', () => {
  it('S28 ok: one socket per connection that only the account can reach, gone with the connection', async () => {
    const [path, again] = await Promise.all([forwards?.openAgent(), forwards?.openAgent()]);
    expect(path).toBe(again);
    const place = path ?? '';
    expect(statSync(place).mode & 0o777).toBe(0o600);
    expect(statSync(join(place, '..')).mode & 0o777).toBe(0o700);
    const socket = connect(place);
    const opening = await until('the channel', () => incoming[0]);
    expect(opening.type).toBe('auth-agent@openssh.com');
    const channel = opening.accept({ onData: (data) => void channel.write(data) });
    const echoed = new Promise<string>((resolve) => socket.once('data', (data) => resolve(data.toString())));
    socket.write('sign this');
    expect(await echoed).toBe('sign this');
    connection.disconnect(11, 'bye');
    await until('the folder to go', () => !existsSync(join(place, '..')));
    expect(portEvents()).toMatchObject([{ action: 'agent', success: true }]);
  });

  it('refuses: without the permit of roles', async () => {
    node.view.putRole('access', { allow: { logins: ['root'], node_labels: { '*': ['*'] } } });
    expect(await forwards?.openAgent()).toBeUndefined();
    expect(portEvents()).toMatchObject([{ action: 'agent', success: false }]);
  });
});

describe('X11', () => {
  const request = {
    singleConnection: false,
    protocol: 'MIT-MAGIC-COOKIE-1',
    cookie: 'ab'.repeat(16),
    screen: 0,
  };

  it('S22 refuses: what would be a second line for xauth', async () => {
    for (const bad of [
      { ...request, cookie: 'ab\nsource /etc/passwd' },
      { ...request, cookie: '' },
      { ...request, cookie: 'xyz' },
      { ...request, protocol: 'A B' },
      { ...request, protocol: 'A\nadd' },
      { ...request, screen: 70_000 },
    ]) {
      expect(await forwards?.openX11(bad)).toBeUndefined();
    }
    expect(portEvents().every(({ success }) => success === false)).toBe(true);
  });

  it('ok: a display of its own, whose connections become channels, until it is closed', async () => {
    const home = mkdtempSync(join(folder, 'home-'));
    await node.close();
    node = makeTestNode({
      config: {
        allowTcpForwarding: true,
        fileCopy: true,
        x11: { enabled: true, displayOffset: 110, maxDisplays: 50 },
      },
      findAccount: async (name) => ({
        name,
        uid: process.getuid?.() ?? 0,
        gid: process.getgid?.() ?? 0,
        home,
      }),
      serveSession: (opening, _, given) => {
        forwards = given;
        opening.accept({});
      },
    });
    node.view.putRole('access', {
      allow: { logins: ['root'], node_labels: { '*': ['*'] } },
      options: { permit_x11_forwarding: true },
    });
    const handlers = { onChannel: (opening: IncomingChannel) => void incoming.push(opening) };
    connection = await node.connect('root', node.userKey('joe'), { handlers });
    await connection.open('session', new Uint8Array(), {});
    const opened = await forwards?.openX11(request);
    const [, number] = /^localhost:(\d+)\.0$/.exec(opened?.display ?? '') ?? [];
    expect(existsSync(join(home, '.Xauthority'))).toBe(true);
    const port = 6000 + Number(number);
    const socket = connect({ host: '127.0.0.1', port });
    const channel = await until('the channel', () => incoming[0]);
    expect(channel.type).toBe('x11');
    expect(x11Open.decode(channel.payload)).toMatchObject({ originHost: '127.0.0.1' });
    channel.reject(1, 'no display here');
    await until('the end of the refused one', () => socket.readableEnded || socket.destroyed);
    socket.destroy();
    opened?.close();
    await until(
      'the port to close',
      () =>
        new Promise<boolean>((resolve) => {
          const again = connect({ host: '127.0.0.1', port }, () => resolve(false));
          again.once('error', () => resolve(true));
        }),
    );
  });
});
