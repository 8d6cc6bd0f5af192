// Single resources over HTTPS: what each call does, refuses, and says in the audit log.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startTestAuth, type TestAuth, type TestClient } from '#test/kit/auth-server.ts';

let house: TestAuth;
let editor: TestClient;
beforeAll(async () => {
  house = await startTestAuth();
  editor = await house.issueUser('ed', ['editor']);
});
afterAll(() => house.close());

const role = (name: string, logins: readonly string[] = ['root']) => ({
  kind: 'role',
  version: 'v7',
  metadata: { name },
  spec: { allow: { logins } },
});
const metadataOf = (body: unknown) => (body as { metadata: Record<string, unknown> }).metadata;
const newest = async (event: string) => (await house.events()).findLast((found) => found.event === event);

describe('resources', () => {
  test('ok: create, read, replace, delete, each with its event', async () => {
    const created = await house.call(editor, 'POST', '/v1/resources/roles', role('dev'));
    expect(created.status).toBe(200);
    expect(await newest('role.created')).toMatchObject({
      user: 'ed',
      name: 'dev',
      'addr.remote': '127.0.0.1',
    });
    const read = await house.call(editor, 'GET', '/v1/resources/roles/dev');
    expect(read.body).toEqual(created.body);
    const replaced = await house.call(editor, 'PUT', '/v1/resources/roles/dev', role('dev', ['ubuntu']));
    expect(replaced.body).toMatchObject({ spec: { allow: { logins: ['ubuntu'] } } });
    expect(await newest('role.updated')).toMatchObject({
      name: 'dev',
      fields_changed: ['spec.allow.logins'],
    });
    expect((await house.call(editor, 'DELETE', '/v1/resources/roles/dev')).status).toBe(200);
    expect(await newest('role.deleted')).toMatchObject({ name: 'dev' });
    expect((await house.call(editor, 'GET', '/v1/resources/roles/dev')).status).toBe(404);
  });

  test('refuses: create of what exists, delete and read of what does not', async () => {
    await house.call(editor, 'POST', '/v1/resources/roles', role('twice'));
    const again = await house.call(editor, 'POST', '/v1/resources/roles', role('twice'));
    expect([again.status, again.body?.['code']]).toEqual([409, 'ALREADY_EXISTS']);
    for (const method of ['GET', 'DELETE']) {
      const answer = await house.call(editor, method, '/v1/resources/roles/none');
      expect(answer.body?.['code']).toBe('NOT_FOUND');
    }
  });

  test('refuses: a write with the revision of before somebody else’s', async () => {
    const { body: first } = await house.call(editor, 'POST', '/v1/resources/roles', role('shared'));
    await house.call(editor, 'PUT', '/v1/resources/roles/shared', role('shared', ['a']));
    const late = await house.call(editor, 'PUT', '/v1/resources/roles/shared', first);
    expect([late.status, late.body?.['code']]).toEqual([409, 'CONDITION_FAILED']);
    const { revision } = metadataOf(first);
    const removal = await house.call(
      editor,
      'DELETE',
      `/v1/resources/roles/shared?revision=${String(revision)}`,
    );
    expect(removal.body?.['code']).toBe('CONDITION_FAILED');
    const { body: now } = await house.call(editor, 'GET', '/v1/resources/roles/shared');
    expect((await house.call(editor, 'PUT', '/v1/resources/roles/shared', now)).status).toBe(200);
  });

  test('refuses: a name or kind other than that of the path', async () => {
    const renamed = await house.call(editor, 'PUT', '/v1/resources/roles/one', role('two'));
    expect(renamed.body).toMatchObject({ code: 'BAD_REQUEST', details: { field: 'metadata.name' } });
    const other = await house.call(editor, 'POST', '/v1/resources/roles', { ...role('x'), kind: 'user' });
    expect(other.body).toMatchObject({ code: 'BAD_REQUEST', details: { field: 'kind' } });
  });

  test('refuses: a document with several faults, all of them named', async () => {
    const bad = { ...role('bad'), spec: { allow: { loginz: ['a'], node_labels: 5 } } };
    const answer = await house.call(editor, 'POST', '/v1/resources/roles', bad);
    expect(answer.body?.['code']).toBe('INVALID_RESOURCE');
    expect(answer.text).toContain('loginz');
    expect(answer.text).toContain('node_labels');
  });

  test('ok: pages follow each other without a gap', async () => {
    const names: string[] = [];
    let after = '';
    for (;;) {
      const query = after === '' ? '?limit=2' : `?limit=2&after=${after}`;
      const { body } = await house.call(editor, 'GET', `/v1/resources/roles${query}`);
      names.push(...(body!['resources'] as unknown[]).map((found) => String(metadataOf(found)['name'])));
      if (body?.['next'] === undefined) break;
      after = String(body['next']);
    }
    const stored = [...house.auth.state.list('role')].map((found) => found.metadata.name);
    expect(names).toEqual(stored);
  });

  test('refuses: a list query out of bounds, a doubled parameter, an unknown one', async () => {
    for (const query of [
      'limit=0',
      'limit=10001',
      'limit=1&limit=2',
      'filter=password',
      'with_secrets=maybe',
    ]) {
      const answer = await house.call(editor, 'GET', `/v1/resources/roles?${query}`);
      expect([query, answer.body?.['code']]).toEqual([query, 'BAD_REQUEST']);
    }
  });

  test('ok: deleting a setting puts it back to its defaults', async () => {
    const path = '/v1/resources/cluster_networking_configs/cluster-networking-config';
    const given = {
      kind: 'cluster_networking_config',
      metadata: { name: 'cluster-networking-config' },
      spec: { client_idle_timeout: '30m' },
    };
    expect((await house.call(editor, 'PUT', path, given)).status).toBe(200);
    expect((await house.call(editor, 'DELETE', path)).status).toBe(200);
    const { body } = await house.call(editor, 'GET', path);
    expect(JSON.stringify(body)).not.toContain('30m');
  });

  test('refuses: making or removing an authority, or writing presence, even for the local admin', async () => {
    const authority = await house.call(house.admin, 'GET', '/v1/resources/cert_authorities/host');
    expect(authority.status).toBe(200);
    for (const [method, path] of [
      ['POST', '/v1/resources/cert_authorities'],
      ['PUT', '/v1/resources/cert_authorities/host'],
      ['DELETE', '/v1/resources/cert_authorities/host'],
      ['POST', '/v1/resources/proxies'],
      ['PUT', '/v1/resources/user_passwords/ed'],
    ] as const) {
      const answer = await house.call(
        house.admin,
        method,
        path,
        method === 'DELETE' ? undefined : authority.body,
      );
      expect([path, answer.status]).toEqual([path, 404]);
    }
    for (const kind of ['cert_authority', 'proxy', 'session', 'user_password', 'cert_authority_key']) {
      const documents = [{ kind, metadata: { name: 'host' }, spec: {} }];
      const answer = await house.call(house.admin, 'POST', '/v1/apply', { mode: 'replace', documents });
      expect([kind, answer.body?.['code']]).toEqual([kind, 'BAD_REQUEST']);
    }
    const remove = [{ kind: 'cert_authority', name: 'host' }];
    const removal = await house.call(house.admin, 'POST', '/v1/apply', {
      mode: 'replace',
      documents: [],
      remove,
    });
    expect(removal.body?.['code']).toBe('BAD_REQUEST');
  });

  test('S18 private keys leave the server for the local admin alone, and only when asked for', async () => {
    const root = await house.issueUser('root', ['admin']);
    const path = '/v1/resources/cert_authority_keys';
    for (const client of [root, house.issueHost(['node']), house.issueHost(['auth'])]) {
      for (const query of ['', '?with_secrets=true']) {
        expect((await house.call(client, 'GET', `${path}${query}`)).body?.['code']).toBe('ACCESS_DENIED');
      }
    }
    expect((await house.call(house.admin, 'GET', path)).body?.['code']).toBe('BAD_REQUEST');
    const shown = await house.call(house.admin, 'GET', `${path}?with_secrets=true`);
    expect(shown.text).toContain('PRIVATE KEY');
    expect((await house.call(root, 'GET', '/v1/resources/roles?with_secrets=true')).body?.['code']).toBe(
      'ACCESS_DENIED',
    );
    for (const { path: listed } of house.auth.routes.filter(({ method }) => method === 'GET')) {
      if (listed.includes(':') || listed === '/v1/watch') continue;
      const answer = await house.call(house.admin, 'GET', `${listed}?kinds=role,cert_authority`);
      expect(answer.text, listed).not.toContain('PRIVATE KEY');
    }
  });

  test('S18 a user who is made again has nothing of the one before', async () => {
    const record = {
      hash: '$argon2id$v=19$m=65536,t=3,p=4$c2FsdHNhbHQ$aGFzaGhhc2hoYXNoaGFzaGhhc2g',
      changed: '2026-01-01T00:00:00Z',
    };
    await house.put('user', 'mia', { roles: ['access'] });
    await house.put('user_password', 'mia', record);
    await house.put('mfa_device', 'mia:1', {
      user: 'mia',
      type: 'totp',
      name: 'phone',
      secret: 'A'.repeat(32),
      added: record.changed,
    });
    await house.put('user_password', 'mia2', record);
    expect((await house.call(editor, 'DELETE', '/v1/resources/users/mia')).status).toBe(200);
    const left = async (path: string) =>
      (await house.call(house.admin, 'GET', `${path}?with_secrets=true`)).text;
    expect(await left('/v1/resources/mfa_devices')).toBe('{"resources":[]}');
    expect(await left('/v1/resources/user_passwords')).not.toContain('"name":"mia"');
    expect(await left('/v1/resources/user_passwords')).toContain('"name":"mia2"');
    const mia2 = { kind: 'user', metadata: { name: 'mia2' }, spec: { roles: ['access'] } };
    expect((await house.call(editor, 'POST', '/v1/resources/users', mia2)).status).toBe(200);
    expect(await left('/v1/resources/user_passwords')).toBe('{"resources":[]}');
  });

  test('S18 who made a user or a lock is written by the service; labels of the house cannot be forged', async () => {
    const forged = { time: '2001-01-01T00:00:00Z', user: { name: 'god' } };
    const user = { kind: 'user', metadata: { name: 'eve' }, spec: { roles: [], created_by: forged } };
    await house.call(editor, 'POST', '/v1/resources/users', user);
    const { body: eve } = await house.call(editor, 'GET', '/v1/resources/users/eve');
    expect(eve).toMatchObject({ spec: { created_by: { user: { name: 'ed' } } } });
    const again = await house.call(editor, 'PUT', '/v1/resources/users/eve', user);
    expect(again.body).toMatchObject({ spec: { created_by: { user: { name: 'ed' } } } });
    const marked = {
      ...role('marked'),
      metadata: { name: 'marked', labels: { 'gatehouse.internal/preset': 'x' } },
    };
    expect((await house.call(editor, 'POST', '/v1/resources/roles', marked)).body?.['code']).toBe(
      'BAD_REQUEST',
    );
    const { body: preset } = await house.call(editor, 'GET', '/v1/resources/roles/auditor');
    expect((await house.call(editor, 'PUT', '/v1/resources/roles/auditor', preset)).status).toBe(200);
  });

  test('S36 the name of a token is in no event, message or log line', async () => {
    const secret = 'tok-3b1c9f0e5d7a-secret';
    const token = { kind: 'token', metadata: { name: secret }, spec: { roles: ['node'] } };
    await house.call(editor, 'POST', '/v1/resources/tokens', token);
    const again = await house.call(editor, 'POST', '/v1/resources/tokens', token);
    expect(again.text).not.toContain(secret);
    const worker = await house.issueUser('worker', ['access']);
    for (const method of ['GET', 'DELETE'])
      await house.call(worker, method, `/v1/resources/tokens/${secret}`);
    await house.call(editor, 'DELETE', `/v1/resources/tokens/${secret}`);
    const gone = await house.call(editor, 'DELETE', `/v1/resources/tokens/${secret}`);
    expect(gone.text).not.toContain(secret);
    expect(await newest('token.delete')).toMatchObject({ user: 'ed' });
    expect(JSON.stringify(await house.events())).not.toContain(secret);
  });

  test('ok: a server with plain sshd is registered, listed and removed by an admin', async () => {
    const sshd = {
      kind: 'node',
      sub_kind: 'openssh',
      metadata: { name: 'sshd-1', labels: { env: 'dev' } },
      spec: { hostname: 'sshd-1.example.com', addr: '10.0.0.9:22' },
    };
    expect((await house.call(editor, 'POST', '/v1/resources/nodes', sshd)).status).toBe(200);
    const worker = await house.issueUser('walter', ['access']);
    expect((await house.call(worker, 'GET', '/v1/resources/nodes')).text).toContain('sshd-1.example.com');
    expect((await house.call(worker, 'PUT', '/v1/resources/nodes/sshd-1', sshd)).body?.['code']).toBe(
      'ACCESS_DENIED',
    );
    expect((await house.call(editor, 'DELETE', '/v1/resources/nodes/sshd-1')).status).toBe(200);
  });

  test('S18 refuses: a node with an agent is written by nobody else, by whatever sub kind', async () => {
    await house.put('node', 'agent-1', { hostname: 'web-1', addr: '10.0.0.1:3022' });
    const node = (name: string, more: object) => ({
      kind: 'node',
      metadata: { name },
      spec: { hostname: 'web-1', addr: '203.0.113.1:22' },
      ...more,
    });
    for (const [method, path, body] of [
      ['POST', '/v1/resources/nodes', node('new', {})],
      ['PUT', '/v1/resources/nodes/agent-1', node('agent-1', {})],
      ['PUT', '/v1/resources/nodes/agent-1', node('agent-1', { sub_kind: 'openssh' })],
      ['POST', '/v1/apply', { mode: 'replace', documents: [node('agent-1', { sub_kind: 'openssh' })] }],
    ] as const) {
      const { body: answer } = await house.call(house.admin, method, path, body);
      expect(answer).toMatchObject({ code: 'BAD_REQUEST', message: expect.stringContaining('openssh') });
    }
    expect(house.auth.state.get('node', 'agent-1')?.spec).toMatchObject({ addr: '10.0.0.1:3022' });
  });

  test('S14 S17 live sessions: one sees those one is in, may join, or is allowed to see by a rule', async () => {
    const id = (n: number) => `4c146ec8-eab6-41e6-b1b3-00000000000${n}`;
    const session = (n: number, spec: object) =>
      house.put('session', id(n), {
        host_id: 'h',
        server_id: 'h',
        user: 'joe',
        created: '2026-01-01T00:00:00Z',
        ...spec,
      });
    await session(1, { host_roles: ['dev'] });
    await session(2, { participants: [{ user: 'mara', mode: 'observer' }] });
    await session(3, { user: 'mara' });
    const join = [{ name: 'devs', roles: ['dev'], kinds: ['ssh'], modes: ['observer'] }];
    await house.put('role', 'helper', { allow: { join_sessions: join } });
    await house.put('role', 'blind', { deny: { rules: [{ resources: ['ssh_session'], verbs: ['*'] }] } });
    await house.put('role', 'watcher', {
      allow: { rules: [{ resources: ['session_tracker'], verbs: ['list', 'read'] }] },
    });
    const seen = async (name: string, roles: readonly string[]) => {
      const client = await house.issueUser(name, roles);
      const { body } = await house.call(client, 'GET', '/v1/resources/sessions');
      const found = (body?.['resources'] ?? []) as { metadata: { name: string } }[];
      return found.map(({ metadata }) => Number(metadata.name.at(-1)));
    };
    expect(await seen('mara', [])).toEqual([2, 3]);
    expect(await seen('otto', [])).toEqual([]);
    expect(await seen('hans', ['helper'])).toEqual([1]);
    expect(await seen('wanda', ['watcher'])).toEqual([1, 2, 3]);
    expect(await seen('olga', ['auditor'])).toEqual([1, 2, 3]);
    expect(await seen('wanda', ['watcher', 'blind'])).toEqual([]);
  });

  test('refuses: deleting a role in use; the name of the cluster', async () => {
    await house.call(editor, 'POST', '/v1/resources/roles', role('used'));
    await house.put('user', 'holder', { roles: ['used'] });
    const answer = await house.call(editor, 'PUT', '/v1/resources/users/holder', {
      kind: 'user',
      metadata: { name: 'holder' },
      spec: { roles: ['no-such-role'] },
    });
    expect(answer.body?.['code']).toBe('INVALID_RESOURCE');
  });
});
