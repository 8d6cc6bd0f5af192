// Two proxies, and agents that keep one tunnel each: people reach them at the proxy that has none, and the next agent when
// the nearest is silent, by the clock on the wall.
import { connect as connectTcp, createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { systemClock } from '#core/clock.ts';
import { startTestAuth, type IssueOptions, type TestAuth } from '#test/kit/auth-server.ts';
import { startProxyHouse, type ProxyHouse } from '#test/kit/proxy.ts';
import { startTargetAgent, testApp, testDb, type TargetAgent } from '#test/kit/target-agent.ts';
import { until } from '#test/kit/until.ts';
import { cancelRequest, startupPacket } from '#wire/postgres/write.ts';
import { cancelProcessId } from '#wire/target/cancel-keys.ts';

let house: TestAuth;
let one: ProxyHouse;
let two: ProxyHouse;
let near: TargetAgent;
let far: TargetAgent;
/** Between the near agent and its proxy. */
let network: Server;
const wires = new Set<Socket>();
const open: Socket[] = [];
const portOf = (address: string): number => Number(address.split(':')[1]);

beforeAll(async () => {
  house = await startTestAuth();
  await house.put('cluster_networking_config', 'cluster-networking-config', {
    tunnel_strategy: { type: 'proxy_peering', agent_connection_count: 1 },
  });
  await house.put('role', 'dba', {
    allow: {
      db_labels: { env: ['test'] },
      db_users: ['alice'],
      db_names: ['*'],
      app_labels: { env: ['test'] },
    },
  });
  one = await startProxyHouse(house, { clock: systemClock });
  two = await startProxyHouse(house, { clock: systemClock });
  network = createServer((socket) => {
    const there = connectTcp(portOf(one.web), '127.0.0.1');
    for (const end of [socket, there]) {
      wires.add(end);
      end.on('error', () => end.destroy());
      end.once('close', () => (socket.destroy(), there.destroy()));
    }
    socket.pipe(there).pipe(socket);
  });
  await new Promise<void>((resolve) => network.listen(0, '127.0.0.1', resolve));
  const { port } = network.address() as AddressInfo;
  // Who dials before it knows of other proxies keeps what it was told.
  near = await startTargetAgent(house, {
    name: 'near',
    proxy: `127.0.0.1:${port}`,
    config: { db: { databases: [testDb('orders')], resources: [] } },
  });
  far = await startTargetAgent(house, {
    name: 'far',
    proxy: two.web,
    config: {
      db: { databases: ['orders', 'ledger'].map((name) => testDb(name)), resources: [] },
      app: { apps: [testApp('wiki')], resources: [], debugApp: false },
    },
  });
  for (const { proxy, membership } of [one, two]) {
    const record = membership.record();
    const [document] = record === undefined ? [] : proxy.documents(record);
    const { name } = document?.metadata ?? { name: '' };
    await house.put('proxy', name, { ...(document?.spec as object), tunnel_addrs: ['127.0.0.1:9'] });
  }
  await until(
    'both proxies know all agents and each other, and each has a tunnel',
    () =>
      [one, two].every(
        ({ view, proxy }) =>
          view.dbServers().length === 3 &&
          view.appServersOf('wiki').length === 1 &&
          view.proxies().length === 2 &&
          proxy.counts.tunnels === 1,
      ),
    60_000,
  );
}, 120_000);
afterAll(async () => {
  for (const socket of open) socket.destroy();
  for (const wire of wires) wire.destroy();
  await near?.close();
  await far?.close();
  await one?.close();
  await two?.close();
  network?.close();
  await house?.close();
});

const DB = (service: string): IssueOptions => ({
  identity: { usage: 'db', route_to_database: { service, protocol: 'postgres' } },
});
const APP: IssueOptions = {
  identity: {
    usage: 'app',
    route_to_app: {
      name: 'wiki',
      public_addr: '',
      session_id: '8f0e6f0e-0000-4000-8000-000000000001',
    },
  },
};

/** What is heard after the first bytes; the connection stays open. */
async function ask(door: ProxyHouse, options: IssueOptions, protocol: string, bytes: Uint8Array) {
  const client = await house.issueUser('joe', ['dba'], options);
  const socket = connectTls({
    host: '127.0.0.1',
    port: portOf(door.web),
    servername: 'proxy.test.example.com',
    ca: house.authority,
    ALPNProtocols: [protocol],
    cert: client.certificate,
    key: client.privateKey,
  });
  open.push(socket);
  const heard = { socket, text: '', isOver: false };
  socket.on('data', (data: Buffer) => (heard.text += data.toString('latin1')));
  for (const event of ['end', 'close', 'error']) socket.on(event, () => (heard.isOver = true));
  socket.write(bytes);
  return heard;
}

const STARTUP = startupPacket([['user', 'alice']]);

it('ok: a database and an application through the proxy that has no tunnel, bytes both ways', async () => {
  const db = await ask(one, DB('ledger'), 'gatehouse-db', STARTUP);
  await until('the database', () => db.text.includes('far serves ledger to joe at 127.0.0.1:'));
  const bytes = 'x'.repeat(3_000_000);
  db.socket.write(bytes);
  await until('all of it is back', () => db.text.includes(bytes));
  const app = await ask(one, APP, 'gatehouse-app', Buffer.from('GET / HTTP/1.1\r\n\r\n'));
  await until('the application', () => app.text.includes('far serves wiki to joe at 127.0.0.1:'));
  db.socket.end();
  app.socket.end();
  await until('the agent closed both', () => far.agent.counts.connections === 0);
});

it('ok: a request to cancel goes through the other proxy as well', async () => {
  const key = { processId: cancelProcessId(far.hostId), secret: 7 };
  const plain = connectTcp(portOf(one.web), '127.0.0.1');
  open.push(plain);
  plain.write(cancelRequest(key.processId, key.secret));
  await until('it arrived', () => far.cancels.length === 1);
  expect(far.cancels).toEqual([key]);
});

it('S16 ok: a lock cuts what runs through two proxies within a second', async () => {
  const times: number[] = [];
  // By the real clock, on a machine that may be busy: one that waits for its turn may try again.
  for (let attempt = 0; attempt < 5 && !times.some((ms) => ms < 1000); attempt++) {
    const db = await ask(one, DB('ledger'), 'gatehouse-db', STARTUP);
    const app = await ask(one, APP, 'gatehouse-app', Buffer.from('GET / HTTP/1.1\r\n\r\n'));
    await until('both run', () => db.text.includes('serves') && app.text.includes('serves'));
    const since = performance.now();
    await house.put('lock', 'joe', { target: { user: 'joe' }, message: 'on leave' });
    await until('both ended', () => db.isOver && app.isOver);
    times.push(performance.now() - since);
    expect(db.text).toContain('cut lock: on leave');
    await house.remove('lock', 'joe');
    await until('the lock is gone', async () => {
      const again = await ask(one, DB('ledger'), 'gatehouse-db', STARTUP);
      await until('an answer', () => again.isOver || again.text.includes('serves'));
      return again.text.includes('serves');
    });
  }
  expect(Math.min(...times)).toBeLessThan(1000);
}, 120_000);

it('ok: an agent that has gone silent is passed over within two seconds', async () => {
  const before = await ask(one, DB('orders'), 'gatehouse-db', STARTUP);
  await until('the nearest serves', () => before.text.includes('near serves orders'));
  // Nothing is closed: nobody knows yet that it is gone.
  for (const wire of wires) {
    wire.unpipe();
    wire.pause();
  }
  const times: number[] = [];
  for (let attempt = 0; attempt < 5 && !times.some((ms) => ms < 2000); attempt++) {
    const since = performance.now();
    const after = await ask(one, DB('orders'), 'gatehouse-db', STARTUP);
    await until('the next one serves', () => after.text.includes('far serves orders'));
    times.push(performance.now() - since);
  }
  expect(Math.min(...times)).toBeLessThan(2000);
}, 60_000);
