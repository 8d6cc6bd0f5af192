// What clients, agents and changed documents should not be able to do to applications and to the people in them (S12, S19),
// tried on the wire: bytes that no ordinary client sends.
import type { Server } from 'node:http';
import { connect as connectTls, type TLSSocket } from 'node:tls';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import type { TestClient } from '#test/kit/auth-server.ts';
import { until } from '#test/kit/until.ts';
import { PROXY_HOST, startAppHouse, startServer, type AppHouse } from './house.ts';

let house: AppHouse;
let one: { server: Server; port: number };
let two: { server: Server; port: number };
const sockets: TLSSocket[] = [];
const wiki = `wiki.${PROXY_HOST}`;

beforeAll(async () => {
  const echo = (name: string) =>
    startServer((request, response) => {
      request.resume();
      request.on('end', () => response.end(`${name} ${JSON.stringify(request.headers)}`));
    });
  one = await echo('one');
  two = await echo('two');
  for (const { server } of [one, two]) server.on('connect', (_request, socket) => socket.end('tunnel'));
  house = await startAppHouse(
    {
      wiki: { port: one.port, rewrite: { redirect: [], headers: [{ name: 'X-Team', value: 'ours' }] } },
      evil: { port: two.port, publicAddr: wiki },
      worse: { port: two.port, publicAddr: PROXY_HOST },
    },
    undefined,
    { resources: [{ labels: { env: ['test'] } }] },
  );
}, 120_000);
afterAll(async () => {
  await house?.close();
  for (const { server } of [one, two]) {
    server.closeAllConnections();
    server.close();
  }
});
afterEach(() => {
  for (const socket of sockets.splice(0)) socket.destroy();
});

/** A connection to the agent of the certificate's application, and what came back on it. */
function dial(client: TestClient): { send(text: string): void; text(): string; isOpen(): boolean } {
  let text = '';
  const socket = connectTls({
    host: '127.0.0.1',
    port: house.port,
    servername: PROXY_HOST,
    ca: house.auth.authority,
    cert: client.certificate,
    key: client.privateKey,
    ALPNProtocols: ['gatehouse-app'],
  });
  sockets.push(socket);
  socket.on('error', () => {});
  socket.on('data', (bytes: Buffer) => (text += bytes.toString('latin1')));
  return {
    send: (bytes) => void socket.write(bytes, 'latin1'),
    text: () => text,
    isOpen: () => !socket.destroyed && !socket.readableEnded,
  };
}

it('refuses: S19 lines of ours in other spellings, which applications behind CGI take for the same', async () => {
  const { send, text } = dial(await house.person('wiki'));
  const names = [
    'X_Team',
    'X.Team',
    'Content_Length',
    'Transfer_Encoding',
    'Gatehouse_Jwt_Assertion',
    'X_Real.IP',
  ];
  send(
    `GET / HTTP/1.1\r\nHost: x\r\n${names.map((name) => `${name}: forged\r\n`).join('')}x_own: kept\r\n\r\n`,
  );
  const answer = await until('an answer', () => text().includes('}') && text());
  expect(answer).toMatch(/^HTTP\/1\.1 200 /);
  expect(answer).not.toContain('forged');
  expect(answer).toContain('"x-team":"ours"');
  expect(answer).toContain('"x_own":"kept"');
});

it('refuses: S19 HTTP in another version, in which nobody would look at lines; WebSockets alone change over', async () => {
  const { send, text } = dial(await house.person('wiki'));
  for (const [nth, protocol] of ['h2c', 'H2C', 'websocket, h2c', 'HTTP/2.0', 'TLS/1.0'].entries()) {
    send(
      `GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: ${protocol}\r\nHTTP2-Settings: AAMAAABk\r\n\r\n`,
    );
    await until('an answer', () => text().split('200 OK').length === nth + 2 && text().endsWith('}'));
  }
  expect(text()).not.toMatch(/upgrade|http2-settings/i);
});

it('refuses: S12 pages of the proxy at the address of an application, on whatever connection', async () => {
  const answer = await house.ask(PROXY_HOST, {
    headers: { host: `${wiki}:${house.port}` },
    path: '/web/login',
  });
  expect(answer.status).toBe(421);
});

it.each([
  'CONNECT / HTTP/1.1',
  'CONNECT inside:22 HTTP/1.1',
  'TRACE / HTTP/1.1',
  'GET http://inside/ HTTP/1.1',
  'GET * HTTP/1.1',
])('refuses: S19 %s', async (line) => {
  const { send, text, isOpen } = dial(await house.person('wiki'));
  send(`${line}\r\nHost: x\r\n\r\n`);
  await until('the end', () => !isOpen());
  expect(text()).toMatch(/^HTTP\/1\.1 400 /);
  expect(text()).not.toContain('tunnel');
});

it('refuses: S12 applications that take the address of another one, or of the proxy', async () => {
  const asWiki = await house.ask(wiki, { client: await house.person('wiki'), isPlain: true });
  expect([asWiki.status, asWiki.text.slice(0, 3)]).toEqual([200, 'one']);
  const asEvil = await house.ask(wiki, { client: await house.person('evil'), isPlain: true });
  expect([asEvil.status, asEvil.text]).toEqual([403, expect.stringContaining('application evil')]);
  const ping = await house.ask(PROXY_HOST, { path: '/v1/webapi/ping' });
  expect([ping.status, ping.text]).toEqual([200, expect.stringContaining('cluster')]);
});

it('ok: a document that changed counts from the next request on, and one that is gone ends its connections', async () => {
  const write = (port: number, team: string): Promise<unknown> =>
    house.auth.put(
      'app',
      'moved',
      { uri: `http://127.0.0.1:${port}`, rewrite: { headers: [`X-Team: ${team}`] } },
      { labels: { env: 'test' } },
    );
  const says = async (client: TestClient): Promise<string> =>
    (await house.ask(`moved.${PROXY_HOST}`, { client })).text;
  await write(one.port, 'first');
  const client = await house.person('moved');
  await until('it is served', async () => (await says(client)).startsWith('one'));
  const { send, text, isOpen } = dial(client);
  const request = 'GET / HTTP/1.1\r\nHost: x\r\n\r\n';
  send(request);
  await until('the first', () => text().includes('"x-team":"first"'));
  await write(two.port, 'second');
  await until('others see the change', async () => (await says(client)).startsWith('two'));
  send(request);
  await until('the second', () => text().includes('"x-team":"second"'));
  expect(text()).toContain('two {');
  await house.auth.remove('app', 'moved');
  await until('the connection ends', () => !isOpen());
});
