// What a stolen host identity, a stolen secret of one sort, and a user with a grudge can do with well-formed calls:
// nothing that was not theirs.
import { randomUUID } from 'node:crypto';
import { publicKeyLine } from '#core/certs/ssh/lines.ts';
import { publicKeyFromKeyObject } from '#core/certs/ssh/public-key.ts';
import { generateKeyPair, publicKeyPem } from '#core/certs/x509/keys.ts';
import { SYSTEM_ROLES, type SystemRole } from '#core/identity.ts';
import { silentLog } from '#core/log.ts';
import { hasSecrets } from '#core/schema/redact.ts';
import { systemClock } from '#core/clock.ts';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { until } from '#test/kit/until.ts';
import { startTestAuth, type TestAuth, type TestClient } from '#test/kit/auth-server.ts';
import { openKubernetesReviews } from '../joining/kubernetes/open.ts';
import { routesOf } from './all.ts';

const TOKEN = 'join-token-5c1f7f0b9a';
let house: TestAuth;
const logged: string[] = [];
beforeAll(async () => {
  const note = (fields: object, message: string): void => void logged.push(message + JSON.stringify(fields));
  const log = { ...silentLog, debug: note, info: note, warn: note, error: note, child: () => log };
  house = await startTestAuth({ log });
  await house.put('user', 'victim', { roles: ['admin'], traits: { logins: ['root'] } });
  await house.put('token', TOKEN, { roles: ['node'] });
});
afterAll(() => house.close());

const keys = () => ({
  ssh_public_key: publicKeyLine(publicKeyFromKeyObject(generateKeyPair('ed25519').publicKey)),
  tls_public_key: publicKeyPem(generateKeyPair('ecdsa-p256').publicKey),
});
const doc = (kind: string, name: string, spec: object, metadata: object = {}) => ({
  kind,
  metadata: { name, ...metadata },
  spec,
});
const roleDoc = doc('role', 'backdoor', { allow: { rules: [{ resources: ['*'], verbs: ['*'] }] } });
const userDoc = doc('user', 'backdoor', { roles: ['admin'] });
const nodeDoc = (name: string) =>
  doc('node', name, { hostname: 'host-1', addr: '10.0.0.1:3022', version: '0.1.0' });
const stateNow = () =>
  JSON.stringify(
    ['user', 'role', 'token', 'lock', 'cert_authority', 'cluster_name', 'cluster_auth_preference'].map(
      (kind) => [...house.auth.state.list(kind)],
    ),
  );

/** Well-formed calls that only somebody else may make. */
const writes = (): readonly (readonly [method: string, path: string, body?: unknown])[] => [
  ['POST', '/v1/resources/users', userDoc],
  ['PUT', '/v1/resources/users/victim', doc('user', 'victim', { roles: [] })],
  ['POST', '/v1/resources/roles', roleDoc],
  ['PUT', '/v1/resources/roles/access', { ...roleDoc, metadata: { name: 'access' } }],
  ['DELETE', '/v1/resources/roles/editor'],
  ['DELETE', '/v1/resources/users/victim'],
  ['POST', '/v1/resources/tokens', doc('token', 'another-join-token', { roles: ['auth'] })],
  ['DELETE', `/v1/resources/tokens/${TOKEN}`],
  ['POST', '/v1/resources/locks', doc('lock', 'dos', { target: { user: 'victim' } })],
  ['DELETE', '/v1/resources/nodes/somebody'],
  ['POST', '/v1/apply', { mode: 'replace', documents: [roleDoc] }],
  ['POST', '/v1/apply', { mode: 'create', documents: [userDoc], dry_run: true }],
  ['POST', '/v1/apply', { mode: 'replace', documents: [], remove: [{ kind: 'user', name: 'victim' }] }],
  ['POST', '/v1/certificates/sign', { user: 'victim', ttl: '1h', ...keys() }],
  ['POST', '/v1/certificates/db', { hosts: ['db.example.com'], tls_public_key: keys().tls_public_key }],
  ['POST', '/v1/audit/verify', {}],
  ['POST', '/v1/access/check', { user: 'victim', verb: 'create', target: 'role' }],
  ['GET', '/v1/backup'],
  ['GET', '/v1/audit/events'],
  ['GET', `/v1/access/denials/${randomUUID()}`],
];
const READS = [
  'users',
  'tokens',
  'instances',
  'user_passwords',
  'mfa_devices',
  'invites',
  'cert_authority_keys',
];

describe('S18 a compromised host', () => {
  // What operators may is their work; routes/owner-marks.test.ts holds what they may not.
  for (const role of SYSTEM_ROLES.filter((each) => each !== 'operator')) {
    test(`${role}: reads no user, token or key, and writes nothing`, async () => {
      const host = house.issueHost([role]);
      const before = stateNow();
      const wrong: string[] = [];
      for (const [method, path, body] of [
        ...writes(),
        ['POST', '/v1/certificates/user', { ttl: '1h', ...keys() }] as const,
        ...READS.map((plural) => ['GET', `/v1/resources/${plural}`] as const),
        ...READS.map((plural) => ['GET', `/v1/resources/${plural}?with_secrets=true`] as const),
        ...READS.map((plural) => ['GET', `/v1/resources/${plural}/victim`] as const),
        ...READS.map((plural) => ['GET', `/v1/snapshot?kinds=${plural}`] as const),
        ...READS.map((plural) => ['GET', `/v1/watch?kinds=${plural}`] as const),
      ]) {
        const answer = await house.call(host, method, path, body);
        if (answer.body?.['code'] !== 'ACCESS_DENIED')
          wrong.push(`${method} ${path}: ${answer.text.slice(0, 200)}`);
      }
      expect(wrong).toEqual([]);
      expect(stateNow()).toBe(before);
    });
  }

  test('S18 heartbeats for another host, of other kinds, or for services it does not run are refused', async () => {
    const hostId = randomUUID();
    const node = house.issueHost(['node'], { hostId });
    const app = house.issueHost(['app'], { hostId: randomUUID() });
    const beat = (client: TestClient, resources: readonly object[]) =>
      house.call(client, 'POST', '/v1/heartbeat', { version: '0.1.0', resources });
    expect((await beat(node, [nodeDoc(hostId)])).status).toBe(200);
    const before = stateNow();
    for (const [client, resources] of [
      [node, [nodeDoc(randomUUID())]],
      [node, [nodeDoc(hostId), userDoc]],
      [node, [roleDoc]],
      [node, [doc('lock', hostId, { target: { user: 'victim' } })]],
      [node, [doc('cert_authority', 'host', {})]],
      [app, [nodeDoc(hostId)]],
    ] as const) {
      const { status } = await beat(client, resources);
      expect([JSON.stringify(resources).slice(0, 80), status >= 400 && status < 500]).toEqual([
        JSON.stringify(resources).slice(0, 80),
        true,
      ]);
    }
    expect(stateNow()).toBe(before);
  });

  test('S18 renewal gives the host itself back, whatever it asks for', async () => {
    const hostId = randomUUID();
    const node = house.issueHost(['node'], { hostId });
    const renewed = await house.call(node, 'POST', '/v1/certificates/host', {
      node_name: 'web-1',
      addresses: [],
      ...keys(),
    });
    expect(renewed.body).toMatchObject({ host_id: hostId });
    for (const extra of [{ host_id: randomUUID() }, { roles: ['auth'] }]) {
      const body = { node_name: 'x', addresses: [], ...keys(), ...extra };
      expect((await house.call(node, 'POST', '/v1/certificates/host', body)).body?.['code']).toBe(
        'BAD_REQUEST',
      );
    }
  });
});

describe('S17 a user without rights', () => {
  test('writes nothing and reads nobody else', async () => {
    const plain = await house.issueUser('plain', ['access']);
    const before = stateNow();
    const wrong: string[] = [];
    for (const [method, path, body] of [
      ...writes(),
      ...READS.map((plural) => ['GET', `/v1/resources/${plural}`] as const),
      ['POST', '/v1/heartbeat', { version: '0.1.0', resources: [nodeDoc('web')] }] as const,
      ['POST', '/v1/certificates/host', { node_name: 'x', addresses: [], ...keys() }] as const,
    ]) {
      const answer = await house.call(plain, method, path, body);
      // A search is open and shows only events of own sessions.
      if (path === '/v1/audit/events' && answer.text.startsWith('{"events":[]')) continue;
      if (answer.body?.['code'] !== 'ACCESS_DENIED')
        wrong.push(`${method} ${path}: ${answer.text.slice(0, 200)}`);
    }
    expect(wrong).toEqual([]);
    expect(stateNow()).toBe(before);
  });
});

test('S2 S18 the public key of somebody else is no proof of anything', async () => {
  const theirs = keys();
  for (const path of ['user', 'sign', 'host', 'db'].map((what) => `/v1/certificates/${what}`)) {
    const answer = await house.call(undefined, 'POST', path, { user: 'victim', ttl: '1h', ...theirs });
    expect([path, answer.body?.['code']]).toEqual([path, 'UNAUTHENTICATED']);
  }
  const login = { user: 'victim', password: theirs.tls_public_key, ...theirs };
  expect((await house.call(undefined, 'POST', '/v1/login', login)).body?.['code']).toBe(
    'INVALID_CREDENTIALS',
  );
  const own = await house.call(
    await house.issueUser('mallory', ['access']),
    'POST',
    '/v1/certificates/user',
    theirs,
  );
  expect(own.body).toMatchObject({ user: 'mallory', roles: ['access'] });
});

test('S32 refuses: every call, open ones too, while the copy of the store is not ready', async () => {
  const isReady = vi.spyOn(house.auth.state, 'isReady').mockReturnValue(false);
  for (const path of ['/v1/ping', '/v1/whoami', '/v1/resources/roles']) {
    const answer = await house.call(house.admin, 'GET', path);
    expect([path, answer.status, answer.body?.['code']]).toEqual([path, 503, 'UNAVAILABLE']);
  }
  isReady.mockRestore();
  expect((await house.call(house.admin, 'GET', '/v1/ping')).status).toBe(200);
});

describe('S18 what a preset role can be turned into', () => {
  const token = (name: string, roles: readonly string[]) => doc('token', name, { roles });

  test('auditor: nothing', async () => {
    const auditor = await house.issueUser('olga', ['auditor']);
    const before = stateNow();
    for (const [method, path, body] of writes()) {
      if (path.startsWith('/v1/audit') || path.startsWith('/v1/access/denials')) continue;
      const answer = await house.call(auditor, method, path, body);
      expect([path, answer.body?.['code']]).toEqual([path, 'ACCESS_DENIED']);
    }
    expect(stateNow()).toBe(before);
  });

  test('editor, by design: any role, with the next certificate', async () => {
    const editor = await house.issueUser('ed', ['editor']);
    const raised = doc('user', 'ed', { roles: ['editor', 'admin'] });
    expect((await house.call(editor, 'PUT', '/v1/resources/users/ed', raised)).status).toBe(200);
    expect((await house.call(editor, 'GET', '/v1/audit/events')).body?.['code']).toBe('ACCESS_DENIED');
  });

  // Every client sends its password to whoever is a host of the role auth.
  test.each(['editor', 'admin'])('%s: no token that makes a host the auth service', async (role) => {
    const user = await house.issueUser(`${role}-user`, [role]);
    const plain = `plain-token-of-${role}`;
    const call = async (method: string, path: string, body: object) =>
      (await house.call(user, method, path, body)).body?.['code'] ?? 'ok';
    const tokens = '/v1/resources/tokens';
    expect(await call('POST', tokens, token(plain, ['node', 'proxy']))).toBe('ok');
    const before = stateNow();
    const bad = token(`bad-token-of-${role}`, ['node', 'Auth']);
    const apply = { mode: 'replace', documents: [token(plain, ['auth'])] };
    expect([
      await call('POST', tokens, bad),
      await call('PUT', `${tokens}/${bad.metadata.name}`, bad),
      await call('PUT', `${tokens}/${plain}`, token(plain, ['auth'])),
      await call('POST', '/v1/apply', apply),
      await call('POST', '/v1/apply', { ...apply, dry_run: true }),
    ]).toEqual(Array(5).fill('ACCESS_DENIED'));
    expect(stateNow()).toBe(before);
    const own = token(`own-token-of-${role}`, ['auth']);
    expect((await house.call(house.admin, 'POST', tokens, own)).status).toBe(200);
    expect(await call('PUT', `${tokens}/${own.metadata.name}`, own)).toBe('ACCESS_DENIED');
    expect(await call('DELETE', `${tokens}/${own.metadata.name}`, {})).toBe('ok');
  });
});

test('S36 a lock on a join token, which every host reads, does not tell the token', async () => {
  const secret = 'locked-join-token-77c1';
  await house.put('token', secret, { roles: ['node'] });
  const lock = doc('lock', 'on-token', { target: { join_token: secret } });
  const made = await house.call(house.admin, 'POST', '/v1/resources/locks', lock);
  expect(made.status).toBe(200);
  const seen = await house.call(house.issueHost(['node']), 'GET', '/v1/resources/locks');
  expect(seen.text).toContain('on-token');
  for (const text of [made.text, seen.text, JSON.stringify(await house.events())]) {
    expect(text).not.toContain(secret);
  }
  const asked = { token: secret, roles: ['node'], node_name: 'x', addresses: [], ...keys() };
  expect((await house.call(undefined, 'POST', '/v1/join', asked)).body?.['code']).toBe('BAD_JOIN_TOKEN');
  await house.remove('lock', 'on-token');
  expect((await house.call(undefined, 'POST', '/v1/join', asked)).status).toBe(200);
});

test('S33 one caller holds a bounded number of feeds: the oldest makes room, those of others stay', async () => {
  const [one, other] = [house.issueHost(['node']), house.issueHost(['node'])];
  const ended: string[] = [];
  const open = async (client: TestClient, name: string) => {
    const feed = await house.open(client, '/v1/watch?kinds=lock');
    expect(feed.statusCode).toBe(200);
    let text = '';
    feed.on('data', (part: Buffer) => (text += part.toString()));
    feed.on('error', () => {});
    feed.on('end', () => ended.push(`${name}: ${/[A-Z]+_[A-Z]+/.exec(text)?.[0] ?? text}`));
    return feed;
  };
  const feeds = [await open(other, 'other')];
  for (let at = 1; at <= 34; at++) feeds.push(await open(one, `feed ${at}`));
  await until('the oldest two to end', () => ended.length >= 2);
  expect(ended).toEqual(['feed 1: LIMIT_EXCEEDED', 'feed 2: LIMIT_EXCEEDED']);
  // What has ended leaves room.
  for (const feed of feeds.slice(3, 23)) feed.destroy();
  expect((await house.call(one, 'GET', '/v1/snapshot?kinds=lock')).status).toBe(200);
  expect(ended).toHaveLength(2);
  for (const feed of feeds) feed.destroy();
});

describe('S8 each secret opens its own door only', () => {
  let secrets: Readonly<Record<'join token' | 'invite' | 'host id' | 'denial id', string>>;
  /** Which of them a call is there to take. */
  const OWN: Readonly<Record<string, string>> = {
    '/v1/join': 'join token',
    '/v1/invites/open': 'invite',
    '/v1/invites/accept': 'invite',
  };
  const routes = routesOf({
    staticTokens: [],
    kubernetes: openKubernetesReviews({ clock: systemClock, log: silentLog }),
    clock: systemClock,
  });

  beforeAll(async () => {
    const invite = await house.call(house.admin, 'POST', '/v1/invites', {
      user: 'guest',
      purpose: 'invite',
      roles: [],
    });
    const denied = await house.call(await house.issueUser('nosy', []), 'GET', '/v1/resources/users');
    const { denial_id } = denied.body!['details'] as { denial_id: string };
    secrets = {
      'join token': TOKEN,
      invite: String(invite.body!['token']),
      'host id': house.auth.hostId,
      'denial id': denial_id,
    };
  });

  test('no secret in a header, query or cookie opens any call', async () => {
    for (const [sort, secret] of Object.entries(secrets)) {
      for (const { endpoint, access } of routes) {
        if (access.to === 'anyone') continue;
        const path = `${endpoint.path.replace(/:\w+/g, 'x')}?token=${secret}&access_token=${secret}`;
        const answer = await house.call(undefined, endpoint.method, path);
        expect([sort, path, answer.body?.['code']]).toEqual([sort, path, 'UNAUTHENTICATED']);
      }
    }
  });

  test('each open call takes its own sort of secret only, and says nothing of the others', async () => {
    const open = routes.filter(
      ({ endpoint, access }) => access.to === 'anyone' && hasSecrets(endpoint.request),
    );
    expect(open.map(({ endpoint }) => endpoint.path)).toEqual(expect.arrayContaining(Object.keys(OWN)));
    for (const { endpoint } of open) {
      for (const [sort, secret] of Object.entries({ ...secrets, nonsense: 'no-secret-at-all' })) {
        if (OWN[endpoint.path] === sort) continue;
        const body = {
          user: 'guest',
          password: secret,
          token: secret,
          roles: ['node'],
          node_name: 'x',
          ...keys(),
        };
        const { node } = endpoint.request;
        const fields = node.type === 'object' ? Object.keys(node.fields) : [];
        const fitting = Object.fromEntries(Object.entries(body).filter(([field]) => fields.includes(field)));
        const answer = await house.call(undefined, endpoint.method, endpoint.path, fitting);
        expect([endpoint.path, sort, answer.status === 401 || answer.status === 404]).toEqual([
          endpoint.path,
          sort,
          true,
        ]);
        expect(answer.text).not.toContain(secret);
      }
    }
    expect(house.auth.state.get('user', 'guest')).toBeDefined();
  });

  test('a join token gives the roles it names and no other, and its certificate is a host', async () => {
    const ask = (roles: readonly SystemRole[]) =>
      house.call(undefined, 'POST', '/v1/join', {
        token: TOKEN,
        roles,
        node_name: 'joined',
        addresses: [],
        ...keys(),
      });
    await house.clock.advance(60_000);
    for (const roles of [['auth'], ['proxy'], ['node', 'proxy']] as SystemRole[][]) {
      expect((await ask(roles)).body?.['code']).toBe('BAD_JOIN_TOKEN');
    }
    expect((await ask(['node'])).status).toBe(200);
  });
});

test('S36 no log line or event holds a token, key or certificate', async () => {
  const text = logged.join('\n') + JSON.stringify(await house.events());
  expect(logged.length).toBeGreaterThan(0);
  for (const secret of [TOKEN, 'PRIVATE KEY', 'BEGIN CERTIFICATE']) expect(text).not.toContain(secret);
});
