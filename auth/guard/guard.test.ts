// Who gets in with what, and what is left of it when users, roles and locks change; over real TLS.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { makeKeyTexts } from '#test/kit/auth-context.ts';
import {
  startTestAuth,
  userIdentity,
  type TestAuth,
  type TestClient,
  TEST_CLUSTER,
} from '#test/kit/auth-server.ts';

let house: TestAuth;
beforeAll(async () => {
  house = await startTestAuth();
});
afterAll(() => house.close());

const codeOf = async (client: TestClient | undefined, path: string): Promise<unknown> => {
  const { status, body } = await house.call(client, 'GET', path);
  return status === 200 ? 'ok' : body?.['code'];
};
const WHOAMI = '/v1/whoami';
const ROLES = '/v1/resources/roles';

describe('identity', () => {
  test('S18 rights are those of the certificate that the user still has: a demotion holds at once', async () => {
    const client = await house.issueUser('dora', ['editor']);
    expect(await codeOf(client, ROLES)).toBe('ok');
    await house.put('user', 'dora', { roles: ['access'] });
    expect(await codeOf(client, ROLES)).toBe('ACCESS_DENIED');
    await house.put('user', 'dora', { roles: ['editor'] });
    expect(await codeOf(client, ROLES)).toBe('ok');
    const access = await house.issueUser('dora2', ['access']);
    await house.put('user', 'dora2', { roles: ['access', 'editor'] });
    // A promotion needs a new certificate.
    expect(await codeOf(access, ROLES)).toBe('ACCESS_DENIED');
  });

  test('S18 a role that changes, or goes, changes what its holders may', async () => {
    const rules = [{ resources: ['lock'], verbs: ['list', 'read'] }];
    await house.put('role', 'lock-reader', { allow: { rules } });
    const client = await house.issueUser('lara', ['lock-reader']);
    expect(await codeOf(client, '/v1/resources/locks')).toBe('ok');
    await house.put('role', 'lock-reader', { allow: {} });
    expect(await codeOf(client, '/v1/resources/locks')).toBe('ACCESS_DENIED');
    await house.put('role', 'lock-reader', { allow: { rules }, deny: { rules } });
    expect(await codeOf(client, '/v1/resources/locks')).toBe('ACCESS_DENIED');
  });

  test('S18 a leaf cannot forge: roles the user does not have count for nothing', async () => {
    await house.put('user', 'frank', { roles: ['access'] });
    const forged = await house.issueUser('frank', undefined, {
      identity: { roles: ['admin', 'editor', 'access'] },
    });
    expect(await codeOf(forged, WHOAMI)).toBe('ok');
    expect(await codeOf(forged, ROLES)).toBe('ACCESS_DENIED');
  });

  test('S16 S18 a deleted user, a locked user and a user made again', async () => {
    const client = await house.issueUser('gina', ['editor']);
    await house.remove('user', 'gina');
    expect(await codeOf(client, WHOAMI)).toBe('ACCESS_DENIED');
    await house.put('user', 'gina', { roles: [], status: { is_locked: true, locked_message: 'ask Sam' } });
    const answer = await house.call(client, 'GET', WHOAMI);
    expect([answer.status, answer.body?.['code']]).toEqual([403, 'LOCKED']);
    expect(answer.text).toContain('ask Sam');
    await house.put('user', 'gina', {
      roles: [],
      status: { is_locked: true, lock_expires: '2020-01-01T00:00:00Z' },
    });
    expect(await codeOf(client, WHOAMI)).toBe('ok');
    expect(await codeOf(client, ROLES)).toBe('ACCESS_DENIED');
  });

  test('S16 S18 certificates of a user are nothing to a later one of the name, nor those it asked for', async () => {
    const document = { kind: 'user', metadata: { name: 'ida' }, spec: { roles: ['editor', 'auditor'] } };
    const make = async () => {
      const { status } = await house.call(house.admin, 'POST', '/v1/resources/users', document);
      expect(status).toBe(200);
      return house.issueUser('ida', undefined, { identity: { roles: ['editor'] } });
    };
    const old = await make();
    const { uid } = old.identity as { uid?: string };
    await house.put('user', 'joan', { roles: ['editor'] });
    const byOld = await house.issueUser('joan', undefined, {
      identity: { roles: ['editor'], impersonator: 'ida', impersonator_uid: uid },
    });
    expect([await codeOf(old, ROLES), await codeOf(byOld, ROLES)]).toEqual(['ok', 'ok']);
    expect((await house.call(house.admin, 'DELETE', '/v1/resources/users/ida')).status).toBe(200);
    const young = await make();
    expect(await codeOf(young, ROLES)).toBe('ok');
    expect([await codeOf(old, ROLES), await codeOf(byOld, ROLES)]).toEqual([
      'ACCESS_DENIED',
      'ACCESS_DENIED',
    ]);
    // Nobody brings the old one back, neither when it is made again nor with an update.
    const forged = { ...document, spec: { ...document.spec, uid } };
    await house.call(house.admin, 'PUT', '/v1/resources/users/ida', forged);
    expect([await codeOf(old, ROLES), await codeOf(young, ROLES)]).toEqual(['ACCESS_DENIED', 'ok']);
    await house.call(house.admin, 'DELETE', '/v1/resources/users/ida');
    await house.call(house.admin, 'POST', '/v1/resources/users', forged);
    expect(await codeOf(old, ROLES)).toBe('ACCESS_DENIED');
  });

  test('S11 what another cluster issued, even one of the same name, and what names another cluster, is refused', async () => {
    const other = await startTestAuth();
    const theirs = await other.issueUser('kim', ['editor']);
    await house.put('user', 'kim', { roles: ['editor'] });
    expect(await codeOf(theirs, ROLES)).toBe('CERTIFICATE_INVALID');
    const renamed = await house.issueUser('kim', undefined, { cluster: 'other.example.com' });
    expect(await codeOf(renamed, ROLES)).toBe('CERTIFICATE_INVALID');
    const host = house.issueHost(['node'], { authorities: other.auth.authorities });
    expect(await codeOf(host, WHOAMI)).toBe('CERTIFICATE_INVALID');
    await other.close();
  });

  test('S16 a lock on the user, a role or the host refuses every call until it ends', async () => {
    const user = await house.issueUser('hal', ['editor']);
    const hostId = '3f1c6a52-6c1e-4f0e-9df0-111111111111';
    const host = house.issueHost(['node'], { hostId });
    const targets: [TestClient, object][] = [
      [user, { user: 'hal' }],
      [user, { role: 'editor' }],
      [host, { server_id: hostId }],
      [host, { node: hostId }],
    ];
    for (const [client, target] of targets) {
      await house.put('lock', 'l', { target });
      expect([target, await codeOf(client, WHOAMI)]).toEqual([target, 'LOCKED']);
      await house.remove('lock', 'l');
      expect([target, await codeOf(client, WHOAMI)]).toEqual([target, 'ok']);
    }
    await house.put('lock', 'l', {
      target: { user: 'hal' },
      expires: new Date(house.clock.now() + 5000).toISOString(),
    });
    expect(await codeOf(user, WHOAMI)).toBe('LOCKED');
    await house.clock.advance(5001);
    expect(await codeOf(user, WHOAMI)).toBe('ok');
    await house.remove('lock', 'l');
    await house.put('lock', 'l', { target: { user: 'somebody-else' } });
    expect(await codeOf(user, WHOAMI)).toBe('ok');
    await house.remove('lock', 'l');
  });

  test('S18 what a user was forbidden since the certificate was made holds at once, and so does a lock on it', async () => {
    await house.put('role', 'no-roles', {
      deny: { rules: [{ resources: ['role'], verbs: ['*'] }] },
      allow: { rules: [{ resources: ['event'], verbs: ['*'] }] },
    });
    const client = await house.issueUser('nora', ['editor']);
    const identity = { roles: ['editor'] };
    expect(await codeOf(client, ROLES)).toBe('ok');
    await house.put('user', 'nora', { roles: ['editor', 'no-roles'] });
    const same = await house.issueUser('nora', undefined, { identity });
    for (const held of [client, same]) {
      expect(await codeOf(held, ROLES)).toBe('ACCESS_DENIED');
      // What it would allow needs a new certificate.
      expect(await codeOf(held, '/v1/audit/events')).toBe('ACCESS_DENIED');
    }
    await house.put('lock', 'l', { target: { role: 'no-roles' } });
    expect(await codeOf(client, WHOAMI)).toBe('LOCKED');
    await house.remove('lock', 'l');
  });

  test('S16 S18 what was made by impersonation ends with the impersonator', async () => {
    await house.put('user', 'bot', { roles: ['auditor'] });
    await house.put('user', 'joe', { roles: ['editor'] });
    const client = await house.issueUser('joe', undefined, {
      identity: { roles: ['editor'], impersonator: 'bot' },
    });
    expect(await codeOf(client, ROLES)).toBe('ok');
    for (const target of [{ user: 'bot' }, { role: 'auditor' }]) {
      await house.put('lock', 'l', { target });
      expect(await codeOf(client, ROLES)).toBe('LOCKED');
      await house.remove('lock', 'l');
    }
    await house.put('user', 'bot', { roles: [], status: { is_locked: true } });
    expect(await codeOf(client, ROLES)).toBe('LOCKED');
    await house.remove('user', 'bot');
    expect(await codeOf(client, ROLES)).toBe('ACCESS_DENIED');
  });

  test('S35 what is done with a certificate made by impersonation names who stands behind it', async () => {
    await house.put('user', 'bot2', { roles: [] });
    await house.put('user', 'ada', { roles: ['editor'] });
    const client = await house.issueUser('ada', undefined, {
      identity: { roles: ['editor'], impersonator: 'bot2' },
    });
    const lock = { kind: 'lock', metadata: { name: 'by-bot' }, spec: { target: { user: 'x' } } };
    expect((await house.call(client, 'POST', '/v1/resources/locks', lock)).status).toBe(200);
    expect(await codeOf(client, '/v1/audit/events')).toBe('ACCESS_DENIED');
    expect((await house.call(client, 'POST', '/v1/certificates/user', makeKeyTexts())).status).toBe(200);
    const asked = { user: 'new-one', purpose: 'invite', roles: [] };
    expect((await house.call(client, 'POST', '/v1/invites', asked)).status).toBe(200);
    const events = (await house.events()).slice(-5) as {
      event: string;
      user?: string;
      impersonator?: string;
    }[];
    expect(events.map(({ event, user, impersonator }) => [event, user, impersonator])).toEqual([
      ['lock.created', 'ada', 'bot2'],
      ['access.denied', 'ada', 'bot2'],
      ['cert.create', 'ada', 'bot2'],
      ['user.create', 'ada', 'bot2'],
      ['invite.create', 'ada', 'bot2'],
    ]);
  });

  test('S17 a rule about a part of a kind opens nothing that is about all of it', async () => {
    const where = '!equals(resource.metadata.name, "x")';
    await house.put('role', 'part', {
      allow: {
        rules: [
          { resources: ['event', 'role', 'user'], verbs: ['list', 'read'], where },
          { resources: ['cert_authority'], verbs: ['use'], where },
        ],
      },
    });
    const client = await house.issueUser('paul', ['part']);
    const ask = async (path: string, body: object) =>
      (await house.call(client, 'POST', path, body)).body?.['code'];
    expect(await ask('/v1/audit/verify', {})).toBe('ACCESS_DENIED');
    expect(await ask('/v1/access/check', { user: 'paul', verb: 'list', target: 'role' })).toBe(
      'ACCESS_DENIED',
    );
    const database = { tls_public_key: 'x', hosts: ['db'], ttl: '1h' };
    expect(await ask('/v1/certificates/db', database)).toBe('ACCESS_DENIED');
    expect(await codeOf(client, ROLES)).toBe('ok');
    expect(await codeOf(client, '/v1/resources/roles/x')).not.toBe('ok');
  });

  test('S8 S20 a certificate made for one use is good for no call', async () => {
    await house.put('user', 'ivy', { roles: ['admin'] });
    for (const usage of ['db', 'app', 'kube']) {
      const client = await house.issueUser('ivy', undefined, { identity: { roles: ['admin'], usage } });
      for (const path of [WHOAMI, ROLES, '/v1/status'])
        expect(await codeOf(client, path)).toBe('ACCESS_DENIED');
    }
  });

  test('S13 a certificate pinned to an address is good from there only', async () => {
    await house.put('user', 'kim', { roles: [] });
    const here = await house.issueUser('kim', undefined, { identity: { pinned_ip: '127.0.0.1' } });
    const there = await house.issueUser('kim', undefined, { identity: { pinned_ip: '192.0.2.1' } });
    expect(await codeOf(here, WHOAMI)).toBe('ok');
    expect(await codeOf(there, WHOAMI)).toBe('ACCESS_DENIED');
  });

  test('S16 an expiry holds on a connection that is open', async () => {
    const client = await house.issueUser('leo', ['editor'], { ttlMs: 60_000 });
    expect(await codeOf(client, WHOAMI)).toBe('ok');
    await house.clock.advance(61_001);
    expect(await codeOf(client, WHOAMI)).toBe('CERTIFICATE_INVALID');
    expect(await codeOf(client, '/v1/ping')).toBe('CERTIFICATE_INVALID');
  });

  test('refuses: an identity with fields of another sort, of no sort, or of no cluster', async () => {
    const base = userIdentity(TEST_CLUSTER, 'mo', [], house.clock.now() + 1000);
    for (const identity of [
      { ...base, kind: 'proxy' },
      { ...base, kind: 'user', host_id: 'x' },
      { ...base, name: '' },
      { ...base, cluster: 'TEST.example.com' },
      { kind: 'host', cluster: TEST_CLUSTER, host_id: 'x', name: 'x', roles: ['root'] },
      { kind: 'admin', cluster: '', name: 'local-admin' },
    ]) {
      const forged = house.issue(identity as typeof base, { signedBy: 'user' });
      expect([identity, await codeOf(forged, WHOAMI)]).toEqual([identity, 'CERTIFICATE_INVALID']);
    }
  });
});

describe('denials', () => {
  test('ok: the caller gets an id and no reason; an admin gets the reasons by the id', async () => {
    const client = await house.issueUser('nora', ['access']);
    const denied = await house.call(client, 'GET', ROLES);
    const { denial_id: id } = denied.body!['details'] as { denial_id: string };
    expect(denied.status).toBe(403);
    expect(denied.text).not.toMatch(/nora|access"|rule/);
    const auditor = await house.issueUser('olga', ['auditor']);
    const explained = await house.call(auditor, 'GET', `/v1/access/denials/${id}`);
    expect(explained.body).toMatchObject({ denial_id: id, user: 'nora', action: 'GET /v1/resources/roles' });
    expect(explained.text).toContain('no rule allows list on role');
    expect((await house.call(client, 'GET', `/v1/access/denials/${id}`)).status).toBe(403);
    const none = await house.call(
      auditor,
      'GET',
      `/v1/access/denials/${'0'.repeat(8)}-0000-4000-8000-${'0'.repeat(12)}`,
    );
    expect(none.body?.['code']).toBe('NOT_FOUND');
  });

  test('S9 to those who may not read it, what exists and what does not look alike', async () => {
    await house.put('role', 'where-role', {
      allow: {
        rules: [{ resources: ['role'], verbs: ['read'], where: 'equals(resource.metadata.name, "seen")' }],
      },
    });
    await house.put('role', 'seen', {});
    await house.put('role', 'hidden', {});
    const client = await house.issueUser('paul', ['where-role']);
    expect((await house.call(client, 'GET', `${ROLES}/seen`)).status).toBe(200);
    const hidden = await house.call(client, 'GET', `${ROLES}/hidden`);
    const absent = await house.call(client, 'GET', `${ROLES}/absent`);
    expect([hidden.status, hidden.text]).toEqual([absent.status, absent.text]);
  });

  test('ok: bad certificates are in the audit log, and a flood of them is not', async () => {
    const before = (await house.events()).filter((event) => event.event === 'auth.failure').length;
    const expired = await house.issueUser('quin', [], { ttlMs: -5000 });
    for (let i = 0; i < 60; i++) await house.call(expired, 'GET', WHOAMI);
    const failures = (await house.events()).filter((event) => event.event === 'auth.failure');
    expect(failures.length).toBeGreaterThan(before);
    expect(failures.length - before).toBeLessThanOrEqual(20);
    expect(failures.at(-1)).toMatchObject({ 'addr.remote': '127.0.0.1' });
  });
});

describe('lists', () => {
  const node = (hostname: string, labels: object) =>
    house.put('node', hostname, { hostname, addr: '10.0.0.1:3022', version: '0.1.0' }, { labels });
  const namesOf = async (client: TestClient) => {
    const { body } = await house.call(client, 'GET', '/v1/resources/nodes');
    return (body!['resources'] as { metadata: { name: string } }[]).map(({ metadata }) => metadata.name);
  };

  test('S17 users see the nodes their roles select, hosts by their role, and single reads agree', async () => {
    await node('web-1', { env: 'prod' });
    await node('web-2', { env: 'dev' });
    await house.put('role', 'dev-only', { allow: { node_labels: { env: 'dev' }, logins: ['root'] } });
    await house.put('role', 'no-nodes', {
      deny: { rules: [{ resources: ['node'], verbs: ['list', 'read'] }] },
    });
    expect(await namesOf(await house.issueUser('rita', ['dev-only']))).toEqual(['web-2']);
    expect(await namesOf(await house.issueUser('rita1', ['access']))).toEqual(['web-1', 'web-2']);
    expect(await namesOf(await house.issueUser('rita2', []))).toEqual([]);
    expect(await namesOf(house.issueHost(['proxy']))).toEqual(['web-1', 'web-2']);
    const denied = await house.issueUser('rita3', ['access', 'no-nodes']);
    expect(await codeOf(denied, '/v1/resources/nodes')).toBe('ACCESS_DENIED');
    const rita = await house.issueUser('rita', ['dev-only']);
    expect(await codeOf(rita, '/v1/resources/nodes/web-2')).toBe('ok');
    expect(await codeOf(rita, '/v1/resources/nodes/web-1')).toBe('NOT_FOUND');
    expect((await house.call(rita, 'DELETE', '/v1/resources/nodes/web-2')).status).toBe(403);
  });

  test('S17 a page of a filtered list is full, and no page tells of what is hidden', async () => {
    for (let i = 0; i < 30; i++)
      await node(`n-${String(i).padStart(2, '0')}`, { env: i % 3 === 0 ? 'dev' : 'prod' });
    const client = await house.issueUser('sue', ['dev-only']);
    const { body } = await house.call(client, 'GET', '/v1/resources/nodes?limit=5&after=n-');
    expect((body!['resources'] as unknown[]).length).toBe(5);
    expect(body?.['next']).toBe('n-12');
  });
});

describe('can-i', () => {
  const check = async (client: TestClient, request: object) =>
    (await house.call(client, 'POST', '/v1/access/check', request)).body;

  test('ok: the answer is that of the guard, with the rule that decides', async () => {
    const editor = await house.issueUser('ed', ['editor']);
    await house.put('user', 'tess', { roles: ['dev-only'], traits: { logins: ['tess'] } });
    expect(await check(editor, { user: 'tess', verb: 'create', target: 'role' })).toMatchObject({
      allowed: false,
    });
    expect(await check(editor, { user: 'tess', verb: 'list', target: 'node' })).toMatchObject({
      allowed: true,
    });
    const yes = await check(editor, { user: 'tess', verb: 'ssh', target: 'web-2', login: 'root' });
    expect(yes).toMatchObject({ allowed: true, reasons: [{ role: 'dev-only', side: 'allow' }] });
    const no = await check(editor, { user: 'tess', verb: 'ssh', target: 'web-1', login: 'root' });
    expect(no).toMatchObject({ allowed: false });
    await house.put('lock', 'tess-lock', { target: { user: 'tess' } });
    const locked = await check(editor, { user: 'tess', verb: 'ssh', target: 'web-2', login: 'root' });
    expect(JSON.stringify(locked)).toContain('tess-lock');
    expect(locked).toMatchObject({ allowed: false });
    await house.remove('lock', 'tess-lock');
  });

  test('refuses: callers who may not read roles and users; unknown users, nodes and verbs', async () => {
    const worker = await house.issueUser('worker', ['access']);
    const editor = await house.issueUser('ed', ['editor']);
    const ask = { user: 'tess', verb: 'create', target: 'role' };
    expect(await check(worker, ask)).toMatchObject({ code: 'ACCESS_DENIED' });
    expect(await check(house.issueHost(['node']), ask)).toMatchObject({ code: 'ACCESS_DENIED' });
    expect(await check(editor, { ...ask, user: 'nobody' })).toMatchObject({ code: 'NOT_FOUND' });
    expect(await check(editor, { ...ask, verb: 'fly' })).toMatchObject({ code: 'BAD_REQUEST' });
    expect(await check(editor, { ...ask, target: 'role/none' })).toMatchObject({ code: 'NOT_FOUND' });
    expect(await check(editor, { ...ask, verb: 'ssh' })).toMatchObject({ code: 'BAD_REQUEST' });
    const ssh = { user: 'tess', verb: 'ssh', target: 'no-such-node', login: 'root' };
    expect(await check(editor, ssh)).toMatchObject({ code: 'NOT_FOUND' });
  });
});
