// What one exchange leaves behind for the next one on the same connections.
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { Duplex } from 'node:stream';
import { afterEach, expect, it } from 'vitest';
import { systemClock } from '#core/clock.ts';
import { until } from '#test/kit/until.ts';
import { endToEnd } from './framing.ts';
import { UpstreamPool } from './pool.ts';
import { problemAnswer } from './problem.ts';
import { SERVE_LIMITS, serveHttp, type ServeLimits } from './serve.ts';

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
  let writes = 0;
  const stream = new Duplex({
    read() {},
    write(bytes: Buffer, _encoding, done) {
      writes++;
      got += bytes.toString('latin1');
      if (isLazy) waiting.push(done);
      else done();
    },
    writev(pieces, done) {
      writes++;
      for (const { chunk } of pieces) got += (chunk as Buffer).toString('latin1');
      if (isLazy) waiting.push(done);
      else done();
    },
  });
  closers.push(() => stream.destroy());
  return {
    stream,
    got: () => got,
    writes: () => writes,
    wakeUp() {
      isLazy = false;
      for (const done of waiting.splice(0)) done();
    },
  };
}

/** A target that says what the test wants, a pool of connections to it, and a client in front of both. */
async function house(answer: (heard: string, socket: Socket) => void, limits: ServeLimits = SERVE_LIMITS) {
  const sockets: Socket[] = [];
  const port = await listen(
    createServer((socket) => {
      sockets.push(socket);
      socket.on('data', (bytes) => answer(bytes.toString(), socket));
    }),
  );
  const pool = new UpstreamPool({
    clock: systemClock,
    mostIdle: 8,
    idleMs: 60_000,
    connect: () =>
      new Promise((resolve) => {
        const socket = connect(port, '127.0.0.1', () => resolve(socket));
      }),
  });
  closers.push(() => pool.close());
  const client = lazyClient();
  serveWith(client.stream, pool, limits);
  return { ...client, sockets };
}

function serveWith(stream: Duplex, pool: UpstreamPool, limits: ServeLimits = SERVE_LIMITS): void {
  serveHttp(stream, {
    clock: systemClock,
    limits,
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
}

it('ok: a connection to the target serves on after a client that was slow to take the end of a reply', async () => {
  const half = Buffer.alloc(40_000, 'r');
  let more: (() => void) | undefined;
  const { stream, got, wakeUp, sockets } = await house((heard, socket) => {
    if (heard.startsWith('GET /big')) {
      socket.write('HTTP/1.1 200 OK\r\nContent-Length: 80000\r\n\r\n');
      socket.write(half);
      more = () => void socket.write(half);
    } else socket.write('HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nsmall');
  });
  stream.push('GET /big HTTP/1.1\r\nHost: a\r\n\r\n');
  await until('the first half is on its way', () => stream.writableLength > half.length);
  more?.();
  await until('both are', () => stream.writableLength > 2 * half.length);
  wakeUp();
  await until('the client has it', () => got().length > 2 * half.length && stream.writableLength === 0);
  stream.push('GET /small HTTP/1.1\r\nHost: a\r\n\r\n');
  await until('the next reply', () => got().endsWith('small'));
  expect(sockets).toHaveLength(1);
});

it('ok: S32 many small chunks are written together', async () => {
  let writes = 0;
  let received = 0;
  const far = new Duplex({
    read() {},
    write(bytes: Buffer, _encoding, done) {
      writes++;
      received += bytes.length;
      done();
    },
    writev(pieces, done) {
      writes++;
      for (const { chunk } of pieces) received += (chunk as Buffer).length;
      done();
    },
  });
  closers.push(() => far.destroy());
  const pool = new UpstreamPool({
    clock: systemClock,
    mostIdle: 1,
    idleMs: 60_000,
    connect: async () => far,
  });
  closers.push(() => pool.close());
  const { stream } = lazyClient();
  serveWith(stream, pool);
  const body = '1\r\na\r\n'.repeat(5000);
  stream.push('POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n');
  await until('the head is there', () => writes > 0);
  stream.push(body);
  await until('the body is there', () => received > body.length);
  expect(writes).toBeLessThan(10);
});

it('ok: the chunks of a reply that came together go on together', async () => {
  const { stream, got, wakeUp, writes } = await house((_heard, socket) =>
    socket.write(`HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n${'1\r\na\r\n'.repeat(100)}0\r\n\r\n`),
  );
  wakeUp();
  stream.push('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
  await until('all of it', () => got().endsWith('0\r\n\r\n'));
  expect(got().match(/1\r\na\r\n/g)).toHaveLength(100);
  expect(writes()).toBeLessThan(5);
});

it('refuses: S32 a client that takes nothing of its reply keeps neither itself nor the target busy', async () => {
  const { stream, sockets } = await house(
    (_heard, socket) => {
      socket.write('HTTP/1.1 200 OK\r\nContent-Length: 8000000\r\n\r\n');
      socket.write(Buffer.alloc(8_000_000));
    },
    { ...SERVE_LIMITS, takeMs: 200 },
  );
  stream.push('GET /big HTTP/1.1\r\nHost: a\r\n\r\n');
  await until('it is sent away', () => stream.destroyed);
  expect(stream.writableLength).toBeLessThan(1_000_000);
  await until('so is the target', () => sockets[0]?.destroyed === true);
});
