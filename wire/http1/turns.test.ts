// What one exchange leaves behind for the next one on the same connections.
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { Duplex } from 'node:stream';
import { afterEach, expect, it } from 'vitest';
import { systemClock } from '#core/clock.ts';
import { until } from '#test/kit/until.ts';
import { endToEnd } from './framing.ts';
import { UpstreamPool } from './pool.ts';
import { problemAnswer } from './problem.ts';
import { serveHttp } from './serve.ts';

const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).toReversed()) await close();
});

async function listen(server: Server): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const sockets = new Set<Socket>();
  server.on('connection', (socket) => sockets.add(socket.on('error', () => {})));
  closers.push(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return (server.address() as AddressInfo).port;
}

/** A client that takes nothing until it is told to. */
function lazyClient() {
  const waiting: (() => void)[] = [];
  let isLazy = true;
  let got = '';
  const stream = new Duplex({
    read() {},
    write(bytes: Buffer, _encoding, done) {
      got += bytes.toString('latin1');
      if (isLazy) waiting.push(done);
      else done();
    },
  });
  closers.push(() => stream.destroy());
  return {
    stream,
    got: () => got,
    wakeUp() {
      isLazy = false;
      for (const done of waiting.splice(0)) done();
    },
  };
}

it('ok: a connection to the target serves on after a client that was slow to take the end of a reply', async () => {
  const half = Buffer.alloc(40_000, 'r');
  let more: (() => void) | undefined;
  const targetPort = await listen(
    createServer((socket) => {
      socket.on('data', (bytes) => {
        if (bytes.toString().startsWith('GET /big')) {
          socket.write('HTTP/1.1 200 OK\r\nContent-Length: 80000\r\n\r\n');
          socket.write(half);
          more = () => void socket.write(half);
        } else socket.write('HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nsmall');
      });
    }),
  );
  let connections = 0;
  const pool = new UpstreamPool({
    clock: systemClock,
    mostIdle: 8,
    idleMs: 60_000,
    connect: () =>
      new Promise((resolve) => {
        connections++;
        const socket = connect(targetPort, '127.0.0.1', () => resolve(socket));
      }),
  });
  closers.push(() => pool.close());
  const { stream, got, wakeUp } = lazyClient();
  serveHttp(stream, {
    clock: systemClock,
    handle: (exchange) =>
      exchange.forward({
        pool,
        head: { target: exchange.head.target, fields: endToEnd(exchange.head.fields, () => true) },
        keepTrailer: () => true,
        reply: (fields) => fields,
        seen: () => {},
        failed: (error) => problemAnswer(error, exchange.head),
      }),
    refuse: (error) => problemAnswer(error, undefined),
  });
  stream.push('GET /big HTTP/1.1\r\nHost: a\r\n\r\n');
  await until('the first half is on its way', () => stream.writableLength > half.length);
  more?.();
  await until('both are', () => stream.writableLength > 2 * half.length);
  wakeUp();
  await until('the client has it', () => got().length > 2 * half.length && stream.writableLength === 0);
  stream.push('GET /small HTTP/1.1\r\nHost: a\r\n\r\n');
  await until('the next reply', () => got().endsWith('small'));
  expect(connections).toBe(1);
});
