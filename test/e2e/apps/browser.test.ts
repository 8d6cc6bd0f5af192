// People without a command line: a real browser logs in at the proxy, launches an application, works there with a WebSocket
// and a stream of events, and logs out.
import type { Server } from 'node:http';
import { createHash } from 'node:crypto';
import { chromium, type Browser, type Page } from 'playwright-core';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { until } from '#test/kit/until.ts';
import { PASSWORD, PROXY_HOST, startAppHouse, startServer, type AppHouse } from './house.ts';

const PAGE = `<!doctype html><title>Inside</title><h1>Inside</h1><p id="ws"></p><p id="sse"></p><p id="post"></p>
<script>
const ws = new WebSocket('wss://' + location.host + '/ws');
ws.onmessage = (event) => (document.getElementById('ws').textContent = event.data);
new EventSource('/events').onmessage = (event) => (document.getElementById('sse').textContent += event.data);
fetch('/post', { method: 'POST', body: 'abc' })
  .then((response) => response.text())
  .then((text) => (document.getElementById('post').textContent = text));
</script>`;

let house: AppHouse;
let inside: { server: Server; port: number };
let browser: Browser;
let page: Page;

beforeAll(async () => {
  inside = await startServer((request, response) => {
    if (request.url === '/events') {
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      response.write('data: one\n\n');
      response.write('data: two\n\n');
    } else if (request.url === '/post') {
      let body = '';
      request.on('data', (part: Buffer) => (body += part.toString()));
      request.on('end', () => response.end(`got ${body}`));
    } else {
      response.setHeader('content-type', 'text/html');
      response.end(PAGE);
    }
  });
  inside.server.on('upgrade', (request, socket) => {
    const key = `${request.headers['sec-websocket-key']}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`;
    const accept = createHash('sha1').update(key).digest('base64');
    socket.write(
      `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\n\r\n`,
    );
    socket.write(Buffer.from([0x81, 5, ...Buffer.from('hello')]));
    socket.on('error', () => {});
  });
  house = await startAppHouse({ wiki: { port: inside.port } });
  await house.signUp('joe');
  browser = await chromium.launch({
    executablePath: '/usr/bin/chromium',
    args: ['--no-sandbox', `--host-resolver-rules=MAP *.test.example.com 127.0.0.1`],
  });
  const context = await browser.newContext({ ignoreHTTPSErrors: true });
  page = await context.newPage();
}, 120_000);
afterAll(async () => {
  await browser?.close();
  await house?.close();
  inside.server.closeAllConnections();
  inside.server.close();
});

const says = (id: string, text: string): Promise<unknown> =>
  until(`${id} says ${text}`, async () => (await page.locator(`#${id}`).textContent()) === text);

it('ok: login, launch, work, logout', async () => {
  await page.goto(`${house.url('wiki')}/deep?x=1`);
  await page.getByRole('heading', { name: 'Log in' }).waitFor();
  expect(new URL(page.url()).hostname).toBe(PROXY_HOST);
  await page.getByLabel('User name').fill('joe');
  await page.getByLabel('Password').fill('not the password');
  await page.getByRole('button', { name: 'Log in' }).click();
  await page.getByRole('alert').waitFor();
  expect(await page.getByRole('alert').innerText()).toContain('wrong');
  await page.getByLabel('Password').fill(PASSWORD);
  await page.getByRole('button', { name: 'Log in' }).click();
  await page.getByRole('heading', { name: 'Inside' }).waitFor();
  expect(page.url()).toBe(`${house.url('wiki')}/deep?x=1`);
  await says('ws', 'hello');
  await says('sse', 'onetwo');
  await says('post', 'got abc');
  expect(await page.evaluate('document.cookie')).toBe('');

  await page.goto(`https://${PROXY_HOST}:${house.port}/web/apps`);
  await page.getByText('You are logged in as joe.').waitFor();
  await page.getByRole('link', { name: 'Launch wiki' }).click();
  await page.getByRole('heading', { name: 'Inside' }).waitFor();

  await page.goto(`https://${PROXY_HOST}:${house.port}/web/apps`);
  await page.getByRole('button', { name: 'Log out' }).click();
  await page.getByRole('heading', { name: 'Log in' }).waitFor();
  await page.goto(`${house.url('wiki')}/`);
  await page.getByRole('heading', { name: 'Log in' }).waitFor();
});
