// The HTTP side of the proxy over real sockets, with stand-ins for what is behind it: what everybody may read, the calls of
// the sign-up page, upgrades, and what clients try that is not theirs to do.
import { request as httpRequest, type IncomingHttpHeaders } from 'node:http';
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { WebAnswer } from '#core/api/web.ts';
import { GatehouseError } from '#core/errors/error.ts';
import { silentLog } from '#core/log.ts';
import { FakeClock } from '#test/kit/clock.ts';
import { Origins, originOf, type Origin } from '../listen/origin.ts';
import { HTTP_LIMITS } from './http-server.ts';
import { qrOf, type Invites } from './invites.ts';
import { AppOrigins } from '../app/origins.ts';
import type { People } from './people.ts';
import { openWeb, type Web, type WebOptions } from './web.ts';

const TOKEN = 'ab'.repeat(32);
const FACTS: WebAnswer = {
  cluster_name: '<b>main</b>',
  server_version: '0.1.0',
  min_client_version: '0.1.0',
  auth: { type: 'local', second_factor: 'otp' },
  proxy: {
    tls_routing_enabled: true,
    ssh: {
      public_addr: 'proxy.example.com:443',
      ssh_public_addr: 'proxy.example.com:3023',
      ssh_tunnel_public_addr: 'proxy.example.com:3024',
    },
    public_addrs: ['proxy.example.com:443'],
    id: 'host-1',
    ends_tls: true,
  },
  host_authorities: ['PEM'],
};

interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
}

let clock: FakeClock;
let server: Server;
let web: Web;
let asked: { readonly what: string; readonly token: string; readonly origin: Origin }[];
let upgraded: {
  readonly to: string;
  readonly socket: Socket;
  readonly origin: Origin;
  readonly done: () => void;
}[];
/** Connections that are no strangers' any more. */
let settled: number;
const sockets: Socket[] = [];

async function serve(about: Partial<WebOptions> = {}): Promise<void> {
  const origins = new Origins();
  const invites: Invites = {
    async open(token, origin) {
      asked.push({ what: 'open', token, origin });
      if (token !== TOKEN) throw new GatehouseError('NOT_FOUND', 'the link is not valid');
      const otp = { secret: 'JBSWY3DP', qr: qrOf('otpauth://totp/x?secret=JBSWY3DP') };
      return { user: 'joe', purpose: 'invite', second_factor: 'otp', expires: '2026-01-01T01:00:00Z', otp };
    },
    async accept({ token }, origin) {
      asked.push({ what: 'accept', token, origin });
      return { user: "joe o'neil" };
    },
  };
  web = await openWeb({
    clock,
    log: silentLog,
    endsTls: true,
    origins,
    trustsForwardedFor: false,
    facts: () => FACTS,
    notReady: () => undefined,
    invites,
    upgrades: {
      ssh: (stream, origin, done) => upgraded.push({ to: 'ssh', socket: stream as Socket, origin, done }),
      auth: (stream, origin, done) => upgraded.push({ to: 'auth', socket: stream as Socket, origin, done }),
      target: (socket, origin, done, to) => upgraded.push({ to, socket, origin, done }),
    },
    people: NO_PEOPLE,
    apps: new AppOrigins({ view: NO_APPS, publicAddrs: () => [] }),
    publicAddress: () => 'proxy.example.com:443',
    tokenAuthorities: () => [],
    ...about,
  });
  server = createServer({ allowHalfOpen: true, pauseOnConnect: true }, (socket) => {
    sockets.push(socket);
    origins.remember(socket, originOf(socket), () => settled++);
    web.accept(socket);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
}

const unexpected = (): never => expect.fail('nobody asked');
const NO_PEOPLE: People = {
  logIn: unexpected,
  open: unexpected,
  logOut: unexpected,
  appsOf: unexpected,
  launch: unexpected,
};
const NO_APPS = { isReady: () => true, appServersAt: () => [], appServersOf: () => [], appServers: () => [] };

beforeEach(() => {
  clock = new FakeClock();
  [asked, upgraded, settled] = [[], [], 0];
});
afterEach(async () => {
  await web.close();
  for (const socket of sockets.splice(0)) socket.destroy();
  await new Promise((resolve) => server.close(resolve));
});

const portOf = (): number => (server.address() as AddressInfo).port;

function call(
  method: string,
  path: string,
  body?: string,
  headers: Record<string, string> = {},
): Promise<Answer> {
  const sent =
    body === undefined ? {} : { 'content-type': 'application/json', 'content-length': `${body.length}` };
  return new Promise((resolve, reject) => {
    const request = httpRequest(
      { port: portOf(), host: '127.0.0.1', method, path, agent: false, headers: { ...sent, ...headers } },
      (response) => {
        const parts: Buffer[] = [];
        response.on('data', (part: Buffer) => parts.push(part));
        response.once('end', () =>
          resolve({
            status: response.statusCode ?? 0,
            headers: response.headers,
            text: Buffer.concat(parts).toString(),
          }),
        );
      },
    );
    request.once('error', reject);
    request.end(body);
  });
}

const open = (token: string, headers: Record<string, string> = {}): Promise<Answer> =>
  call('POST', '/v1/webapi/invites/open', JSON.stringify({ token }), headers);

/** Sends bytes and collects what comes until the end. */
function raw(text: string): { socket: Socket; ended: Promise<string> } {
  const socket = connect(portOf(), '127.0.0.1');
  sockets.push(socket);
  const parts: Buffer[] = [];
  socket.on('error', () => {});
  socket.on('data', (part: Buffer) => parts.push(part));
  const ended = new Promise<string>((resolve) =>
    socket.once('close', () => resolve(Buffer.concat(parts).toString())),
  );
  socket.write(text);
  return { socket, ended };
}

describe('what everybody may read', () => {
  it('ok: find and ping say the same, and health is for balancers', async () => {
    await serve();
    for (const path of ['/v1/webapi/find', '/v1/webapi/ping']) {
      const answer = await call('GET', path);
      expect([answer.status, JSON.parse(answer.text)]).toEqual([200, FACTS]);
    }
    expect((await call('GET', '/healthz')).text).toBe('{"status":"ok"}');
    expect((await call('GET', '/readyz')).status).toBe(200);
  });

  it('S32 ok: before it is ready it says so, and is alive', async () => {
    await serve({
      notReady: () => 'has not joined the cluster yet',
      facts: () => {
        throw new GatehouseError('UNAVAILABLE', 'has not joined the cluster yet');
      },
    });
    expect((await call('GET', '/healthz')).status).toBe(200);
    for (const path of ['/readyz', '/v1/webapi/find', '/']) {
      const answer = await call('GET', path);
      expect([answer.status, answer.text]).toEqual([503, expect.stringContaining('not joined')]);
    }
  });

  it('ok: the landing page names the cluster and the commands, as text', async () => {
    await serve();
    for (const path of ['/', '/web']) {
      const { status, text, headers } = await call('GET', path);
      expect([status, headers['content-type']]).toEqual([200, 'text/html; charset=utf-8']);
      expect(text).toContain('gate login --proxy=proxy.example.com:443');
      expect(text).toContain('&lt;b&gt;main&lt;/b&gt;');
      expect(text).not.toContain('<b>main');
    }
  });

  it('S27 every answer forbids framing, sniffing, keeping and telling where one came from; pages load only what is ours', async () => {
    await serve();
    const paths = [
      '/',
      `/web/newuser/${TOKEN}`,
      '/web/assets/sign-up.js',
      '/v1/webapi/find',
      '/nowhere',
      '/%ff',
    ];
    for (const path of paths) {
      const { headers, text } = await call('GET', path);
      expect([path, headers]).toEqual([
        path,
        expect.objectContaining({
          'cache-control': 'no-store',
          'content-security-policy': expect.stringMatching(
            /^default-src 'none';.*frame-ancestors 'none'$/,
          ) as string,
          'referrer-policy': 'no-referrer',
          'x-content-type-options': 'nosniff',
          'x-frame-options': 'DENY',
          'strict-transport-security': 'max-age=31536000',
        }),
      ]);
      expect(headers['content-security-policy']).not.toMatch(/unsafe|\*|https?:/);
      expect(text).not.toMatch(/<script>|<style|\son\w+=|style="|(?:src|href)="(?!\/web\/)/);
    }
  });

  it('S36 the page of a link does not repeat its token, and neither do errors', async () => {
    await serve();
    for (const path of [`/web/newuser/${TOKEN}`, `/web/newuser/${TOKEN}/x`, `/web/other/${TOKEN}`]) {
      const { text, headers } = await call('GET', path);
      expect(text + JSON.stringify(headers)).not.toContain(TOKEN);
    }
  });
});

describe('the calls of the sign-up page', () => {
  it('ok: what a link asks for, with a code to scan; then the command to go on with, safe for a shell', async () => {
    await serve();
    const opened = await open(TOKEN);
    expect(opened.status).toBe(200);
    expect(JSON.parse(opened.text)).toMatchObject({
      user: 'joe',
      otp: { secret: 'JBSWY3DP', qr: { size: expect.any(Number) as number } },
    });
    const body = JSON.stringify({ token: TOKEN, password: 'correct horse battery', otp: '123456' });
    const accepted = await call('POST', '/v1/webapi/invites/accept', body);
    expect(JSON.parse(accepted.text)).toEqual({
      user: "joe o'neil",
      login_command: `gate login --proxy=proxy.example.com:443 --user='joe o'\\''neil'`,
    });
    expect(asked.map(({ what }) => what)).toEqual(['open', 'accept']);
    expect(asked[0]?.origin.remoteAddress).toMatch(/^127\.0\.0\.1:\d+$/);
  });

  it('refuses: a link that is not good, in the words of auth', async () => {
    await serve();
    const { status, text } = await open('nothing');
    expect([status, JSON.parse(text)]).toEqual([404, expect.objectContaining({ code: 'NOT_FOUND' })]);
  });

  it('S27 refuses: calls that the page of somebody else makes', async () => {
    await serve();
    const foreign: Record<string, string>[] = [
      { origin: 'https://evil.example.com' },
      { origin: 'null' },
      { 'sec-fetch-site': 'cross-site' },
      { 'sec-fetch-site': 'same-site' },
      { origin: `http://127.0.0.1:${portOf() + 1}` },
    ];
    for (const headers of foreign) expect((await open(TOKEN, headers)).status).toBe(403);
    const own = { origin: `http://127.0.0.1:${portOf()}`, 'sec-fetch-site': 'same-origin' };
    expect((await open(TOKEN, own)).status).toBe(200);
    // A form of another page cannot say that it sends JSON.
    const form = await call('POST', '/v1/webapi/invites/open', 'token=x', { 'content-type': 'text/plain' });
    expect(form.status).toBe(400);
    expect(asked).toHaveLength(1);
  });

  it('S7 refuses: more calls than people make, until time has passed', async () => {
    await serve();
    for (let count = 0; count < 30; count++) expect((await open('x')).status).toBe(404);
    expect((await open(TOKEN)).status).toBe(429);
    await clock.advance(2000);
    expect((await open(TOKEN)).status).toBe(200);
  });

  it('S33 refuses: bodies that are too large, deep, not JSON, or of another form', async () => {
    await serve();
    const send = async (body: string): Promise<number> =>
      (await call('POST', '/v1/webapi/invites/open', body)).status;
    expect(await send(JSON.stringify({ token: 'x'.repeat(20_000) }))).toBe(413);
    expect(await send('{"token":')).toBe(400);
    expect(await send('{"token":"x","__proto__":{"a":1}}')).toBe(400);
    expect(await send('{"token":{}}')).toBe(400);
    expect(await send('{"token":"x","more":true}')).toBe(400);
    expect(await send('['.repeat(15_000))).toBe(400);
    expect(asked).toEqual([]);
  });
});

describe('S19 addresses', () => {
  it('refuses: to take an address from a header, unless a balancer is trusted to set it', async () => {
    await serve();
    await open(TOKEN, {
      'x-forwarded-for': '203.0.113.7',
      forwarded: 'for=203.0.113.7',
      'x-real-ip': '203.0.113.7',
    });
    expect(asked[0]?.origin.remoteAddress).toMatch(/^127\.0\.0\.1:/);
  });

  it('ok: with trust it is the last one, which the balancer wrote; what is no address is left aside', async () => {
    await serve({ trustsForwardedFor: true });
    await open(TOKEN, { 'x-forwarded-for': '10.9.9.9, 203.0.113.7' });
    await open(TOKEN, { 'x-forwarded-for': '2001:db8::7' });
    await open(TOKEN, { 'x-forwarded-for': '10.9.9.9, nonsense' });
    await open(TOKEN);
    expect(asked.map(({ origin }) => origin.remoteAddress.replace(/^127.*/, 'own'))).toEqual([
      '203.0.113.7:0',
      '[2001:db8::7]:0',
      'own',
      'own',
    ]);
  });
});

describe('upgrades', () => {
  const ask = (protocol: string, more = '', path = '/v1/webapi/connect', method = 'GET'): string =>
    `${method} ${path} HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: ${protocol}\r\n${more}\r\n`;

  it('ok: a raw stream to SSH, to auth or to the doors of targets, with the bytes that came along', async () => {
    await serve();
    for (const [index, to] of ['ssh', 'auth', 'db', 'app'].entries()) {
      const { socket } = raw(`${ask(`gatehouse-${to}`)}SSH-2.0-x\r\n`);
      const answer = await new Promise<Buffer>((resolve) => socket.once('data', resolve));
      expect(answer.toString()).toMatch(/^HTTP\/1\.1 101 /);
      expect(upgraded[index]).toMatchObject({ to, origin: originOf(upgraded[index]!.socket) });
      const near = upgraded[index]!.socket;
      const first = await new Promise<Buffer>((resolve) => near.once('data', resolve).resume());
      expect(first.toString()).toBe('SSH-2.0-x\r\n');
      const echoed = new Promise<Buffer>((resolve) => socket.once('data', resolve));
      near.write('back');
      expect(String(await echoed)).toBe('back');
      // Or tunnels that come through one balancer would count as its strangers for as long as they are there.
      expect(settled).toBe(index);
      upgraded[index]!.done();
      expect(settled).toBe(index + 1);
    }
  });

  it('S27 refuses: other protocols, paths and methods, and whatever a browser sends by itself', async () => {
    await serve();
    for (const text of [
      ask('websocket'),
      ask('gatehouse-ssh', '', '/'),
      ask('gatehouse-ssh', '', '/v1/webapi/connect?x'),
      ask('gatehouse-ssh', 'content-length: 0\r\n', '/v1/webapi/connect', 'POST'),
      ask('gatehouse-ssh', 'origin: https://evil.example.com\r\n'),
      ask('gatehouse-ssh', 'sec-fetch-mode: websocket\r\n'),
    ]) {
      expect(await raw(text).ended).toMatch(/^HTTP\/1\.1 40[34] /);
    }
    expect(upgraded).toEqual([]);
  });
});

describe('S32 S33 connections', () => {
  it('S32 refuses: heads that do not end and bodies that do not come, in time', async () => {
    await serve({ limits: { ...HTTP_LIMITS, headersMs: 200, requestMs: 300 } });
    const slow = raw('GET / HTTP/1.1\r\nhost: a\r\nx: ');
    expect(await slow.ended).toMatch(/^HTTP\/1\.1 408 /);
    const half = raw(
      'POST /v1/webapi/invites/open HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{',
    );
    expect(await half.ended).toMatch(/^HTTP\/1\.1 408 /);
    expect((await call('GET', '/healthz')).status).toBe(200);
  });

  it.each([
    ['no HTTP', 'HELLO\r\n\r\n'],
    ['headers without end', `GET / HTTP/1.1\r\nhost: a\r\nx: ${'a'.repeat(20_000)}\r\n\r\n`],
    ['two lengths', 'POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nx'],
    [
      'length and chunks',
      'POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n',
    ],
    ['no host', 'GET / HTTP/1.1\r\n\r\n'],
  ])('S19 refuses: %s, and ends', async (_, text) => {
    await serve();
    expect(await raw(text).ended).toMatch(/^HTTP\/1\.1 4\d\d /);
  });

  it('refuses: CONNECT, so that nobody takes it for a proxy of the web', async () => {
    await serve();
    expect(await raw('CONNECT 169.254.169.254:80 HTTP/1.1\r\nhost: a\r\n\r\n').ended).not.toMatch(/ 200 /);
    expect((await call('GET', 'http://169.254.169.254/latest/meta-data')).status).toBe(404);
  });
});

it('ok: a QR code as one path', () => {
  const { size, path } = qrOf('otpauth://totp/x?secret=JBSWY3DP');
  expect(size).toBeGreaterThan(28);
  expect(path).toMatch(/^(?:M\d+ \d+h\d+v1h-\d+z)+$/);
});
