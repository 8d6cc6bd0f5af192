// What first bytes are taken for: real clients of TLS, made-up ones, and everything that is none.
import { createServer, connect as connectTcp, type AddressInfo } from 'node:net';
import { connect as connectTls, type ConnectionOptions } from 'node:tls';
import { describe, expect, it } from 'vitest';
import { helloBytes } from '#test/kit/client-hello.ts';
import { MAX_HELLO_BYTES } from './client-hello.ts';
import { detect } from './detect.ts';

/** What a client of node:tls sends first. */
async function realHello(options: ConnectionOptions): Promise<Buffer> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const bytes = new Promise<Buffer>((resolve) =>
    server.once('connection', (socket) => {
      socket.on('error', () => {});
      socket.once('data', (data) => {
        resolve(data);
        socket.destroy();
      });
    }),
  );
  const socket = connectTls({ ...options, socket: connectTcp(port, '127.0.0.1') });
  socket.on('error', () => {});
  const hello = await bytes;
  socket.destroy();
  await new Promise((resolve) => server.close(resolve));
  return hello;
}

it('ok: first packets of PostgreSQL clients', () => {
  const packet = (hex: string): Buffer => Buffer.from(hex, 'hex');
  const asks = { '0000000804d2162f': 'tls', '0000000804d21630': 'gss', '0000002000030000': 'startup' };
  for (const [hex, what] of Object.entries(asks)) {
    expect(detect(packet(hex))).toEqual({ type: 'postgres', asks: what });
    for (let length = 1; length < 8; length++)
      expect(detect(packet(hex).subarray(0, length))).toBe('partial');
  }
  const cancel = packet('0000001004d2162e0000000100000002');
  expect(detect(cancel.subarray(0, 15))).toBe('partial');
  expect(detect(cancel)).toEqual({ type: 'postgres', asks: 'cancel' });
});

describe('TLS', () => {
  it('ok: the name and the protocols that real clients of both versions ask for', async () => {
    for (const version of ['TLSv1.2', 'TLSv1.3'] as const) {
      const hello = await realHello({
        servername: 'Proxy.Example.com',
        ALPNProtocols: ['gatehouse-auth', 'http/1.1'],
        minVersion: version,
        maxVersion: version,
      });
      const wanted = { serverName: 'proxy.example.com', protocols: ['gatehouse-auth', 'http/1.1'] };
      expect(detect(hello)).toEqual({ type: 'tls', hello: wanted });
      for (let length = 1; length < hello.length; length++)
        expect(detect(hello.subarray(0, length))).toBe('partial');
    }
  });

  it('ok: neither name nor protocols', async () => {
    const none = { type: 'tls', hello: { serverName: undefined, protocols: [] } };
    expect(detect(await realHello({ servername: '' }))).toEqual(none);
    expect(detect(helloBytes({}))).toEqual(none);
  });

  it('ok: a hello in several records, and one with much in it', () => {
    const setup = { serverName: 'a', protocols: ['x'] };
    const wanted = { type: 'tls', hello: setup };
    expect(detect(helloBytes({ ...setup, recordBytes: 20 }))).toEqual(wanted);
    expect(detect(helloBytes({ ...setup, padding: 9000 }))).toEqual(wanted);
  });

  it('ok: names that are none are left out', () => {
    for (const serverName of ['a b', '../etc', 'x'.repeat(300), 'ä', '']) {
      expect(detect(helloBytes({ serverName }))).toMatchObject({ hello: { serverName: undefined } });
    }
  });

  it('S33 refuses: more than a hello may have, whatever is said of its length', () => {
    expect(detect(helloBytes({ padding: 17_000 }).subarray(0, 100))).toBe('unknown');
    expect(detect(helloBytes({ padding: 3000, recordBytes: 10 }))).toBe('unknown');
    const endless = Buffer.alloc(MAX_HELLO_BYTES, 22);
    expect(detect(endless)).toBe('unknown');
  });

  it('refuses: lengths that lie', () => {
    const hello = helloBytes({ serverName: 'a.example.com', protocols: ['x'] });
    let refused = 0;
    for (let at = 5; at < hello.length; at++) {
      const bent = Uint8Array.from(hello);
      bent[at] = 0xff;
      if (detect(bent) === 'unknown') refused++;
    }
    expect(refused).toBeGreaterThan(5);
  });
});

it.each([
  ['SSH-2.0-OpenSSH_9.2p1\r\n', 'ssh'],
  ['GET / HTTP/1.1\r\n', 'http'],
  ['POST /v1 HTTP/1.1\r\n', 'http'],
  ['OPTIONS * HTTP/1.1\r\n', 'http'],
])('ok: %j is %s, and is not decided too early', (text, type) => {
  expect(detect(Buffer.from(text))).toEqual({ type });
  expect(detect(Buffer.from(text.slice(0, 3)))).toBe('partial');
  expect(detect(Buffer.from(text.slice(0, 1)))).toBe('partial');
});

it.each([
  'PROXY TCP4 1.2.3.4 1.2.3.4 1 2\r\n',
  '\r\n',
  'get / HTTP/1.1',
  'SSX',
  'GETT',
  '\0\x01',
  '\0\0\0\x09\x04\xd2\x16\x2f',
  '\0\0\0\x08\0\x03\0\0',
  '\0\0\xff\xff\0\x03\0\0',
  '\0\0\0\x11\x04\xd2\x16\x2e',
  'EHLO x',
])('refuses: %j', (text) => expect(detect(Buffer.from(text, 'latin1'))).toBe('unknown'));
