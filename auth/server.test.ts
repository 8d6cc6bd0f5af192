// The listener itself: TLS, bodies, headers, limits, and what it says to strangers. Raw sockets where a client
// library would not send what an attacker does.
import { X509Certificate } from 'node:crypto';
import { connect, type ConnectionOptions, type TLSSocket } from 'node:tls';
import { connect as connectTcp } from 'node:net';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import * as s from '#core/schema/schema.ts';
import { endpoint } from '#core/api/endpoint.ts';
import { GatehouseError } from '#core/errors/error.ts';
import { silentLog } from '#core/log.ts';
import { startTestAuth, type TestAuth } from '#test/kit/auth-server.ts';
import { until } from '#test/kit/until.ts';
import { handler } from './routes/handler.ts';
import type { Route, ServerContext } from './routes/server-context.ts';
import { startServer, type AuthServer } from './server.ts';

const LIMITS = { headersMs: 400, requestMs: 800, handshakeMs: 400, keepAliveMs: 60_000 };

let house: TestAuth;
/** The same service behind a second listener with routes made for these tests and short limits. */
let strict: AuthServer;
const logged: object[] = [];

beforeAll(async () => {
  house = await startTestAuth();
  const { auth } = house;
  const log = { ...silentLog, error: (fields: object) => void logged.push(fields) };
  const guard = { callerOf: () => ({ address: '127.0.0.1', requestId: 'x' }), requireRoute() {}, close() {} };
  const context = { ...auth, log, clock: house.clock, guard, clusterName: 'test.example.com' };
  strict = await startServer({
    context: context as unknown as ServerContext,
    host: '127.0.0.1',
    port: 0,
    names: ['auth.example.com', '192.0.2.10'],
    machine: 'auth-1',
    limits: { ...LIMITS, maxConnections: 20 },
    routes: TEST_ROUTES,
  });
});
afterAll(async () => {
  await strict.close();
  await house.close();
});

const anyone = { to: 'anyone', why: 'a test' } as const;
const route = (path: string, request: s.Schema<object>, answer: () => unknown): Route =>
  handler({
    endpoint: endpoint({ method: 'POST', path, says: '', request, reply: s.json() as s.Schema<unknown> }),
    access: anyone,
    handle: async () => answer(),
  });
const TEST_ROUTES: readonly Route[] = [
  route('/fine', s.object({ a: s.optional(s.json()) }), () => ({ fine: true })),
  route('/broken', s.object({}), () => {
    throw new TypeError('the secret plan');
  }),
  route('/guess', s.object({ password: s.string({ secret: true }) }), () => {
    throw new GatehouseError('INVALID_CREDENTIALS', 'no');
  }),
  route('/right', s.object({ password: s.string({ secret: true }) }), () => ({})),
];

function open(port: number, options: ConnectionOptions = {}): Promise<TLSSocket> {
  return new Promise((resolve, reject) => {
    const socket = connect({
      host: '127.0.0.1',
      port,
      ca: house.authority,
      servername: 'localhost',
      ...options,
    });
    socket.once('secureConnect', () => resolve(socket));
    socket.once('error', reject);
  });
}

/** Sends the bytes and gives back all that comes until the server closes. */
async function exchange(port: number, ...parts: readonly string[]): Promise<string> {
  const socket = await open(port);
  for (const part of parts) socket.write(part, 'latin1');
  return received(socket);
}

function received(socket: TLSSocket): Promise<string> {
  return new Promise((resolve) => {
    let text = '';
    socket.setEncoding('latin1');
    socket.on('data', (part: string) => (text += part));
    socket.on('error', () => undefined);
    socket.on('close', () => resolve(text));
  });
}

const post = (path: string, body: string, ...headers: readonly string[]): string =>
  [
    `POST ${path} HTTP/1.1`,
    'host: x',
    'connection: close',
    'content-type: application/json',
    `content-length: ${Buffer.byteLength(body)}`,
    ...headers,
    '',
    body,
  ].join('\r\n');
const codeIn = (answer: string): string => /"code":"([A-Z_]+)"/.exec(answer)?.[1] ?? answer.slice(0, 200);

describe('TLS', () => {
  test('ok: the certificate names the cluster, the machine and the addresses, for the role auth', async () => {
    const socket = await open(strict.port);
    const certificate = new X509Certificate(socket.getPeerCertificate(true).raw);
    const names = certificate.subjectAltName ?? '';
    for (const name of [
      'auth-1',
      'localhost',
      'auth.example.com',
      '192.0.2.10',
      '127.0.0.1',
      'test.example.com',
    ]) {
      expect(names).toContain(name);
    }
    expect(certificate.subject).toContain('O=auth');
    expect(socket.getProtocol()).toBe('TLSv1.3');
    socket.destroy();
  });

  test('refuses: TLS 1.1, and ciphers without forward secrecy', async () => {
    const old = { minVersion: 'TLSv1.1', maxVersion: 'TLSv1.1', ciphers: 'ALL:@SECLEVEL=0' } as const;
    await expect(open(strict.port, old)).rejects.toThrow();
    await expect(open(strict.port, { maxVersion: 'TLSv1.2', ciphers: 'AES128-SHA256' })).rejects.toThrow();
    const socket = await open(strict.port, { maxVersion: 'TLSv1.2' });
    expect(socket.getCipher().name).toMatch(/^ECDHE-ECDSA-.*(GCM|CHACHA20)/);
    socket.destroy();
  });

  test('ok: the certificate is renewed while the server runs, and open connections stay', async () => {
    const other = await startTestAuth();
    const serialOf = async () => {
      // The new certificate begins in the clock's future, which TLS itself knows nothing of.
      const socket = await open(other.auth.port, { rejectUnauthorized: false });
      const serial = socket.getPeerCertificate().serialNumber;
      socket.destroy();
      return serial;
    };
    const first = await serialOf();
    expect((await other.call(undefined, 'GET', '/v1/ping')).status).toBe(200);
    await other.clock.advance(3.5 * 86_400_000 + 1);
    expect(await serialOf()).not.toBe(first);
    expect((await other.call(undefined, 'GET', '/v1/ping')).status).toBe(200);
    await other.close();
  });

  test('S18 TLS sessions are not resumed: every connection shows its certificate itself', async () => {
    const client = await house.issueUser('resumer', ['access']);
    const identity = { cert: client.certificate, key: client.privateKey };
    const request = 'GET /v1/whoami HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n';
    for (const maxVersion of ['TLSv1.2', 'TLSv1.3'] as const) {
      const first = await open(house.auth.port, { ...identity, maxVersion });
      const sessions: Buffer[] = [];
      first.on('session', (session) => sessions.push(session));
      first.write(request);
      expect(await received(first)).toContain('"resumer"');
      const session = sessions.at(-1) ?? first.getSession();
      const again = await open(house.auth.port, { maxVersion, ...(session && { session }) });
      expect(again.isSessionReused()).toBe(false);
      again.write(request);
      expect(codeIn(await received(again))).toBe('UNAUTHENTICATED');
    }
  });
});

describe('requests', () => {
  test('refuses: bodies that are no JSON, of another type, too deep, too large, or not what they say', async () => {
    const deep = (levels: number) => `{"a":${'['.repeat(levels)}${']'.repeat(levels)}}`;
    const cases: [string, string][] = [
      [post('/fine', '{"a":1}'), ''],
      [post('/fine', ''), ''],
      [post('/fine', deep(40)), ''],
      [post('/fine', deep(60)), 'BAD_REQUEST'],
      [post('/fine', '['.repeat(60_000)), 'BAD_REQUEST'],
      [post('/fine', '{"a":1'), 'BAD_REQUEST'],
      [post('/fine', '{"b":1}'), 'BAD_REQUEST'],
      [post('/fine', '[]'), 'BAD_REQUEST'],
      [post('/fine', 'null'), 'BAD_REQUEST'],
      [post('/fine', '"\xff\xfe"'), 'BAD_REQUEST'],
      [post('/fine', '{"__proto__":{"a":1}}'), 'BAD_REQUEST'],
      [post('/fine', '{"a":{"constructor":{"prototype":{}}}}'), ''],
      [post('/fine', `{"a":"${'x'.repeat(70_000)}"}`), 'TOO_LARGE'],
      [post('/fine', '{}').replace('application/json', 'text/plain'), 'BAD_REQUEST'],
      [post('/fine', '{}').replace('application/json', 'application/x-www-form-urlencoded'), 'BAD_REQUEST'],
      [post('/fine', '{}').replace('/fine', '/none'), 'NOT_FOUND'],
      [post('/fine', '{}').replace('/fine', '/FINE'), 'NOT_FOUND'],
      [post('/fine', '{}').replace('/fine', '/fine/'), 'NOT_FOUND'],
      [post('/fine', '{}').replace('/fine', '//fine'), 'NOT_FOUND'],
      [post('/fine', '{}').replace('/fine', '/%zz'), 'BAD_REQUEST'],
      [post('/fine', '{}').replace('POST', 'HEAD'), 'none'],
      [post('/fine', '{}').replace('POST', 'TRACE'), 'NOT_FOUND'],
    ];
    for (const [bytes, code] of cases) {
      const answer = await exchange(strict.port, bytes);
      if (code === '') expect(answer, bytes.slice(0, 300)).toContain('{"fine":true}');
      else if (code === 'none') expect(answer).toMatch(/^HTTP\/1.1 404/);
      else expect([bytes.slice(0, 300), codeIn(answer)]).toEqual([bytes.slice(0, 300), code]);
    }
  });

  test('S19 smuggling: lengths that disagree, doubled or folded headers end the connection', async () => {
    const chunked = '0\r\n\r\nPOST /fine HTTP/1.1\r\nhost: y\r\ncontent-length: 0\r\n\r\n';
    const bodies = [
      post('/fine', chunked, 'transfer-encoding: chunked'),
      post('/fine', '{}', 'content-length: 9'),
      post('/fine', '{}', 'transfer-encoding: chunked, identity'),
      post('/fine', '{}', 'transfer-encoding : chunked'),
      post('/fine', '{}', 'x-a: b\r\n folded'),
      post('/fine', '{}').replace('host: x', 'host: x\nx-b: c'),
      post('/fine', '{}').replace('HTTP/1.1', 'HTTP/1.1 x'),
      post('/fine', '{}').replace('content-length: 2', 'content-length: +2'),
      post('/fine', '{}').replace('content-length: 2', 'content-length: 2, 2'),
      post('/fine', '{}', 'x-c: a\x00b'),
      'SSH-2.0-OpenSSH_9.2\r\n',
    ];
    for (const bytes of bodies) {
      const answer = await exchange(strict.port, bytes);
      expect([bytes, answer.match(/HTTP\/1\.1 \d+/g)]).toEqual([bytes, ['HTTP/1.1 400']]);
      expect(codeIn(answer)).toBe('BAD_REQUEST');
    }
    const large = await exchange(strict.port, post('/fine', '{}', `x-large: ${'y'.repeat(20_000)}`));
    expect(codeIn(large)).toBe('TOO_LARGE');
  });

  test('S19 headers of a client name nobody: addresses and identities come from the connection', async () => {
    const headers = [
      'x-forwarded-for: 203.0.113.9',
      'forwarded: for=203.0.113.9',
      'x-real-ip: 203.0.113.9',
      'authorization: Bearer admin',
      'x-forwarded-client-cert: Subject="CN=admin"',
      'x-request-id: forged',
      'cookie: session=admin',
      'x-http-method-override: DELETE',
    ];
    const request = ['GET /v1/whoami HTTP/1.1', 'host: x', 'connection: close', ...headers, '', ''].join(
      '\r\n',
    );
    const answer = await exchange(house.auth.port, request);
    expect(codeIn(answer)).toBe('UNAUTHENTICATED');
    expect(answer).not.toContain('forged');
    expect(JSON.stringify(await house.events())).not.toContain('203.0.113.9');
  });

  test('S36 a bug says nothing of itself to the caller, and all of it to the log', async () => {
    const answer = await exchange(strict.port, post('/broken', '{}'));
    expect(answer).toMatch(/^HTTP\/1\.1 500/);
    expect(codeIn(answer)).toBe('INTERNAL');
    expect(answer).not.toMatch(/secret|TypeError|at /);
    expect(logged).toContainEqual(
      expect.objectContaining({ call: 'POST /broken', err: expect.any(TypeError) }),
    );
  });

  test('S9 S7 guesses from one address run out, good calls do not use them up', async () => {
    // A connection may find the room of its address still taken by the one before it; that costs no guess.
    const answered = (bytes: string): Promise<string> =>
      until('an answer', async () => (await exchange(strict.port, bytes).catch(() => '')) || undefined);
    const guess = post('/guess', '{"password":"x"}');
    const right = post('/right', '{"password":"x"}');
    for (let i = 0; i < 30; i++) expect(await answered(right)).toMatch(/^HTTP\/1\.1 200/);
    const codes = [];
    for (let i = 0; i < 22; i++) codes.push(codeIn(await answered(guess)));
    expect(codes.filter((code) => code === 'INVALID_CREDENTIALS').length).toBe(20);
    expect(codes.slice(20)).toEqual(['LIMIT_EXCEEDED', 'LIMIT_EXCEEDED']);
    expect(await answered(post('/fine', '{}'))).toMatch(/^HTTP\/1\.1 200/);
    await house.clock.advance(3000);
    expect(codeIn(await answered(guess))).toBe('INVALID_CREDENTIALS');
  });
});

describe('S32 slow and many clients', () => {
  test('ok: connections that say nothing, little or half a request are ended, and others are served meanwhile', async () => {
    const silentTcp = connectTcp(strict.port, '127.0.0.1').on('error', () => undefined);
    const tcpClosed = new Promise((resolve) => silentTcp.once('close', resolve));
    const half = await open(strict.port);
    half.write('POST /fine HTTP/1.1\r\nhost: x\r\nx-slow: ');
    const body = await open(strict.port);
    body.write(post('/fine', '{"a":1}').slice(0, -3));
    const silent = await open(strict.port);
    const served = exchange(strict.port, post('/fine', '{}'));
    const drip = await open(strict.port);
    drip.write('POST /fine HTTP/1.1\r\n');
    const dripping = (async () => {
      while (!drip.destroyed && drip.writable) {
        await new Promise((resolve) => drip.write('a', resolve));
        await new Promise((resolve) => setImmediate(resolve));
      }
    })();
    expect(await served).toContain('"fine":true');
    const answers = await Promise.all([received(half), received(body), received(silent), received(drip)]);
    for (const answer of answers) expect(answer).toMatch(/^(HTTP\/1\.1 4\d\d[^]*)?$/);
    await tcpClosed;
    await dripping;
    expect(await exchange(strict.port, post('/fine', '{}'))).toContain('"fine":true');
  });

  test('S33 connections beyond the limit are dropped, and there is room again when others end', async () => {
    const sockets = [];
    for (let i = 0; i < 20; i++)
      sockets.push(connectTcp(strict.port, '127.0.0.1').on('error', () => undefined));
    await Promise.all(sockets.map((socket) => new Promise((resolve) => socket.once('connect', resolve))));
    await expect(open(strict.port)).rejects.toThrow();
    for (const socket of sockets) socket.destroy();
    let answer = '';
    while (answer === '') answer = await exchange(strict.port, post('/fine', '{}')).catch(() => '');
    expect(answer).toContain('"fine":true');
  });

  test('S33 S32 strangers of one address take a bounded part of the room; members and the next stranger get in', async () => {
    const small = await startTestAuth({ limits: { maxStrangers: 4 } });
    const { port } = small.auth;
    const ca = small.authority;
    const other = await startTestAuth();
    const { certificate, privateKey } = await other.issueUser('eve', ['admin']);
    const forged = { ca, cert: certificate, key: privateKey };
    const ping = 'GET /v1/ping HTTP/1.1\r\nhost: x\r\n\r\n';
    const isServed = async (socket: TLSSocket): Promise<boolean> => {
      const answer = new Promise<boolean>((resolve) => {
        socket.once('data', () => resolve(true));
        socket.once('error', () => resolve(false));
        socket.once('close', () => resolve(false));
      });
      socket.write(ping);
      return answer;
    };
    const held: TLSSocket[] = [];
    for (let many = 0; many < 4; many++) held.push(await open(port, { ca }));
    for (const socket of held) expect(await isServed(socket)).toBe(true);
    const raw = connectTcp(port, '127.0.0.1').on('error', () => undefined);
    await new Promise((resolve) => raw.once('connect', resolve));
    expect(await isServed(await open(port, { ca }))).toBe(false);
    expect(await isServed(await open(port, forged))).toBe(false);
    for (const member of [small.admin, small.issueHost(['node']), await small.issueUser('amy', [])]) {
      const own = { ca, cert: member.certificate, key: member.privateKey };
      for (let many = 0; many < 5; many++) {
        const socket = await open(port, own);
        expect(await isServed(socket)).toBe(true);
        held.push(socket);
      }
    }
    const silent = [1, 2, 3].map(() => connectTcp(port, '127.0.0.1').on('error', () => undefined));
    await Promise.all(silent.map((socket) => new Promise((resolve) => socket.once('connect', resolve))));
    await expect(open(port, { ca })).rejects.toThrow();
    for (const socket of [raw, ...silent, ...held]) socket.destroy();
    await until('room for a stranger', async () => {
      const socket = await open(port, { ca }).catch(() => undefined);
      const served = socket !== undefined && (await isServed(socket));
      socket?.destroy();
      return served;
    });
    await small.close();
    await other.close();
  });

  test('ok: a keep-alive connection serves many requests', async () => {
    const socket = await open(strict.port);
    const request = post('/fine', '{}').replace('connection: close\r\n', '');
    socket.write(request.repeat(3) + post('/fine', '{}'));
    expect((await received(socket)).match(/"fine":true/g)?.length).toBe(4);
  });
});

describe('start and stop', () => {
  const bare = (): ServerContext => {
    const { state, authorities, hostId } = house.auth;
    const guard = { close() {} };
    const own = { clock: house.clock, log: silentLog, clusterName: 'test.example.com' };
    return { ...own, state, authorities, hostId, guard } as unknown as ServerContext;
  };

  test('S17 a route without access is refused at start', async () => {
    const naked = { ...TEST_ROUTES[0], access: undefined } as unknown as Route;
    const start = startServer({
      context: bare(),
      host: '127.0.0.1',
      port: 0,
      names: [],
      machine: 'auth-1',
      routes: [naked],
    });
    await expect(start).rejects.toThrow();
  });

  test('refuses: an address that is in use', async () => {
    const start = startServer({
      context: bare(),
      host: '127.0.0.1',
      port: strict.port,
      names: [],
      machine: 'auth-1',
      routes: [],
    });
    await expect(start).rejects.toMatchObject({ code: 'UNAVAILABLE' });
  });

  test('ok: closing twice; a closed service takes no calls', async () => {
    const other = await startTestAuth();
    await Promise.all([other.auth.close(), other.auth.close()]);
    await expect(other.call(undefined, 'GET', '/v1/ping')).rejects.toThrow();
    await other.close();
  });
});
