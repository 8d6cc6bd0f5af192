// Hosts at the route by which they tell of events: what is kept once, and what a compromised one cannot put in the log.
import { randomUUID } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { SYSTEM_ROLES } from '#core/identity.ts';
import { CATALOGUE } from '#events/catalogue.ts';
import { IDENTITY_EVENTS } from '#events/catalogue-identity.ts';
import { CLUSTER_EVENTS } from '#events/catalogue-cluster.ts';
import { startTestAuth, type TestAuth, type TestClient } from '#test/kit/auth-server.ts';
import { acceptReport } from './accept.ts';
import { KnownEvents } from './known.ts';
import { silentLog } from '#core/log.ts';

const NODE = 'd52527f9-b260-41d0-bb5a-e23b0cfe0f8f';
const OTHER = '99999999-2222-4333-8444-555555555555';
let house: TestAuth;
let node: TestClient;
beforeEach(async () => {
  house = await startTestAuth();
  node = house.issueHost(['node'], { hostId: NODE });
});
afterEach(() => house.close());

const start = (more: object = {}): object => ({
  event: 'session.start',
  uid: randomUUID(),
  occurred: '2026-01-01T00:00:00Z',
  user: 'joe',
  login: 'root',
  sid: 's1',
  server_id: NODE,
  ...more,
});
const report = (client: TestClient, ...events: unknown[]) =>
  house.call(client, 'POST', '/v1/audit/events', { events });
const logged = async (event: string) => (await house.events()).filter((one) => one.event === event);

describe('reports', () => {
  it('ok: what a node tells is in the log, with who told it and when it happened', async () => {
    const { body } = await report(node, start(), {
      event: 'session.rejected',
      uid: randomUUID(),
      user: 'eve',
      reason: 'no',
    });
    expect(body).toEqual({ accepted: 2, refused: [] });
    expect(await logged('session.start')).toMatchObject([
      { reported_by: NODE, server_id: NODE, user: 'joe', occurred: '2026-01-01T00:00:00Z' },
    ]);
    expect(await logged('session.rejected')).toMatchObject([{ reported_by: NODE, server_id: NODE }]);
  });

  it('ok: a call that is repeated adds nothing, within a call as well', async () => {
    const one = start();
    for (let i = 0; i < 3; i++) expect((await report(node, one, one)).body).toMatchObject({ accepted: 2 });
    expect(await logged('session.start')).toHaveLength(1);
  });

  it('ok: a proxy that records speaks of servers without an agent', async () => {
    const proxy = house.issueHost(['proxy']);
    await report(proxy, start({ server_id: OTHER }));
    expect(await logged('session.start')).toMatchObject([{ server_id: OTHER }]);
  });

  it('S18 a node tells of no other server, of no login, certificate or change, and one lie spoils only itself', async () => {
    const login = { event: 'user.login', uid: randomUUID(), user: 'victim', method: 'local', success: true };
    const { body } = await report(node, start({ server_id: OTHER }), login, start());
    expect(body).toMatchObject({
      accepted: 1,
      refused: [
        { index: 0, code: 'ACCESS_DENIED', message: expect.stringMatching(/^access denied \(denial /) },
        { index: 1, code: 'ACCESS_DENIED' },
      ],
    });
    expect(await logged('user.login')).toEqual([]);
    expect(await logged('access.denied')).toMatchObject([
      { action: 'report', reasons: ['server_id is not the id of the host that calls'] },
    ]);
  });

  it('S18 no host tells of identities or of the cluster, whatever its role', () => {
    const theirs = ['auth', 'access.denied', 'audit.gap'];
    const types = [...Object.keys(IDENTITY_EVENTS), ...Object.keys(CLUSTER_EVENTS), 'session.upload'];
    for (const type of types.filter((one) => !theirs.includes(one))) {
      const spec = CATALOGUE[type as keyof typeof CATALOGUE];
      const event = { event: type, uid: randomUUID() } as Record<string, unknown>;
      for (const name of spec.fields) event[name] = valueFor(name);
      for (const role of SYSTEM_ROLES) {
        const identity = { kind: 'host', cluster: 'c', host_id: NODE, name: 'n', roles: [role] } as const;
        expect(() => acceptReport(identity, event, () => undefined), `${role} ${type}`).toThrow(
          expect.objectContaining({ code: 'ACCESS_DENIED' }),
        );
      }
    }
  });

  it('S18 a host tells nothing of a session that goes on at another one', async () => {
    const sid = randomUUID();
    const other = house.issueHost(['node'], { hostId: OTHER });
    const session = {
      kind: 'session',
      metadata: { name: sid },
      spec: { host_id: OTHER, user: 'joe', server_id: OTHER, created: '2026-01-01T00:00:00Z' },
    };
    const beat = { version: '1.0.0', ttl: '10m', resources: [session] };
    expect((await house.call(other, 'POST', '/v1/heartbeat', beat)).status).toBe(200);
    expect((await report(node, start({ sid }))).body).toMatchObject({
      accepted: 0,
      refused: [{ code: 'ACCESS_DENIED' }],
    });
    expect((await report(other, start({ sid, server_id: OTHER }))).body).toMatchObject({ accepted: 1 });
    expect((await report(node, start({ sid: randomUUID() }))).body).toMatchObject({ accepted: 1 });
  });

  it.each([
    ['no id', start({ uid: undefined })],
    ['an id that auth would give', start({ uid: randomUUID().replace(/^(.{14})./, '$18') })],
    ['who told it', start({ reported_by: OTHER })],
    ['a place in the chain', start({ seq: 1 })],
    ['an unknown type', { event: 'x' }],
    ['no object', 7],
  ])('refuses: %s', async (_name, event) => {
    const { body } = await report(node, event);
    expect(body).toMatchObject({ accepted: 0, refused: [{ index: 0, code: 'BAD_REQUEST' }] });
  });

  it('S17 users, strangers and hosts of other roles tell nothing', async () => {
    expect((await report(await house.issueUser('amy', ['admin']), start())).status).toBe(403);
    expect((await report(house.issueHost(['operator']), start())).status).toBe(403);
    expect((await report(house.admin, start())).status).toBe(403);
    const many = Array.from({ length: 501 }, () => start());
    expect((await report(node, ...many)).body).toMatchObject({ code: 'BAD_REQUEST' });
  });

  it('ok: a refusal at a node is explained by its id', async () => {
    const denial_id = randomUUID();
    await report(
      node,
      {
        event: 'access.denied',
        uid: randomUUID(),
        denial_id,
        user: 'joe',
        action: 'ssh',
        resource: 'node/web-1',
        reasons: ['no role grants the login root'],
      },
      { event: 'session.rejected', uid: randomUUID(), denial_id, user: 'joe', reason: 'access denied' },
    );
    const { body } = await house.call(house.admin, 'GET', `/v1/access/denials/${denial_id}`);
    expect(body).toMatchObject({
      user: 'joe',
      action: 'ssh',
      reasons: [{ side: 'deny', message: 'no role grants the login root' }],
    });
  });

  it('ok: after a restart what was told before is still known', async () => {
    const events = Array.from({ length: 300 }, () => start() as { uid: string });
    await report(node, ...events);
    const known = new KnownEvents({ audit: house.auth.audit, log: silentLog });
    await known.ready();
    expect(events.every(({ uid }) => known.has(uid))).toBe(true);
    expect(known.has(randomUUID())).toBe(false);
  });
});

function valueFor(name: string): unknown {
  if (['success', 'interactive'].includes(name)) return true;
  if (['reasons', 'roles', 'logins', 'fields_changed'].includes(name)) return [];
  if (['lock_target', 'traits'].includes(name)) return {};
  return ['findings', 'first_seq', 'len'].includes(name) ? 1 : 'x';
}
