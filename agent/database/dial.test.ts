// S25: what a name of a database resolves to is judged at the very lookup that is dialed.
import { createServer, type AddressInfo } from 'node:net';
import type { lookup } from 'node:dns';
import { once } from 'node:events';
import { expect, test } from 'vitest';
import { dialDatabase } from './dial.ts';

const never = new AbortController().signal;
const answering = (...addresses: string[]): typeof lookup =>
  ((_host: string, _options: object, done: (error: null, found: object[]) => void) =>
    done(
      null,
      addresses.map((address) => ({ address, family: address.includes(':') ? 6 : 4 })),
    )) as never;

test('S25 refuses: metadata, link-local and reserved addresses, spelled out or behind a name', async () => {
  for (const ip of [
    '169.254.169.254',
    '169.254.170.2',
    '0.0.0.0',
    'fd00:ec2::254',
    'fe80::1',
    '::ffff:169.254.169.254',
    '224.0.0.1',
  ]) {
    const refused = { code: 'UNAVAILABLE', message: expect.stringContaining('metadata address') };
    await expect(dialDatabase({ host: ip, port: 80, signal: never }), ip).rejects.toMatchObject(refused);
    const named = { host: 'db.example.com', port: 80, signal: never, resolve: answering(ip) };
    await expect(dialDatabase(named), ip).rejects.toMatchObject(refused);
  }
});

test('S25 ok: of several addresses only those that may be dialed are', async () => {
  const server = createServer((socket) => socket.destroy());
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const socket = await dialDatabase({
    host: 'db.example.com',
    port,
    signal: never,
    resolve: answering('169.254.169.254', '127.0.0.1'),
  });
  expect(socket.remoteAddress).toBe('127.0.0.1');
  socket.destroy();
  server.close();
});

test('ok: an abort ends it with its reason', async () => {
  const stop = new AbortController();
  const resolve = (() => {}) as never;
  const dialing = dialDatabase({ host: 'db.example.com', port: 1, signal: stop.signal, resolve });
  stop.abort(new Error('nobody wants it'));
  await expect(dialing).rejects.toThrow('nobody wants it');
  await expect(dialDatabase({ host: 'db.example.com', port: 1, signal: stop.signal })).rejects.toThrow(
    'nobody',
  );
});
