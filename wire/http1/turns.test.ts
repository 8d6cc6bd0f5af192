// What one exchange leaves behind for the next one on the same connections.
import { createServer as createHttp } from 'node:http';
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';
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

it('ok: the connection to the target serves on after a client that read slowly', async () => {
  const size = 4 * 1024 * 1024;
  let connections = 0;
  const target = createHttp((request, response) =>
    response.end(request.url === '/big' ? Buffer.alloc(size, 'r') : 'small'),
  );
  target.on('connection', () => connections++);
  const targetPort = await listen(target);
  const pool = new UpstreamPool({
    clock: systemClock,
    mostIdle: 8,
    idleMs: 60_000,
    connect: () =>
      new Promise((resolve) => {
        const socket = connect(targetPort, '127.0.0.1', () => resolve(socket));
      }),
  });
  closers.push(() => pool.close());
  const port = await listen(
    createServer({ allowHalfOpen: true }, (socket) => {
      serveHttp(socket, {
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
    }),
  );
  const socket = connect(port, '127.0.0.1');
  closers.push(() => socket.destroy());
  let got = 0;
  let tail = '';
  socket.on('data', (bytes) => {
    got += bytes.length;
    tail = bytes.toString('latin1').slice(-100);
  });
  for (let turn = 0; turn < 5; turn++) {
    got = 0;
    socket.pause();
    socket.write('GET /big HTTP/1.1\r\nHost: a\r\n\r\n');
    setImmediate(() => socket.resume());
    await until('all of it', () => got >= size);
    socket.write('GET /small HTTP/1.1\r\nHost: a\r\n\r\n');
    await until('the next reply', () => tail.endsWith('small'));
  }
  expect(connections).toBe(1);
});
