// Requests through the forwarder to real servers: node:http and raw sockets, so that bytes on the wire can be looked at.
import { createServer as createHttp, request as httpRequest, type RequestListener } from 'node:http';
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { systemClock } from '#core/clock.ts';
import { GatehouseError } from '#core/errors/error.ts';
import { letOthersWork, until } from '#test/kit/until.ts';
import { endToEnd } from './framing.ts';
import { UpstreamPool } from './pool.ts';
import { problemAnswer } from './problem.ts';
import { SERVE_LIMITS, serveHttp, type ServeLimits } from './serve.ts';

const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).toReversed()) await close();
});

const listen = async (server: Server): Promise<number> => {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const sockets = new Set<Socket>();
  server.on('connection', (socket) => {
    sockets.add(socket);
    socket.on('error', () => {});
  });
  closers.push(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return (server.address() as AddressInfo).port;
};

/** A server that says what the test wants, and keeps what it heard. */
async function rawTarget(answer: (heard: string, socket: Socket, nth: number) => void) {
  const heard: string[] = [];
  let connections = 0;
  const port = await listen(
    createServer({ allowHalfOpen: true }, (socket) => {
      const nth = connections++;
      heard[nth] = '';
      socket.on('data', (bytes) => {
        heard[nth] += bytes.toString('latin1');
        answer(heard[nth] ?? '', socket, nth);
      });
    }),
  );
  return { port, heard, count: () => connections };
}

async function front(targetPort: number, limits: ServeLimits = SERVE_LIMITS) {
  const seen: string[] = [];
  const pool = new UpstreamPool({
    clock: systemClock,
    mostIdle: 8,
    idleMs: 60_000,
    connect: () =>
      new Promise((resolve, reject) => {
        const socket = connect(targetPort, '127.0.0.1', () => resolve(socket));
        socket.once('error', () => reject(new GatehouseError('UNAVAILABLE', 'it is not there')));
      }),
  });
  closers.push(() => pool.close());
  const port = await listen(
    createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
      serveHttp(socket, {
        clock: systemClock,
        limits,
        handle(exchange) {
          const { head } = exchange;
          if (head.target === '/own') {
            exchange.answer({ status: 200, body: 'own' });
            return;
          }
          exchange.forward({
            pool,
            head: { target: head.target, fields: endToEnd(head.fields, () => true) },
            keepTrailer: ({ name }) => name !== 'x-forwarded-for',
            reply: (fields) => fields,
            seen: (status) => void seen.push(`${head.method} ${head.target} ${status}`),
            failed: (error) => problemAnswer(error, head),
          });
        },
        refuse: (error) => problemAnswer(error, undefined),
      });
    }),
  );
  return { port, seen };
}

function raw(
  port: number,
  text: string,
): { readonly socket: Socket; text(): string; readonly ended: Promise<string> } {
  const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true });
  closers.push(() => socket.destroy());
  let got = '';
  socket.on('data', (bytes) => (got += bytes.toString('latin1')));
  socket.on('error', () => {});
  const ended = new Promise<string>((resolve) => {
    socket.once('end', () => resolve(got));
    socket.once('close', () => resolve(got));
  });
  socket.write(text, 'latin1');
  return { socket, text: () => got, ended };
}

const get = (path: string, more = ''): string => `GET ${path} HTTP/1.1\r\nHost: a\r\n${more}\r\n`;

async function nodeTarget(listener: RequestListener) {
  const server = createHttp(listener);
  return listen(server);
}

describe('requests and replies', () => {
  it('ok: keep-alive on both sides, one request after the other, also when they come at once', async () => {
    const target = await nodeTarget((request, response) => response.end(`said ${request.url}`));
    const { port, seen } = await front(target);
    const { text } = raw(port, get('/1') + get('/2') + get('/own') + get('/3', 'Connection: close\r\n'));
    const all = await until('four replies', () => text().includes('said /3') && text());
    expect(all.match(/HTTP\/1\.1 200 OK/g)).toHaveLength(4);
    expect(all.indexOf('said /1')).toBeLessThan(all.indexOf('said /2'));
    expect(all.indexOf('own')).toBeLessThan(all.indexOf('said /3'));
    expect(seen).toEqual(['GET /1 200', 'GET /2 200', 'GET /3 200']);
  });

  it('ok: heads and bodies cut at every byte', async () => {
    const target = await nodeTarget((request, response) => {
      const parts: Buffer[] = [];
      request.on('data', (part: Buffer) => parts.push(part));
      request.on('end', () => response.end(`[${Buffer.concat(parts).toString()}]`));
    });
    const { port } = await front(target);
    const message =
      'POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3;ext=1\r\nabc\r\n4\r\ndefg\r\n0\r\nX-T: 1\r\n\r\n';
    const { socket, text } = raw(port, '');
    socket.setNoDelay(true);
    for (const character of message + message) {
      socket.write(character, 'latin1');
      await letOthersWork();
    }
    await until('two replies', () => text().match(/\[abcdefg\]/g)?.length === 2);
  });

  it('ok: large bodies both ways, with a reader that is slow', async () => {
    const size = 8 * 1024 * 1024;
    const target = await nodeTarget((request, response) => {
      let count = 0;
      request.on('data', (part: Buffer) => (count += part.length));
      request.on('end', () => {
        response.setHeader('x-count', count);
        response.end(Buffer.alloc(size, 'r'));
      });
    });
    const { port } = await front(target);
    const received = await new Promise<number>((resolve, reject) => {
      const request = httpRequest({ port, host: '127.0.0.1', method: 'PUT', path: '/big' }, (response) => {
        let count = 0;
        expect(response.headers['x-count']).toBe(String(size));
        response.on('data', (part: Buffer) => {
          count += part.length;
          response.pause();
          setImmediate(() => response.resume());
        });
        response.on('end', () => resolve(count));
      });
      request.on('error', reject);
      request.end(Buffer.alloc(size, 's'));
    });
    expect(received).toBe(size);
  });

  it('ok: Expect: 100-continue is the business of both ends', async () => {
    const target = await nodeTarget((request, response) => {
      request.resume();
      request.on('end', () => response.end('done'));
    });
    const { port } = await front(target);
    const { socket, text } = raw(
      port,
      'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n',
    );
    await until('the interim reply', () => text().startsWith('HTTP/1.1 100 Continue\r\n'));
    socket.write('ab');
    await until('the reply', () => text().endsWith('done'));
  });

  it('ok: events of a stream arrive one by one; the end of the client ends the stream of the target', async () => {
    let gone = false;
    let send: (text: string) => void = () => {};
    const target = await nodeTarget((_request, response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      response.flushHeaders();
      send = (text) => void response.write(text);
      response.on('close', () => (gone = true));
    });
    const { port } = await front(target);
    const { socket, text } = raw(port, get('/events'));
    await until('the head', () => text().includes('event-stream'));
    send('data: 1\n\n');
    await until('the first', () => text().includes('data: 1'));
    send('data: 2\n\n');
    await until('the second', () => text().includes('data: 2'));
    socket.destroy();
    await until('the target hears of it', () => gone);
  });

  it('ok: a change of protocol joins the two ends', async () => {
    const { port: target } = await rawTarget((heard, socket, nth) => {
      if (nth === 0 && heard.endsWith('\r\n\r\n')) {
        expect(heard).toMatch(/upgrade: echo\r\n/i);
        socket.write(
          'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\nhello ',
        );
      } else socket.write(heard.slice(-4));
    });
    const { port, seen } = await front(target);
    const { socket, text } = raw(port, get('/ws', 'Connection: Upgrade\r\nUpgrade: echo\r\n'));
    await until('the change', () => text().endsWith('hello '));
    socket.write('ping');
    await until('the echo', () => text().endsWith('hello ping'));
    expect(text()).toMatch(/^HTTP\/1\.1 101 /);
    expect(seen).toEqual(['GET /ws 101']);
  });

  it('ok: clients of HTTP/1.0 get no chunks, and keep-alive when they ask', async () => {
    const target = await nodeTarget((request, response) => {
      if (request.url === '/c') response.write('ab');
      response.end('cd');
    });
    const { port } = await front(target);
    const chunked = await raw(port, 'GET /c HTTP/1.0\r\nHost: a\r\n\r\n').ended;
    expect(chunked).toMatch(/\r\n\r\nabcd$/);
    const { text } = raw(port, 'GET /l HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\n\r\n');
    await until('the reply', () => text().endsWith('cd'));
    expect(text()).toMatch(/connection: keep-alive/);
  });

  it('ok: a reply that ends with the connection; HEAD, 204 and 304 have no body', async () => {
    const { port: target } = await rawTarget((heard, socket) => {
      if (heard.includes('GET /close')) socket.end('HTTP/1.1 200 OK\r\n\r\nuntil the end');
      else if (heard.endsWith('HEAD /h HTTP/1.1\r\nHost: a\r\n\r\n'))
        socket.write('HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n');
      else socket.write('HTTP/1.1 304 Not Modified\r\nContent-Length: 7\r\n\r\n');
    });
    const { port } = await front(target);
    expect(await raw(port, get('/close')).ended).toMatch(/connection: close\r\n\r\nuntil the end$/);
    const { socket, text } = raw(port, 'HEAD /h HTTP/1.1\r\nHost: a\r\n\r\n');
    await until('the head', () => text().endsWith('\r\n\r\n'));
    socket.write(get('/n'));
    await until('the second', () => text().includes('304 Not Modified'));
  });
});

describe('targets that fail', () => {
  it('ok: a connection that ended while it waited is replaced; the request is sent again when it does no harm', async () => {
    const { port: target, count } = await rawTarget((heard, socket, nth) => {
      const requests = heard.split('\r\n\r\n').length - 1;
      // The first connection serves one request, takes the second and dies.
      if (nth === 0 && requests === 2) socket.destroy();
      else socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok');
    });
    const { port, seen } = await front(target);
    const { socket, text } = raw(port, get('/1'));
    await until('the first', () => text().endsWith('ok'));
    socket.write(get('/2'));
    await until('the second', () => text().match(/200 OK/g)?.length === 2);
    expect(count()).toBe(2);
    expect(seen).toEqual(['GET /1 200', 'GET /2 200']);
  });

  it('refuses: replies that are none are 502 to the client, and what broke off is cut', async () => {
    for (const bad of [
      'nonsense\r\n\r\n',
      'HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab',
      'HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
      'HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n',
      'HTTP/1.1 200 OK\nContent-Length: 0\n\n',
    ]) {
      const { port: target } = await rawTarget((_heard, socket) => socket.write(bad, 'latin1'));
      const { port, seen } = await front(target);
      const { text } = raw(port, get('/x'));
      expect(await until('an answer', () => text().includes('\r\n\r\n') && text())).toMatch(
        /^HTTP\/1\.1 502 /,
      );
      expect(seen).toEqual(['GET /x 502']);
    }
    const { port: target } = await rawTarget((_heard, socket) =>
      socket.end('HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc'),
    );
    const { port } = await front(target);
    expect(await raw(port, get('/cut')).ended).toMatch(/\r\n\r\nabc$/);
  });

  it('refuses: an application that is not there, in JSON to programs and as a page to people', async () => {
    const port0 = await listen(createServer());
    await closers.pop()?.();
    const { port } = await front(port0);
    const { text } = raw(port, get('/x') + get('/y', 'Accept: text/html\r\nSec-Fetch-Mode: navigate\r\n'));
    const all = await until('both', () => text().includes('</html>') && text());
    expect(all).toMatch(/^HTTP\/1\.1 502 /);
    expect(all).toContain('"code":"UNAVAILABLE"');
  });
});

describe('S19 smuggling', () => {
  const post = (fields: string, body = ''): string => `POST /x HTTP/1.1\r\nHost: a\r\n${fields}\r\n${body}`;
  it.each([
    ['two lengths', post('Content-Length: 4\r\nContent-Length: 4\r\n', 'abcd')],
    ['other lengths', post('Content-Length: 4\r\nContent-Length: 5\r\n', 'abcde')],
    ['a list of lengths', post('Content-Length: 4, 4\r\n', 'abcd')],
    ['a length with a sign', post('Content-Length: +4\r\n', 'abcd')],
    ['a negative length', post('Content-Length: -4\r\n', 'abcd')],
    ['a length in hex', post('Content-Length: 0x4\r\n', 'abcd')],
    ['a length that is empty', post('Content-Length: \r\n')],
    ['length and chunks', post('Content-Length: 5\r\nTransfer-Encoding: chunked\r\n', '0\r\n\r\n')],
    ['two encodings', post('Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n', '0\r\n\r\n')],
    ['another encoding', post('Transfer-Encoding: gzip, chunked\r\n', '0\r\n\r\n')],
    ['an encoding with a blank', post('Transfer-Encoding : chunked\r\n', '0\r\n\r\n')],
    ['an encoding with a tab in its word', post('Transfer-Encoding: chun\tked\r\n', '0\r\n\r\n')],
    ['an encoding with 0x0b', post('Transfer-Encoding: \x0bchunked\r\n', '0\r\n\r\n')],
    ['an encoding that is "identity"', post('Transfer-Encoding: identity\r\n', 'abcd')],
    ['an encoding in quotes', post('Transfer-Encoding: "chunked"\r\n', '0\r\n\r\n')],
    ['a folded line', post('X: a\r\n b\r\n')],
    ['a folded length', post('Content-Length:\r\n 4\r\n', 'abcd')],
    ['a bare line feed', 'GET /x HTTP/1.1\nHost: a\n\n'],
    ['a bare line feed in a header', 'GET /x HTTP/1.1\r\nHost: a\r\nX: b\nY: c\r\n\r\n'],
    ['a bare carriage return', 'GET /x HTTP/1.1\r\nHost: a\r\nX: b\rY: c\r\n\r\n'],
    ['a zero byte', 'GET /x HTTP/1.1\r\nHost: a\r\nX: b\0c\r\n\r\n'],
    ['no colon', 'GET /x HTTP/1.1\r\nHost: a\r\nnonsense\r\n\r\n'],
    ['a blank before the first header', 'GET /x HTTP/1.1\r\n Host: a\r\n\r\n'],
    ['two blanks in the request line', 'GET  /x HTTP/1.1\r\nHost: a\r\n\r\n'],
    ['a third version', 'GET /x HTTP/1.2\r\nHost: a\r\n\r\n'],
    ['HTTP/2 in clear', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'],
    ['HTTP/0.9', 'GET /x\r\n\r\n'],
    ['chunks in HTTP/1.0', 'POST /x HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n'],
    ['too many headers', `GET /x HTTP/1.1\r\nHost: a\r\n${'X: 1\r\n'.repeat(300)}\r\n`],
    ['a head that is too long', `GET /x HTTP/1.1\r\nHost: a\r\nX: ${'a'.repeat(40_000)}\r\n\r\n`],
  ])('refuses: %s', async (_, text) => {
    const { port: target, count } = await rawTarget((_heard, socket) => socket.end());
    const { port } = await front(target);
    const answer = await raw(port, text).ended;
    expect(answer).toMatch(/^HTTP\/1\.1 400 /);
    expect(answer.match(/HTTP\/1\.1 /g)).toHaveLength(1);
    expect(count()).toBe(0);
  });

  it.each([
    ['a size that is no number', 'x\r\n'],
    ['a size with a sign', '+3\r\nabc\r\n0\r\n\r\n'],
    ['a size with 0x', '0x3\r\nabc\r\n0\r\n\r\n'],
    ['a size that is too long', '123456789\r\n'],
    ['a size line that ends with a line feed alone', '3\nabc\r\n0\r\n\r\n'],
    ['a chunk that is longer than it says', '3\r\nabcd\r\n0\r\n\r\n'],
    ['an extension with a line feed', '3;a\nb\r\nabc\r\n0\r\n\r\n'],
    ['an extension with a carriage return', '3;a\rb\r\nabc\r\n0\r\n\r\n'],
    ['an endless extension', `3;${'a'.repeat(1000)}\r\n`],
    ['trailers that are no headers', '0\r\nnonsense\r\n\r\n'],
    ['endless trailers', `0\r\n${'X: aaaaaaaaaaaaaaaa\r\n'.repeat(1000)}\r\n`],
  ])('refuses: chunks with %s', async (_, body) => {
    const { port: target } = await rawTarget(() => {});
    const { port } = await front(target);
    const answer = await raw(port, post('Transfer-Encoding: chunked\r\n', body)).ended;
    expect(answer).toMatch(/^HTTP\/1\.1 400 /);
    expect(answer.match(/HTTP\/1\.1 /g)).toHaveLength(1);
  });

  it('ok: what goes on has one length or chunks of one spelling, no field about this connection, and no trailer of ours', async () => {
    const { port: target, heard } = await rawTarget((text, socket) => {
      if (text.endsWith('0\r\nx-ok: 1\r\n\r\n')) socket.write('HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n');
    });
    const { port } = await front(target);
    const { text } = raw(
      port,
      post(
        'Transfer-Encoding: Chunked\r\nConnection: keep-alive, X-Drop\r\nX-Drop: 1\r\nKeep-Alive: 5\r\nTE: trailers\r\nProxy-Authorization: x\r\n',
        '0003;a=b\r\nabc\r\n0\r\nx-ok: 1\r\nX-Forwarded-For: 1.2.3.4\r\nContent-Length: 9\r\n\r\n',
      ),
    );
    await until('the reply', () => text().startsWith('HTTP/1.1 200 '));
    expect(heard[0]).toBe(
      'POST /x HTTP/1.1\r\nHost: a\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nx-ok: 1\r\n\r\n',
    );
  });

  it('refuses: what follows an answer that came before the request was whole is no request', async () => {
    const { port: target } = await rawTarget((_heard, socket) =>
      socket.write('HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno'),
    );
    const { port, seen } = await front(target);
    const { socket, ended } = raw(port, post('Content-Length: 100\r\n', 'abc'));
    await until('the answer', () => seen.length === 1);
    socket.write(`${'d'.repeat(97)}${get('/smuggled')}`);
    expect((await ended).match(/HTTP\/1\.1 /g)).toHaveLength(1);
    expect(seen).toEqual(['POST /x 403']);
  });
});

describe('S32 patience', () => {
  it('refuses: heads, bodies and pauses that take too long', async () => {
    const { port: target } = await rawTarget(() => {});
    const { port } = await front(target, { ...SERVE_LIMITS, headMs: 100, idleMs: 100, stallMs: 100 });
    expect(await raw(port, 'GET / HT').ended).toBe('');
    expect(await raw(port, '').ended).toBe('');
    expect(await raw(port, 'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nab').ended).toBe('');
  });
});
