import { connect } from 'node:net';
import { afterEach, expect, it } from 'vitest';
import type { GatehouseError } from '#core/errors/error.ts';
import { startDiagnostics, type Diagnostics } from './server.ts';

let reasons: string[] = [];
const open: Diagnostics[] = [];
afterEach(async () => {
  for (const server of open.splice(0)) await server.close();
});
async function start(port = 0): Promise<Diagnostics> {
  const server = await startDiagnostics({
    listen: { host: '127.0.0.1', port },
    reasons: () => reasons,
    metrics: () => 'up 1\n',
  });
  open.push(server);
  return server;
}

it('R29 ok: ready only when there is no reason against it; alive in any case', async () => {
  const { address } = await start();
  reasons = ['starting'];
  const early = await fetch(`http://${address}/readyz`);
  expect([early.status, await early.json()]).toEqual([503, { status: 'not ready', reasons: ['starting'] }]);
  expect((await fetch(`http://${address}/healthz`)).status).toBe(200);
  reasons = [];
  const late = await fetch(`http://${address}/readyz?verbose`);
  expect([late.status, await late.text()]).toEqual([200, '{"status":"ok"}']);
  expect(await (await fetch(`http://${address}/metrics`)).text()).toBe('up 1\n');
  const head = await fetch(`http://${address}/metrics`, { method: 'HEAD' });
  expect([head.status, await head.text()]).toEqual([200, '']);
});

it('S36 refuses: everything else, in words that say nothing of the machine', async () => {
  const { address } = await start();
  for (const path of ['/', '/debug/vars', '/readyz/', '/metrics/..', '/%2e%2e/']) {
    const answer = await fetch(`http://${address}${path}`);
    expect([path, answer.status]).toEqual([path, 404]);
  }
  for (const method of ['POST', 'PUT', 'DELETE', 'OPTIONS']) {
    expect((await fetch(`http://${address}/readyz`, { method })).status).toBe(405);
  }
});

it('S33 refuses: headers that are too large, and what is not HTTP', async () => {
  const { address } = await start();
  const port = Number(address.split(':')[1]);
  for (const bytes of [`GET /metrics HTTP/1.1\r\nx: ${'y'.repeat(20_000)}\r\n\r\n`, 'nonsense\r\n\r\n']) {
    const answer = await new Promise<string>((resolve) => {
      let text = '';
      const socket = connect(port, '127.0.0.1', () => socket.write(bytes));
      socket.on('data', (part) => (text += part.toString()));
      socket.on('error', () => {});
      socket.on('close', () => resolve(text));
    });
    expect(answer).toMatch(/^HTTP\/1\.1 4(00|31) /);
  }
  expect((await fetch(`http://${address}/readyz`)).status).toBe(200);
});

it('refuses: an address that is in use, with the flag that changes it', async () => {
  const { address } = await start();
  const error = await start(Number(address.split(':')[1])).catch((cause: GatehouseError) => cause);
  expect(error).toMatchObject({ code: 'UNAVAILABLE' });
  expect((error as GatehouseError).message).toContain(
    `${address} for health and metrics: the port is in use`,
  );
  expect((error as GatehouseError).message).toContain('--diag-addr');
});
