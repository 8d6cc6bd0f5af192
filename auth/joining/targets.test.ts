// Agents of databases and applications at the heartbeat: what they may say of what they serve, and what they cannot.
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { GatehouseError } from '#core/errors/error.ts';
import { silentLog } from '#core/log.ts';
import type { HostIdentity, SystemRole } from '#core/identity.ts';
import { callerOf, CLUSTER, startTestAuth, type TestAuth } from '#test/kit/auth-context.ts';
import { makeResource } from '#test/kit/state.ts';
import type { Handler } from '../routes/handler.ts';
import { joiningHandlers } from './handlers.ts';
import { openKubernetesReviews } from './kubernetes/open.ts';

const HOST = '11111111-2222-4333-8444-555555555555';
const OTHER = '99999999-2222-4333-8444-555555555555';
const SESSION = '4c146ec8-eab6-41e6-b1b3-40167e68e931';

let test: TestAuth;
let handlers: readonly Handler[];
beforeEach(async () => {
  test = await startTestAuth();
  const kubernetes = openKubernetesReviews({ clock: test.clock, log: silentLog });
  handlers = joiningHandlers({ staticTokens: [], kubernetes, clock: test.clock });
});
afterEach(() => test.close());

const host = (roles: readonly SystemRole[], host_id = HOST): HostIdentity => ({
  kind: 'host',
  cluster: CLUSTER,
  host_id,
  name: 'agent-1',
  roles,
});
const beat = (identity: HostIdentity, resources: readonly object[], more: object = {}): Promise<unknown> => {
  const found = handlers.find(({ endpoint }) => endpoint.path === '/v1/heartbeat')!;
  return found.handle(test.context, callerOf(identity), { version: '1', ttl: '10m', resources, ...more }, {});
};
const codeOf = (promise: Promise<unknown>): Promise<string> =>
  promise.then(
    () => 'ok',
    (error: GatehouseError) => error.code,
  );
const server = (kind: 'db' | 'app', more: object = {}, name = 'orders', id = HOST): object => ({
  kind: `${kind}_server`,
  metadata: { name: `${name}.${id}` },
  spec: {
    host_id: id,
    hostname: 'agent-1',
    ...(kind === 'db'
      ? { database: { metadata: { name }, spec: { protocol: 'postgres', uri: 'db.example.com:5432' } } }
      : { app: { metadata: { name }, spec: { uri: 'http://localhost:3000' } } }),
    ...more,
  },
});
const session = (session_type: string, server_id = HOST): object => ({
  kind: 'session',
  metadata: { name: SESSION },
  spec: { session_type, host_id: HOST, server_id, user: 'joe', created: '2026-01-01T00:00:00Z' },
});

describe.each(['db', 'app'] as const)('heartbeat of an agent of role %s', (kind) => {
  const agent = host([kind]);
  const listed = (): string[] => [...test.state.list(`${kind}_server`)].map(({ metadata }) => metadata.name);

  it('ok: what it serves, for as long as it beats, and its sessions', async () => {
    await beat(agent, [server(kind), server(kind, {}, 'other'), session(kind)]);
    expect(listed().sort()).toEqual([`orders.${HOST}`, `other.${HOST}`]);
    expect(test.state.get(`${kind}_server`, `orders.${HOST}`)?.metadata.expires).toBe('2026-01-01T00:10:00Z');
    expect(test.state.get('session', SESSION)?.spec).toMatchObject({ session_type: kind });
  });

  it('ok: what it serves no longer is gone at once, and only its own', async () => {
    await beat(agent, [server(kind), server(kind, {}, 'other')]);
    await beat(host([kind], OTHER), [server(kind, {}, 'orders', OTHER)]);
    const gone = ['orders', 'other', 'nothing'].map((name) => ({
      kind: `${kind}_server`,
      name: `${name}.${HOST}`,
    }));
    await beat(agent, [server(kind)], { gone });
    expect(listed().sort()).toEqual([`orders.${HOST}`, `orders.${OTHER}`]);
    await beat(agent, [], { gone: [{ kind: `${kind}_server`, name: `orders.${OTHER}` }] });
    expect(listed()).toHaveLength(2);
  });

  it('ok: a thousand targets, and no more', async () => {
    const many = Array.from({ length: 1001 }, (_, at) => server(kind, {}, `t-${at}`));
    expect(await codeOf(beat(agent, many))).toBe('TOO_LARGE');
    await beat(agent, many.slice(1));
    expect(listed()).toHaveLength(1000);
  });

  it('S18 refuses: what is not its own, whoever says it', async () => {
    const theirs = server(kind, {}, 'orders', OTHER);
    expect(await codeOf(beat(agent, [theirs]))).toBe('ACCESS_DENIED');
    expect(await codeOf(beat(agent, [server(kind, { host_id: OTHER })]))).toBe('INVALID_RESOURCE');
    expect(await codeOf(beat(agent, [server(kind, { hostname: 'auth' })]))).toBe('BAD_REQUEST');
    for (const roles of [['node'], ['proxy'], ['operator'], [kind === 'db' ? 'app' : 'db']] as const) {
      expect(await codeOf(beat(host(roles), [server(kind)])), roles[0]).toBe('ACCESS_DENIED');
    }
    const labels = { 'gatehouse.internal/x': 'y' };
    const marked = { ...server(kind), metadata: { name: `orders.${HOST}`, labels } };
    expect(await codeOf(beat(agent, [marked]))).toBe('ACCESS_DENIED');
    expect(await codeOf(beat(agent, [server(kind), server(kind)]))).toBe('BAD_REQUEST');
    expect(listed()).toEqual([]);
  });

  it('S18 refuses: sessions of another sort, or on another machine', async () => {
    expect(await codeOf(beat(agent, [session('ssh')]))).toBe('ACCESS_DENIED');
    expect(await codeOf(beat(agent, [session(kind, OTHER)]))).toBe('ACCESS_DENIED');
    expect(await codeOf(beat(host(['node']), [session(kind)]))).toBe('ACCESS_DENIED');
  });
});

it('ok: a document that is written by people is not announced', async () => {
  const resource = makeResource('db', 'orders', { protocol: 'postgres', uri: 'a:1' });
  expect(await codeOf(beat(host(['db']), [resource]))).toBe('ACCESS_DENIED');
});
