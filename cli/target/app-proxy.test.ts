import { randomBytes } from 'node:crypto';
import { createServer, request as httpRequest, type IncomingMessage, type Server } from 'node:http';
import { connect, type AddressInfo, type Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { openAppProxy } from './app-proxy.ts';

let agent: Server;
let proxy: Awaited<ReturnType<typeof openAppProxy>>;
let heads: { url: string; headers: IncomingMessage['headers'] }[] = [];

beforeAll(async () => {
  agent = createServer((request, response) => {
    heads.push({ url: request.url ?? '', headers: request.headers });
    response.writeHead(200, { 'x-app': 'wiki' });
    request.pipe(response);
  });
  agent.on('upgrade', (request, socket: Duplex) => {
    heads.push({ url: request.url ?? '', headers: request.headers });
    socket.write('HTTP/1.1 101 Switching Protocols\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\r\n');
    socket.on('error', () => {}).pipe(socket);
  });
  await new Promise<void>((resolve) => agent.listen(0, '127.0.0.1', resolve));
  const { port } = agent.address() as AddressInfo;
  proxy = await openAppProxy({
    port: 0,
    host: 'wiki.example.com:3080',
    open: () =>
      new Promise<Socket>((resolve) => {
        const socket = connect(port, '127.0.0.1', () => resolve(socket));
      }),
    failed: () => {},
  });
});
beforeEach(() => void (heads = []));
afterAll(() => {
  proxy.close();
  agent.closeAllConnections();
  agent.close();
});

async function ask(
  headers: Readonly<Record<string, string>> = {},
  body?: Uint8Array,
): Promise<{ status: number; bytes: Buffer; headers: IncomingMessage['headers'] }> {
  const request = httpRequest({
    host: '127.0.0.1',
    port: proxy.port,
    path: '/page?x=1',
    method: body === undefined ? 'GET' : 'POST',
    headers,
  });
  request.end(body);
  const answer = await new Promise<IncomingMessage>((resolve, reject) =>
    request.once('response', resolve).once('error', reject),
  );
  const parts: Buffer[] = [];
  for await (const part of answer) parts.push(part as Buffer);
  return { status: answer.statusCode ?? 0, bytes: Buffer.concat(parts), headers: answer.headers };
}

describe('a port that is an application', () => {
  it('ok: requests reach it under its own name', async () => {
    expect(await ask({ accept: 'text/plain' })).toMatchObject({ status: 200, headers: { 'x-app': 'wiki' } });
    expect(heads[0]).toMatchObject({
      url: '/page?x=1',
      headers: { host: 'wiki.example.com:3080', accept: 'text/plain' },
    });
  });

  it('ok: bodies both ways, also when the length is not known', async () => {
    const body = randomBytes(3_000_000);
    expect((await ask({}, body)).bytes.equals(body)).toBe(true);
    expect((await ask({ 'transfer-encoding': 'chunked' }, body)).bytes.equals(body)).toBe(true);
    expect((await ask({ expect: '100-continue' }, body)).bytes.equals(body)).toBe(true);
  });

  it('ok: WebSockets', async () => {
    const socket = connect(proxy.port, '127.0.0.1');
    socket.write('GET /ws HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n');
    let text = '';
    for await (const part of socket.iterator({ destroyOnReturn: false })) {
      text += String(part);
      if (text.endsWith('\r\n\r\n')) socket.write('hello');
      if (text.endsWith('hello')) break;
    }
    expect(text).toMatch(/^HTTP\/1\.1 101 /);
    expect(heads[0]?.headers).toMatchObject({ upgrade: 'websocket', host: 'wiki.example.com:3080' });
    socket.destroy();
  });

  it.each([
    [{ host: 'evil.example.com' }],
    [{ host: 'localhost.evil.example.com' }],
    [{ origin: 'https://evil.example.com' }],
    [{ origin: 'null' }],
  ])('S25 refuses: what a web page of somebody else would send: %j', async (headers) => {
    expect((await ask(headers)).status).toBe(403);
    expect(heads).toEqual([]);
  });

  it('refuses: a port that is taken', async () => {
    const about = { port: proxy.port, host: 'x', open: () => Promise.reject(new Error()), failed: () => {} };
    await expect(openAppProxy(about)).rejects.toMatchObject({ code: 'ALREADY_EXISTS' });
  });
});
