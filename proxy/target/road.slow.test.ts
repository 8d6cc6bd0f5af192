// The whole road, with nothing made up but the engines at its end: TLS clients with certificates of the real authority, the
// doors of a proxy, tunnels, agents, their guards.
import { randomBytes } from 'node:crypto';
import { connect as connectTcp, type Socket } from 'node:net';
import { connect as connectTls, type TLSSocket } from 'node:tls';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { systemClock } from '#core/clock.ts';
import { startTestAuth, type IssueOptions, type TestAuth, type TestClient } from '#test/kit/auth-server.ts';
import { startProxyHouse, type ProxyHouse } from '#test/kit/proxy.ts';
import { startTargetAgent, testApp, testDb, type TargetAgent } from '#test/kit/target-agent.ts';
import { until } from '#test/kit/until.ts';
import { cancelRequest, sslRequest, startupPacket } from '#wire/postgres/write.ts';
import { cancelProcessId } from '#wire/target/cancel-keys.ts';

let house: TestAuth;
let door: ProxyHouse;
let first: TargetAgent;
let second: TargetAgent;
const open: Socket[] = [];

const STARTUP = startupPacket([['user', 'alice']]);
const config = (more: readonly string[] = []) => ({
  db: {
    databases: ['orders', ...more].map((name) => testDb(name)),
    resources: [{ labels: { team: ['dba'] } }],
  },
  app: { apps: [testApp('wiki')], resources: [], debugApp: false },
});

beforeAll(async () => {
  house = await startTestAuth();
  await house.put('role', 'dba', {
    allow: {
      db_labels: { env: ['test'] },
      db_users: ['alice'],
      db_names: ['*'],
      app_labels: { env: ['test'] },
    },
  });
  await house.put('role', 'nothing', {});
  await house.put('role', 'brief', {
    allow: { db_labels: { env: ['test'] }, db_users: ['alice'], db_names: ['*'] },
  });
  door = await startProxyHouse(house, { clock: systemClock });
  first = await startTargetAgent(house, { name: 'first', config: config(), proxy: door.web });
  second = await startTargetAgent(house, { name: 'second', config: config(['billing']), proxy: door.web });
  await until(
    'the proxy knows both agents and has their tunnels',
    () =>
      door.view.dbServersOf('orders').length === 2 &&
      door.view.appServersOf('wiki').length === 2 &&
      door.proxy.counts.tunnels === 2,
    60_000,
  );
}, 60_000);
afterAll(async () => {
  await first.close();
  await second.close();
  await door.close();
  await house.close();
});
afterEach(async () => {
  for (const socket of open.splice(0)) socket.destroy();
  const locks = [...house.auth.state.list('lock')];
  for (const lock of locks) await house.remove('lock', lock.metadata.name);
});

const forDb = (service: string, more: object = {}): IssueOptions => ({
  identity: { usage: 'db', route_to_database: { service, protocol: 'postgres', ...more } },
});
const forApp = (name: string): IssueOptions => ({
  identity: {
    usage: 'app',
    route_to_app: { name, public_addr: '', session_id: '8f0e6f0e-0000-4000-8000-000000000001' },
  },
});
const person = (options: IssueOptions, name = 'joe'): Promise<TestClient> =>
  house.issueUser(name, ['dba'], options);

/** What was heard from the socket; `ended` when the other end said its last. */
interface Heard {
  readonly socket: Socket;
  text: string;
  isOver: boolean;
}

function hear(socket: Socket): Heard {
  open.push(socket);
  const heard: Heard = { socket, text: '', isOver: false };
  socket.on('data', (data) => (heard.text += data.toString('latin1')));
  socket.on('error', () => (heard.isOver = true));
  socket.on('end', () => (heard.isOver = true));
  socket.on('close', () => (heard.isOver = true));
  return heard;
}

const port = (): number => Number(door.web.split(':')[1]);

function dial(client: TestClient | undefined, protocol: string | undefined, socket?: Socket): TLSSocket {
  return connectTls({
    ...(socket === undefined ? { host: '127.0.0.1', port: port() } : { socket }),
    servername: 'proxy.test.example.com',
    ca: house.authority,
    ...(protocol === undefined ? {} : { ALPNProtocols: [protocol] }),
    ...(client === undefined ? {} : { cert: client.certificate, key: client.privateKey }),
  });
}

function ask(client: TestClient | undefined, protocol: string, first: Uint8Array = STARTUP): Heard {
  const socket = dial(client, protocol);
  socket.write(first);
  return hear(socket);
}

const says = (heard: Heard, text: string): Promise<unknown> =>
  until(`${JSON.stringify(text)}`, () => {
    if (heard.text.includes(text)) return true;
    if (heard.isOver) throw new Error(`it ended, and said ${JSON.stringify(heard.text.slice(0, 1000))}`);
    return false;
  });
const over = (heard: Heard): Promise<unknown> => until('the end', () => heard.isOver);

describe('to an agent', () => {
  it.each(['gatehouse-db', 'postgresql'])('ok: a database by ALPN %s, bytes both ways', async (protocol) => {
    const heard = ask(await person(forDb('orders')), protocol);
    await says(heard, 'serves orders to joe at 127.0.0.1:');
    const bytes = randomBytes(3_000_000).toString('hex');
    heard.socket.write(bytes);
    await until(
      'all of it is back',
      () => heard.text.endsWith(bytes.slice(-1000)) && heard.text.includes(bytes),
    );
    heard.socket.end();
    await over(heard);
    await until('the agent closed it', () =>
      [first, second].every(({ agent }) => agent.counts.connections === 0),
    );
  });

  it('ok: an application by its ALPN', async () => {
    const heard = ask(await person(forApp('wiki')), 'gatehouse-app', Buffer.from('GET / HTTP/1.1\r\n\r\n'));
    await says(heard, 'serves wiki to joe');
    await says(heard, 'GET / HTTP/1.1');
  });

  it('ok: SSLRequest and TLS behind it, with GSSENCRequest refused before', async () => {
    const plain = connectTcp(port(), '127.0.0.1');
    open.push(plain);
    plain.write(Buffer.from('0000000804d21630', 'hex'));
    const answer = (): Promise<string> =>
      new Promise((resolve) => plain.once('data', (data) => resolve(String(data))));
    expect(await answer()).toBe('N');
    plain.write(sslRequest());
    expect(await answer()).toBe('S');
    const socket = dial(await person(forDb('orders')), undefined, plain);
    socket.write(STARTUP);
    await says(hear(socket), 'serves orders to joe');
  });

  it('ok: a client comes again with a ticket, and is who it was', async () => {
    const client = await person(forDb('orders'));
    const before = dial(client, 'gatehouse-db');
    const session = new Promise<Buffer>((resolve) => before.once('session', resolve));
    before.write(STARTUP);
    await says(hear(before), 'serves orders to joe');
    const again = connectTls({
      host: '127.0.0.1',
      port: port(),
      servername: 'proxy.test.example.com',
      ca: house.authority,
      ALPNProtocols: ['gatehouse-db'],
      session: await session,
    });
    again.write(STARTUP);
    await says(hear(again), 'serves orders to joe');
    expect(again.isSessionReused()).toBe(true);
  });

  it('ok: requests to cancel, in clear and over TLS, go to the agent that made the key', async () => {
    const client = await person(forDb('orders'));
    for (const [at, { hostId, cancels }] of [first, second].entries()) {
      const key = { processId: cancelProcessId(hostId), secret: 4_000_000_000 + at };
      const packet = cancelRequest(key.processId, key.secret);
      const plain = connectTcp(port(), '127.0.0.1');
      plain.write(packet);
      await over(hear(plain));
      await over(ask(client, 'gatehouse-db', packet));
      await until('both arrived', () => cancels.length === 2);
      expect(cancels).toEqual([key, key]);
    }
    const nobody = connectTcp(port(), '127.0.0.1');
    nobody.write(cancelRequest(1, 1));
    await over(hear(nobody));
  });
});

describe('refusals', () => {
  it.each([
    ['for an application', forApp('wiki'), 'gatehouse-db', 'is not for a database'],
    ['for a database', forDb('orders'), 'gatehouse-app', 'is not for an application'],
    ['for Kubernetes', { identity: { usage: 'kube' } }, 'gatehouse-db', 'is not for a database'],
    ['for everything else', {}, 'postgresql', 'is not for a database'],
    [
      'of another cluster',
      { ...forDb('orders'), cluster: 'other' },
      'gatehouse-db',
      'not of a user of this cluster',
    ],
    ['of the host authority', { ...forDb('orders'), signedBy: 'host' }, 'gatehouse-db', ''],
    [
      'pinned to another address',
      { identity: { ...forDb('orders').identity, pinned_ip: '192.0.2.1' } },
      'gatehouse-db',
      'access denied (denial',
    ],
  ] as const)('S8 refuses: a certificate %s', async (_, options, protocol, text) => {
    const heard = ask(await person(options as IssueOptions), protocol);
    await over(heard);
    if (text !== '') expect(heard.text).toContain(text);
    expect(heard.text).not.toContain('serves');
  });

  it('S12 refuses: no certificate, and no TLS, in the protocol of the target', async () => {
    const none = ask(undefined, 'gatehouse-db');
    await over(none);
    expect(none.text).toMatch(/^E.*a client certificate is needed/s);
    const http = ask(undefined, 'gatehouse-app');
    await over(http);
    expect(http.text).toMatch(/^HTTP\/1\.1 401 .*"code":"UNAUTHENTICATED"/s);
    const plain = connectTcp(port(), '127.0.0.1');
    plain.write(STARTUP);
    const clear = hear(plain);
    await over(clear);
    expect(clear.text).toMatch(/^E.*TLS is needed/s);
  });

  it('S12 refuses: what was sent in clear behind the request for TLS is never taken for what TLS protects', async () => {
    const plain = connectTcp(port(), '127.0.0.1');
    plain.write(Buffer.concat([sslRequest(), STARTUP]));
    const heard = hear(plain);
    await over(heard);
    expect(heard.text).toMatch(/^S/);
    expect(heard.text).not.toMatch(/serves|Gatehouse/);
  });

  it('S8 refuses: what is hidden and what is not there alike, and says why to admins alone', async () => {
    const hidden = ask(await house.issueUser('eve', ['nothing'], forDb('orders')), 'gatehouse-db');
    const missing = ask(await person(forDb('nowhere')), 'gatehouse-db');
    await over(hidden);
    await over(missing);
    const text = (heard: Heard, name: string): string =>
      heard.text
        .slice(5)
        .replace(name, 'NAME')
        .replace(/denial [0-9a-f-]{36}/, 'denial ID');
    expect(text(hidden, 'orders')).toContain('no such database, or no access to it: NAME (denial ID)');
    expect(text(missing, 'nowhere')).toBe(text(hidden, 'orders'));
    const reasons = door.events.filter(({ event }) => event === 'access.denied').slice(-2);
    expect(JSON.stringify(reasons)).toMatch(/no role of the user selects.*no agent announces/s);
  });

  it('S15 refuses: another account than the certificate is for, at the agent, with an id', async () => {
    const heard = ask(await person(forDb('orders', { username: 'bob' })), 'gatehouse-db');
    await says(heard, 'access denied (denial ');
    const [id] = /[0-9a-f]{8}-[0-9a-f-]{27}/.exec(heard.text) ?? [];
    const denied = [...first.events, ...second.events].find(
      (event) => event.event === 'access.denied' && (event as { denial_id?: string }).denial_id === id,
    );
    expect(JSON.stringify(denied)).toContain('for the database user \\"bob\\"');
  });
});

describe('what ends', () => {
  it('S16 ok: a lock, a role that is gone and the end of the certificate cut what is open', async () => {
    const locked = ask(await person(forDb('orders'), 'ann'), 'gatehouse-db');
    const other = ask(await person(forDb('orders'), 'joe'), 'gatehouse-db');
    await Promise.all([says(locked, 'serves'), says(other, 'serves')]);
    await house.put('lock', 'ann', { target: { user: 'ann' }, message: 'on leave' });
    await says(locked, 'cut lock: on leave');
    await over(locked);
    expect(other.isOver).toBe(false);
    const refused = ask(await person(forDb('orders'), 'ann'), 'gatehouse-db');
    await over(refused);
    expect(refused.text).toContain('on leave');
    const demoted = ask(await house.issueUser('bob', ['brief'], forDb('orders')), 'gatehouse-db');
    await says(demoted, 'serves');
    await house.put('role', 'brief', { allow: {} });
    await says(demoted, 'cut access');
    const short = ask(
      await person({ ...forDb('orders'), ttlMs: Date.now() - house.clock.now() + 4000 }, 'sam'),
      'gatehouse-db',
    );
    await says(short, 'serves');
    await says(short, 'cut certificate-expired');
  });

  it('ok: the same database elsewhere when its agent is gone, and what is added and removed at once', async () => {
    const client = await person(forDb('orders'));
    await house.put(
      'db',
      'stock',
      { protocol: 'postgres', uri: '127.0.0.1:1' },
      { labels: { team: 'dba', env: 'test' } },
    );
    await until('both serve it', () => door.view.dbServersOf('stock').length === 2);
    const stock = ask(await person(forDb('stock')), 'gatehouse-db');
    await says(stock, 'serves stock');
    await house.remove('db', 'stock');
    await says(stock, 'cut access');
    // The proxy still has its word that it serves: the road goes around it.
    await first.crash();
    for (let attempt = 0; attempt < 5; attempt++)
      await says(ask(client, 'gatehouse-db'), 'second serves orders');
  });
});
