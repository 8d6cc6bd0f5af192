// Connections through HTTP proxies: a real proxy on loopback, real TLS with the auth service through it, and proxies that
// say odd things.
import { createServer as createHttpServer } from 'node:http';
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { afterEach, expect, it } from 'vitest';
import { ping } from '#core/api/cluster.ts';
import { Secret } from '#core/secret.ts';
import { startTestAuth } from '#test/kit/auth-server.ts';
import { openApi } from '../api.ts';
import { learnAuthorities } from '../trust.ts';
import { dialTcp, dialThrough } from './tcp-dial.ts';

const closing: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).toReversed()) await close();
});

const late = (): AbortSignal => AbortSignal.timeout(20_000);

async function listen(server: Server): Promise<number> {
  const sockets = new Set<Socket>();
  server.on('connection', (socket: Socket) => {
    sockets.add(socket);
    socket.on('error', () => {});
  });
  closing.push(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return (server.address() as AddressInfo).port;
}

/** Passes on what it is asked to, and remembers it. */
async function startProxy(): Promise<{ port: number; asked: string[] }> {
  const asked: string[] = [];
  const server = createHttpServer();
  server.on('connect', (request, near: Socket, head: Buffer) => {
    asked.push(`${request.url} ${request.headers['proxy-authorization'] ?? '-'}`);
    const [host = '', port = ''] = (request.url ?? '').split(':');
    const far = connect(Number(port), host, () => {
      near.write('HTTP/1.1 200 Connection established\r\nX: y\r\n\r\n');
      far.write(head);
      near.pipe(far).pipe(near);
    });
    far.on('error', () => near.destroy());
    near.on('error', () => far.destroy());
    near.once('close', () => far.destroy());
  });
  return { port: await listen(server), asked };
}

/** Answers anything with this. */
async function startStub(answer: string): Promise<number> {
  return listen(createServer((socket) => socket.once('data', () => socket.end(answer))));
}

it('ok: calls to auth go through it, first contact included, with user and password', async () => {
  const house = await startTestAuth();
  closing.push(() => house.close());
  const proxy = await startProxy();
  const credentials = new Secret('joe:p@ss');
  const dial = (address: string): Promise<Socket> =>
    dialThrough({ host: '127.0.0.1', port: proxy.port, isTls: false, credentials }, address, late());
  const address = `127.0.0.1:${house.auth.port}`;
  expect(await learnAuthorities(address, [], dial)).toEqual([house.authority]);
  const api = openApi({ addresses: [address], authorities: [house.authority], dial });
  closing.push(() => api.close());
  expect((await api.call(ping, {})).cluster_name).toBe('test.example.com');
  expect(proxy.asked).toEqual(
    Array(2).fill(`${address} Basic ${Buffer.from('joe:p@ss').toString('base64')}`),
  );
});

it('ok: bytes that come with the answer of the proxy are not lost', async () => {
  const port = await startStub('HTTP/1.0 200 OK\r\n\r\nSSH-2.0-x\r\n');
  const socket = await dialThrough({ host: '127.0.0.1', port, isTls: false }, 'a.example.com:1', late());
  expect(await new Promise((resolve) => socket.once('data', (data) => resolve(String(data))))).toBe(
    'SSH-2.0-x\r\n',
  );
  socket.destroy();
});

it.each([
  [
    'a refusal',
    'HTTP/1.1 403 Forbidden\r\n\r\n',
    /refused the connection to a\.example\.com:1 \(status 403\)/,
  ],
  ['a wrong password, with a hint', 'HTTP/1.1 407 No\r\n\r\n', /407.*user and password/],
  ['something else', 'SSH-2.0-OpenSSH\r\n\r\n', /does not answer as an HTTP proxy/],
  ['an end', 'HTTP/1.1 200', /ended the connection/],
  ['S33 an answer without end', `HTTP/1.1 200 ${'x'.repeat(20_000)}`, /without end/],
])('refuses: %s', async (_, answer, text) => {
  const port = await startStub(answer);
  const dialing = dialThrough({ host: '127.0.0.1', port, isTls: false }, 'a.example.com:1', late());
  await expect(dialing).rejects.toThrow(text);
});

it('S32 refuses: a proxy that says nothing, at the end of the time', async () => {
  const port = await listen(createServer(() => {}));
  const dialing = dialThrough(
    { host: '127.0.0.1', port, isTls: false },
    'a.example.com:1',
    AbortSignal.timeout(20),
  );
  await expect(dialing).rejects.toMatchObject({ code: 'UNAVAILABLE' });
});

it('S19 refuses: addresses that would become more than a request line', async () => {
  for (const address of ['a:1\r\nX: y', 'a b:1', 'a', ':1', 'a:0', 'a:70000', '[x]:1']) {
    await expect(dialTcp(address, { environment: {} })).rejects.toMatchObject({ code: 'BAD_REQUEST' });
  }
});

it('ok: direct where no proxy is named; unreachable addresses say why', async () => {
  const port = await listen(createServer((socket) => socket.end('hi')));
  const socket = await dialTcp(`127.0.0.1:${port}`, { environment: { HTTPS_PROXY: 'proxy.invalid:1' } });
  socket.destroy();
  const gone = await listen(createServer());
  await closing.splice(-1)[0]?.();
  await expect(dialTcp(`127.0.0.1:${gone}`, { environment: {} })).rejects.toThrow(
    /cannot reach .*ECONNREFUSED/,
  );
});
