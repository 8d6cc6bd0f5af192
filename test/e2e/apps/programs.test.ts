// Programs with a certificate, and requests with cookies by hand: what the application is told, what it never is, and who is
// let in (S12, S16, S19).
import { createHash } from 'node:crypto';
import type { IncomingMessage, Server } from 'node:http';
import { connect as connectTls, type TLSSocket } from 'node:tls';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { parseJwks } from '#core/jwt/jwks.ts';
import { parseJwt, verifyJwt } from '#core/jwt/jwt.ts';
import { until } from '#test/kit/until.ts';
import { PASSWORD, PROXY_HOST, startAppHouse, startServer, type AppHouse } from './house.ts';

let house: AppHouse;
let echo: { server: Server; port: number };
let gone: { server: Server; port: number };
const sockets: TLSSocket[] = [];

/** Answers with what it got. */
function describeRequest(request: IncomingMessage): string {
  return JSON.stringify({ method: request.method, url: request.url, headers: request.headers });
}

beforeAll(async () => {
  echo = await startServer((request, response) => {
    if (request.url === '/redirect') {
      response.writeHead(302, {
        location: `http://127.0.0.1:${echo.port}/there?x=1`,
        'set-cookie': '__Host-gatehouse-app=evil',
      });
      response.end();
    } else if (request.url === '/count') {
      let bytes = 0;
      request.on('data', (part: Buffer) => (bytes += part.length));
      request.on('end', () => response.end(String(bytes)));
    } else if (request.url === '/large') response.end(Buffer.alloc(8 * 1024 * 1024, 'x'));
    else response.end(describeRequest(request));
  });
  echo.server.on('upgrade', (request, socket) => {
    socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n');
    socket.write(JSON.stringify(request.headers));
    socket.on('data', (bytes) => socket.write(bytes));
    socket.on('error', () => {});
  });
  gone = await startServer(() => {});
  gone.server.close();
  house = await startAppHouse(
    {
      wiki: {
        port: echo.port,
        rewrite: {
          redirect: [],
          headers: [
            { name: 'X-Team', value: 'team-{{external.team}}' },
            { name: 'Authorization', value: 'Bearer {{internal.jwt}}' },
          ],
        },
      },
      other: { port: echo.port },
      gone: { port: gone.port },
    },
    undefined,
    { maxConnections: 60 },
  );
}, 120_000);
afterAll(async () => {
  await house?.close();
  echo.server.closeAllConnections();
  echo.server.close();
});
afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy();
  for (const lock of house.auth.auth.state.list('lock')) await house.auth.remove('lock', lock.metadata.name);
});

const wiki = `wiki.${PROXY_HOST}`;
const heard = (text: string): { url: string; headers: Record<string, string> } => JSON.parse(text) as never;

describe('with a certificate', () => {
  it('S19 ok: the application is told who comes, by us alone', async () => {
    const client = await house.person('wiki');
    const answer = await house.ask(wiki, {
      client,
      path: '/page?q=1',
      headers: {
        'x-forwarded-for': '6.6.6.6',
        'x-forwarded-host': 'evil.example.com',
        forwarded: 'for=6.6.6.6',
        'x-real-ip': '6.6.6.6',
        x_forwarded_for: '6.6.6.6',
        'cf-connecting-ip': '6.6.6.6',
        'teleport-jwt-assertion': 'forged',
        'gatehouse-jwt-assertion': 'forged',
        'x-gatehouse-user': 'root',
        'remote-user': 'root',
        'x-team': 'forged',
        authorization: 'Bearer forged',
        'x-ordinary': 'kept',
        cookie: 'a=1; __Host-gatehouse-app=x; b=2',
      },
    });
    expect(answer.status).toBe(200);
    const { url, headers } = heard(answer.text);
    expect(url).toBe('/page?q=1');
    expect(JSON.stringify(headers)).not.toMatch(/6\.6\.6\.6|forged|evil|root/);
    expect(headers).toMatchObject({
      host: `127.0.0.1:${echo.port}`,
      'x-forwarded-for': '127.0.0.1',
      'x-forwarded-proto': 'https',
      'x-forwarded-host': wiki,
      'x-ordinary': 'kept',
      cookie: 'a=1; b=2',
    });
    const token = headers['gatehouse-jwt-assertion'] ?? '';
    expect(headers['authorization']).toBe(`Bearer ${token}`);
    const jwks = await house.ask(PROXY_HOST, { path: '/.well-known/jwks.json' });
    const parsed = parseJwt(token);
    expect(parsed !== undefined && verifyJwt(parsed, parseJwks(jwks.text))).toBe(true);
    expect(parsed?.claims).toMatchObject({ sub: 'joe', username: 'joe', roles: ['web'] });
    const discovery = JSON.parse(
      (await house.ask(PROXY_HOST, { path: '/.well-known/openid-configuration' })).text,
    ) as Record<string, string>;
    expect(discovery['jwks_uri']).toBe(`${discovery['issuer']}/.well-known/jwks.json`);
  });

  it('ok: S12 as curl shows it, at the host name of the application', async () => {
    const client = await house.person('wiki');
    const answer = await house.ask(wiki, { client, isPlain: true, path: '/page' });
    expect([answer.status, heard(answer.text).url]).toEqual([200, '/page']);
    const without = await house.ask(wiki, { path: '/page' });
    expect(without.status).toBe(401);
  });

  it('refuses: S12 S8 certificates for something else, of somebody else, or of another time', async () => {
    const other = await house.ask(wiki, { client: await house.person('other'), isPlain: true });
    expect([other.status, other.text]).toEqual([403, expect.stringContaining('for the application other')]);
    const whole = await house.ask(wiki, {
      client: await house.auth.issueUser('joe', ['web']),
      isPlain: true,
    });
    expect([whole.status, whole.text]).toEqual([403, expect.stringContaining('for no application')]);
    const stranger = await house.ask(wiki, {
      client: await house.auth.issueUser('joe', ['web'], { signedBy: 'host' }),
      isPlain: true,
    });
    expect(stranger.status).toBe(401);
    await house.auth.put('lock', 'l1', { target: { user: 'joe' } });
    await until('the lock counts', async () => {
      const answer = await house.ask(wiki, { client: await house.person('wiki'), isPlain: true });
      return answer.status === 403;
    });
  });

  it('ok: redirects stay at the public address; cookies of ours are not the application’s to set', async () => {
    const { headers } = await house.ask(wiki, { client: await house.person('wiki'), path: '/redirect' });
    expect(headers.location).toBe('/there?x=1');
    expect(headers['set-cookie']).toBeUndefined();
  });

  it('ok: bodies of many pieces both ways', async () => {
    const client = await house.person('wiki');
    const body = Buffer.alloc(4 * 1024 * 1024, 'y');
    expect((await house.ask(wiki, { client, method: 'POST', path: '/count', body })).text).toBe(
      String(body.length),
    );
    expect((await house.ask(wiki, { client, path: '/large' })).text.length).toBe(8 * 1024 * 1024);
  });

  it('refuses: an application that is not there is a 502 that says so', async () => {
    const answer = await house.ask(`gone.${PROXY_HOST}`, { client: await house.person('gone') });
    expect([answer.status, answer.text]).toEqual([502, expect.stringContaining('ECONNREFUSED')]);
  });

  it('ok: on record: the beginning, and the recording that has the requests', async () => {
    await house.ask(wiki, { client: await house.person('wiki') });
    const names = house.agent.events.map(({ event }) => event);
    expect(names).toContain('app.session.start');
    expect(names).toContain('app.session.chunk');
  });
});

/** The cookie of the web page, for a user of this name. */
async function logIn(name: string): Promise<string> {
  await house.signUp(name);
  const answer = await house.ask(PROXY_HOST, {
    method: 'POST',
    path: '/v1/webapi/sessions',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ user: name, password: PASSWORD }),
  });
  expect([answer.status, answer.text]).toEqual([200, expect.stringContaining(name)]);
  return cookieOf(answer.headers);
}

function cookieOf(headers: IncomingMessage['headers'], name = ''): string {
  const set = (headers['set-cookie'] ?? []).find(
    (cookie) => cookie.startsWith(name) && !/Max-Age=0/.test(cookie),
  );
  expect(set).toMatch(/; Path=\/; Max-Age=\d+; Secure; HttpOnly; SameSite=Lax$/);
  return set?.split(';', 1)[0] ?? '';
}

const NAVIGATION = { accept: 'text/html', 'sec-fetch-mode': 'navigate', 'sec-fetch-dest': 'document' };
const pathOf = (location: string | undefined): { host: string; path: string } => {
  const url = new URL(location ?? '');
  return { host: url.hostname, path: `${url.pathname}${url.search}` };
};

/** As a browser goes from the application to the proxy and back. */
async function launch(web: string, app = 'wiki', path = '/deep?x=1'): Promise<string> {
  const host = `${app}.${PROXY_HOST}`;
  const first = await house.ask(host, { path, headers: NAVIGATION });
  expect(first.status).toBe(302);
  const nonce = cookieOf(first.headers, '__Host-gatehouse-launch');
  const there = pathOf(first.headers.location);
  expect(there.host).toBe(PROXY_HOST);
  const second = await house.ask(PROXY_HOST, { path: there.path, headers: { ...NAVIGATION, cookie: web } });
  expect(second.status).toBe(302);
  const back = pathOf(second.headers.location);
  expect(back.host).toBe(host);
  const third = await house.ask(host, { path: back.path, headers: { ...NAVIGATION, cookie: nonce } });
  expect([third.status, third.headers.location]).toEqual([302, path]);
  return cookieOf(third.headers, '__Host-gatehouse-app');
}

describe('with cookies', () => {
  it('ok: from the login to the application, and back to where somebody wanted to go', async () => {
    const web = await logIn('ann');
    const list = await house.ask(PROXY_HOST, { path: '/v1/webapi/apps', headers: { cookie: web } });
    const { apps } = JSON.parse(list.text) as { apps: { name: string; url: string }[] };
    expect(apps.map(({ name }) => name)).toEqual(['gone', 'other', 'wiki']);
    expect(apps[2]?.url).toBe(`${house.url('wiki')}/`);
    const cookie = await launch(web);
    const answer = await house.ask(wiki, { path: '/page', headers: { cookie } });
    expect(answer.status).toBe(200);
    const { headers } = heard(answer.text);
    expect(headers['cookie']).toBeUndefined();
    const claims = parseJwt(headers['gatehouse-jwt-assertion'] ?? '')?.claims;
    expect(claims).toMatchObject({ sub: 'ann' });
  });

  it('R37 refuses: programs without a session by 401 in JSON, browsers that ask for others by their rules', async () => {
    for (const headers of [
      {},
      { accept: 'application/json' },
      { 'sec-fetch-mode': 'cors', accept: '*/*' },
      { 'x-requested-with': 'XMLHttpRequest', accept: 'text/html' },
    ]) {
      const answer = await house.ask(wiki, { headers });
      expect([answer.status, JSON.parse(answer.text)]).toEqual([
        401,
        { error: expect.objectContaining({ code: 'UNAUTHENTICATED' }) },
      ]);
    }
    const preflight = await house.ask(wiki, {
      method: 'OPTIONS',
      headers: { origin: 'https://evil.example.com', 'access-control-request-method': 'POST' },
    });
    expect([preflight.status, preflight.headers['access-control-allow-origin']]).toEqual([401, undefined]);
    expect((await house.ask(wiki, { method: 'POST', headers: NAVIGATION })).status).toBe(401);
    expect((await house.ask(`nobody.${PROXY_HOST}`, { headers: NAVIGATION })).status).toBe(404);
  });

  it('S12 refuses: half a cookie, one of another application, a changed one, two of them', async () => {
    const web = await logIn('bea');
    const cookie = await launch(web);
    const [name = '', value = ''] = cookie.split('=');
    const [id = ''] = value.split('.');
    const status = async (sent: string, host = wiki): Promise<number> =>
      (await house.ask(host, { headers: { cookie: sent } })).status;
    expect(await status(cookie)).toBe(200);
    for (const bad of [
      `${name}=${id}`,
      `${name}=${id}.`,
      `${name}=${id}.${'x'.repeat(43)}`,
      `${name}=${value}; ${name}=${value}`,
      web,
      `${name}=${web.split('=')[1]}`,
    ]) {
      expect(await status(bad)).toBe(401);
    }
    expect(await status(cookie, `other.${PROXY_HOST}`)).toBe(401);
    expect(await status(cookie)).toBe(200);
  });

  it('S12 refuses: a launch that another browser began, and a code a second time', async () => {
    const web = await logIn('cleo');
    const state = createHash('sha256').update('n'.repeat(43)).digest('base64url');
    const query = `/web/launch/wiki?${new URLSearchParams({ state, path: '//evil.example.com' })}`;
    const given = await house.ask(PROXY_HOST, { path: query, headers: { ...NAVIGATION, cookie: web } });
    const { path } = pathOf(given.headers.location);
    const held = `__Host-gatehouse-launch-${state.slice(0, 16)}`;
    const finish = (nonce: string) =>
      house.ask(wiki, { path, headers: { ...NAVIGATION, cookie: `${held}=${nonce}` } });
    expect((await house.ask(wiki, { path, headers: NAVIGATION })).status).toBe(401);
    const good = await finish('n'.repeat(43));
    expect([good.status, good.headers.location]).toEqual([302, '/']);
    expect((await finish('n'.repeat(43))).status).toBe(401);
    const again = await house.ask(PROXY_HOST, { path: query, headers: { ...NAVIGATION, cookie: web } });
    const stolen = await house.ask(wiki, {
      path: pathOf(again.headers.location).path,
      headers: { ...NAVIGATION, cookie: `${held}=${'m'.repeat(43)}` },
    });
    expect([stolen.status, stolen.headers['set-cookie']]).toEqual([401, undefined]);
  });

  it('ok: tabs of one browser that begin at the same time all get there; launches that are left are forgotten', async () => {
    const web = await logIn('gil');
    const begun = await Promise.all(
      ['/one', '/two', '/three'].map((path) => house.ask(wiki, { path, headers: NAVIGATION })),
    );
    const jar = begun.map(({ headers }) => cookieOf(headers, '__Host-gatehouse-launch')).join('; ');
    for (const [nth, { headers }] of begun.entries()) {
      const { path } = pathOf(headers.location);
      const launched = await house.ask(PROXY_HOST, { path, headers: { ...NAVIGATION, cookie: web } });
      const back = pathOf(launched.headers.location).path;
      const done = await house.ask(wiki, { path: back, headers: { ...NAVIGATION, cookie: jar } });
      expect([done.status, done.headers.location]).toEqual([302, ['/one', '/two', '/three'][nth]]);
    }
    const many = Array.from(
      { length: 12 },
      (_, nth) => `__Host-gatehouse-launch-${String(nth).padStart(16, 'x')}=v`,
    );
    const more = await house.ask(wiki, { headers: { ...NAVIGATION, cookie: many.join('; ') } });
    const gone = (more.headers['set-cookie'] ?? []).filter((cookie) => cookie.includes('Max-Age=0'));
    expect(gone.map((cookie) => cookie.split('=', 1)[0])).toEqual(
      many.slice(0, 2).map((cookie) => cookie.split('=', 1)[0]),
    );
  });

  it('S12 S16 refuses: after a lock, and after the logout, also what goes on', async () => {
    const web = await logIn('dora');
    const cookie = await launch(web);
    const status = async (): Promise<number> => (await house.ask(wiki, { headers: { cookie } })).status;
    expect(await status()).toBe(200);
    const socket = upgrade(cookie, `https://${wiki}:${house.port}`);
    await until('the change of protocol', () => socket.text().includes('101 Switching'));
    await house.auth.put('lock', 'l', { target: { user: 'dora' } });
    await until('what goes on is cut', () => socket.isOver());
    await until('requests are refused', async () => (await status()) === 403);
    await house.auth.remove('lock', 'l');
    await until('requests are taken again', async () => (await status()) === 200);
    const second = upgrade(cookie, `https://${wiki}:${house.port}`);
    await until('the change of protocol', () => second.text().includes('101 Switching'));
    const out = await house.ask(PROXY_HOST, {
      method: 'DELETE',
      path: '/v1/webapi/sessions',
      headers: { cookie: web },
    });
    expect(out.status).toBe(200);
    await until('requests are refused', async () => (await status()) === 401);
    await until('what goes on is cut', () => second.isOver());
  });

  it('ok: connections of people with a session leave the room of strangers to others', async () => {
    const cookie = await launch(await logIn('fay'));
    const own = Array.from({ length: 28 }, () => upgrade(cookie, house.url('wiki')));
    await until('all are there', () => own.every(({ text }) => text().includes('101 Switching')));
    const strangers = Array.from({ length: 10 }, () => upgrade('', house.url('wiki')));
    await until('all are answered', () => strangers.every(({ text }) => text().startsWith('HTTP/1.1 401 ')));
  });

  it('S12 refuses: WebSockets and changes from pages of another origin, also of an application beside it', async () => {
    const cookie = await launch(await logIn('ella'));
    for (const origin of ['https://evil.example.com', house.url('other')]) {
      const answer = await house.ask(wiki, { method: 'POST', headers: { cookie, origin } });
      expect(answer.status).toBe(403);
      const { text } = upgrade(cookie, origin);
      await until('the refusal', () => text().startsWith('HTTP/1.1 403 '));
    }
    expect(
      (await house.ask(wiki, { method: 'POST', headers: { cookie, origin: house.url('wiki') } })).status,
    ).toBe(200);
    const { text } = upgrade(cookie, house.url('wiki'));
    await until('the change', () => text().includes('101 Switching'));
    expect(text()).not.toContain('__Host-gatehouse');
  });
});

function upgrade(cookie: string, origin: string): { text(): string; isOver(): boolean } {
  const socket = connectTls({
    host: '127.0.0.1',
    port: house.port,
    servername: wiki,
    rejectUnauthorized: false,
  });
  sockets.push(socket);
  let [got, over] = ['', false];
  socket.on('data', (bytes) => (got += bytes.toString('latin1')));
  socket.on('close', () => (over = true)).on('error', () => (over = true));
  socket.write(
    `GET /ws HTTP/1.1\r\nHost: ${wiki}:${house.port}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nOrigin: ${origin}\r\nCookie: ${cookie}\r\nSec-WebSocket-Key: x\r\nSec-WebSocket-Version: 13\r\n\r\n`,
  );
  return { text: () => got, isOver: () => over };
}
