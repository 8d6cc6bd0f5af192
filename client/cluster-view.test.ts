// The view over a real auth server: what it shows, that it follows, and that it goes on when auth is away.
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { decideSsh } from '#core/access/decide.ts';
import { systemClock } from '#core/clock.ts';
import type { SystemRole } from '#core/identity.ts';
import { silentLog } from '#core/log.ts';
import type { Resource } from '#core/resource.ts';
import type { NodeSpec } from '#kinds/node/kind.ts';
import { startTestAuth, type TestAuth } from '#test/kit/auth-server.ts';
import { FakeClock } from '#test/kit/clock.ts';
import { startTcpProxy, type TcpProxy } from '#test/kit/tcp-proxy.ts';
import { until } from '#test/kit/until.ts';
import { openApi, type Api } from './api.ts';
import { startClusterView, type ClusterView } from './cluster-view.ts';
import type { HostRecord } from './credentials.ts';
import { Return } from './view-return.ts';
import { PresenceIndex } from './view-presence.ts';
import { RoleSets } from './view-roles.ts';

let house: TestAuth;
let wire: TcpProxy;
let api: Api;
let view: ClusterView | undefined;

beforeAll(async () => {
  house = await startTestAuth();
  wire = await startTcpProxy(house.auth.port);
});
afterEach(async () => {
  await view?.close();
  api.close();
});
afterAll(async () => {
  await wire.close();
  await house.close();
});

async function open(roles: readonly SystemRole[]): Promise<ClusterView> {
  api = openApi({
    addresses: [`127.0.0.1:${wire.port}`],
    authorities: [house.authority],
    identity: house.issueHost(roles),
  });
  const record = { roles } as HostRecord;
  view = startClusterView({
    membership: { joined: Promise.resolve(), record: () => record, api: () => api },
    clock: systemClock,
    log: silentLog,
    backoff: { firstMs: 1, maxMs: 5 },
  });
  await view.ready;
  return view;
}

const putNode = (name: string, hostname: string, metadata: object = {}): Promise<void> =>
  house.put('node', name, { hostname, addr: '10.0.0.1:3022' }, metadata);
const putRole = (name: string, logins: readonly string[]): Promise<void> =>
  house.put('role', name, { allow: { logins, node_labels: { '*': ['*'] } } });
const joe = { name: 'joe', roles: ['dev', 'gone'], traits: {} };

describe('ClusterView', () => {
  it('ok: authorities, settings, locks and names of a fresh cluster', async () => {
    const seen = await open(['node']);
    expect(seen.clusterName()).toBe('test.example.com');
    for (const type of ['user', 'host'] as const) {
      expect(seen.sshAuthorities(type)).toHaveLength(1);
      expect(seen.tlsAuthorities(type)).toEqual(house.auth.authorities.publicPart(type).tlsCertificates);
      expect(seen.x509Authorities(type)).toHaveLength(1);
    }
    expect(seen.tlsAuthorities('db')).toHaveLength(1);
    expect(seen.recording().mode).toBe('node');
    expect(seen.networking().routing_strategy).toBe('unambiguous_match');
    expect(seen.preference().locking_mode).toBe('best_effort');
    expect(seen.locks()).toEqual([]);
    expect(Math.abs(Date.now() - seen.locksAsOf())).toBeLessThan(60_000);
    expect(seen.networking()).toBe(seen.networking());
  });

  it('ok: what changes is seen, and listeners are told the kinds', async () => {
    const seen = await open(['proxy']);
    const told: string[] = [];
    seen.onChange((kinds) => told.push(...kinds));
    await house.put('lock', 'l1', { target: { user: 'eve' } });
    await house.put('session_recording_config', 'session-recording-config', { mode: 'off' });
    await putNode('n1', 'Web-1');
    await until('the changes', () => seen.node('n1') !== undefined);
    expect(seen.locks().map((lock) => lock.target.user)).toEqual(['eve']);
    expect(seen.recording().mode).toBe('off');
    expect(new Set(told)).toEqual(new Set(['lock', 'session_recording_config', 'node']));
    expect(seen.nodesNamed('WEB-1').map((node) => node.metadata.name)).toEqual(['n1']);
    await house.remove('node', 'n1');
    await house.remove('lock', 'l1');
    await until('the removals', () => seen.nodes().length === 0 && seen.locks().length === 0);
    expect(seen.nodesNamed('web-1')).toEqual([]);
  });

  it('ok: roles are compiled once, and anew when they change; roles that are gone give nothing', async () => {
    await putRole('dev', ['joe']);
    const seen = await open(['node']);
    const may = (login: string): boolean =>
      decideSsh(seen.accessSet(joe), { node: { name: 'n', labels: {} }, login }).allowed;
    expect([may('joe'), may('root')]).toEqual([true, false]);
    expect(seen.accessSet(joe)).toBe(seen.accessSet({ ...joe }));
    await putRole('dev', ['root']);
    await until('the role', () => may('root'));
    expect(may('joe')).toBe(false);
    await house.remove('role', 'dev');
    await until('the end of the role', () => !may('root'));
  });

  it('ok: all of it goes on while auth is away, and it follows again afterwards', async () => {
    await putNode('n2', 'web-2', { expires: new Date(house.clock.now() + 3_600_000).toISOString() });
    const seen = await open(['proxy']);
    await until('the node', () => seen.node('n2') !== undefined);
    const asOf = seen.locksAsOf();
    wire.refuse(true);
    wire.cut();
    expect(seen.nodesNamed('web-2')).toHaveLength(1);
    expect(seen.sshAuthorities('user')).toHaveLength(1);
    expect(seen.locksAsOf()).toBeGreaterThanOrEqual(asOf);
    wire.refuse(false);
    await house.put('lock', 'l2', { target: { user: 'eve' } });
    await until('the lock', () => seen.locks().length === 1);
    await house.remove('lock', 'l2');
  });

  it('S18 a host that is no proxy follows neither nodes nor sessions, and one without a service no roles', async () => {
    await putNode('n3', 'web-3');
    const node = await open(['node']);
    expect([node.nodes(), node.sessions()]).toEqual([[], []]);
    await node.close();
    api.close();
    const other = await open(['operator']);
    expect(other.accessSet({ ...joe, roles: ['access'] }).roles).toEqual([]);
  });

  it('ok: proxies see who serves what, agents the documents of their sort, and others neither', async () => {
    const place = { host_id: 'h', hostname: 'h' };
    const [db, app] = [
      { protocol: 'postgres', uri: 'a:1' },
      { uri: 'http://a', public_addr: 'a.example.com' },
    ];
    await house.put('db', 'orders', db);
    await house.put('app', 'grafana', app);
    await house.put('db_server', 'orders.h', {
      ...place,
      database: { metadata: { name: 'orders' }, spec: db },
    });
    await house.put('app_server', 'grafana.h', {
      ...place,
      app: { metadata: { name: 'grafana' }, spec: app },
    });
    const counts = async (role: SystemRole): Promise<number[]> => {
      const seen = await open([role]);
      const found = [seen.dbServersOf('orders'), seen.appServersAt('A.example.com'), seen.dbs(), seen.apps()];
      await seen.close();
      api.close();
      return found.map(({ length }) => length);
    };
    expect(await counts('proxy')).toEqual([1, 1, 0, 0]);
    expect(await counts('db')).toEqual([0, 0, 1, 0]);
    expect(await counts('app')).toEqual([0, 0, 0, 1]);
    expect(await counts('node')).toEqual([0, 0, 0, 0]);
    const proxy = await open(['proxy']);
    await house.remove('db_server', 'orders.h');
    await until('the database to be gone', () => proxy.dbServers().length === 0);
    expect(proxy.appServersOf('grafana')).toHaveLength(1);
  });

  it('refuses: reads before it knows the cluster, and after a close that came before', async () => {
    api = openApi({ addresses: ['127.0.0.1:1'], authorities: [house.authority] });
    const never = new Promise<void>(() => {});
    view = startClusterView({
      membership: { joined: never, record: () => undefined, api: () => api },
      clock: systemClock,
      log: silentLog,
    });
    const early = view;
    expect(early.isReady()).toBe(false);
    expect(() => early.locks()).toThrow(expect.objectContaining({ code: 'UNAVAILABLE' }));
    await early.close();
    await expect(early.ready).rejects.toMatchObject({ code: 'UNAVAILABLE' });
  });
});

it('ok: a compiled role ends with its expiry also when nobody says so', () => {
  const clock = new FakeClock();
  const expires = new Date(clock.now() + 1000).toISOString();
  let role: unknown = {
    kind: 'role',
    version: 'v7',
    metadata: { name: 'dev', expires },
    spec: { allow: { logins: ['joe'] }, deny: {}, options: {} },
  };
  const sets = new RoleSets(() => role as never, clock);
  expect(sets.of(joe).roles).toHaveLength(2);
  role = undefined;
  expect(sets.of(joe).roles).toHaveLength(2);
  clock.step(1000);
  expect(sets.of(joe).roles).toHaveLength(0);
});

it('ok: ten thousand nodes are found by name without looking at them', () => {
  const index = new PresenceIndex<NodeSpec>((node) => node.spec.hostname);
  const node = (name: string, hostname: string) =>
    ({ kind: 'node', version: 'v2', metadata: { name }, spec: { hostname } }) as Resource<NodeSpec>;
  for (let i = 0; i < 10_000; i++) index.put(`id-${i}`, node(`id-${i}`, `web-${i % 5000}`));
  expect(index.all()).toBe(index.all());
  expect(index.named('web-7').map(({ metadata }) => metadata.name)).toEqual(['id-7', 'id-5007']);
  index.put('id-7', node('id-7', 'db-7'));
  index.delete('id-5007');
  expect([index.named('web-7').length, index.named('DB-7').length, index.all().length]).toEqual([0, 1, 9999]);
});

it('ok: after a long absence of auth, what ran out meanwhile has two minutes to come again', async () => {
  const clock = new FakeClock();
  const back = new Return(clock);
  const start = clock.now();
  const node = (expires?: number) =>
    ({ metadata: { name: 'n', ...(expires && { expires: new Date(expires).toISOString() }) } }) as Resource;
  const gone: string[] = [];
  const lose = (name: string, before: Resource): void => back.gone(name, before, () => void gone.push(name));
  back.asked(undefined);
  lose('no-absence', node(start));
  back.asked(start - 30_000);
  lose('short-absence', node(start));
  expect(gone.splice(0)).toEqual(['no-absence', 'short-absence']);
  back.asked(start - 20 * 60_000);
  lose('expired', node(start - 1));
  lose('comes-again', node(start - 1));
  lose('removed', node(start + 60_000));
  lose('registered', node());
  back.came('comes-again');
  expect(gone.splice(0)).toEqual(['removed', 'registered']);
  await clock.advance(120_000);
  expect(gone.splice(0)).toEqual(['expired']);
  lose('later', node(start));
  expect(gone).toEqual(['later']);
});
