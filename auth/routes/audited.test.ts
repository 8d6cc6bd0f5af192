// Every call that changes something or hands something out leaves an event that says who and from where. A call that is
// neither in the table nor among those that change nothing fails the test.
import { afterAll, beforeAll, expect, test } from 'vitest';
import { KINDS } from '#kinds/all.ts';
import { makeKeyTexts } from '#test/kit/auth-context.ts';
import { startTestAuth, type TestAuth, type TestClient } from '#test/kit/auth-server.ts';
import { decodeOtpSecret, otpCode, otpCounter } from '../accounts/otp.ts';

let house: TestAuth;
let amy: TestClient;
let host: TestClient;
beforeAll(async () => {
  house = await startTestAuth({ storage: { type: 'sqlite' } });
  amy = await house.issueUser('amy', ['admin']);
  host = house.issueHost(['node']);
  await house.put('token', TOKEN, { roles: ['node'] });
  await house.put('node', 'n1', { hostname: 'n1', addr: '10.0.0.1:3022' });
  await house.put('proxy', 'p1', { hostname: 'p1' });
  await house.put('session', SESSION, { host_id: 'n1', server_id: 'n1', user: 'joe', created: NOW });
  const expires = new Date(house.clock.now() + 3_600_000).toISOString();
  await house.put('web_session', BROWSER, { type: 'web', user: 'joe', created: NOW }, { expires });
  const place = { host_id: 'i1', hostname: 'i1' };
  await house.put('db_server', 'pg.i1', {
    ...place,
    database: { metadata: { name: 'pg' }, spec: { protocol: 'postgres', uri: 'a:1' } },
  });
  await house.put('app_server', 'web.i1', {
    ...place,
    app: { metadata: { name: 'web' }, spec: { uri: 'http://a' } },
  });
  await house.put('instance', 'i1', {
    host_id: 'i1',
    hostname: 'i1',
    roles: ['node'],
    version: '1',
    last_seen: NOW,
  });
});
afterAll(() => house.close());

const SESSION = '4c146ec8-eab6-41e6-b1b3-40167e68e931';
const BROWSER = '0123456789abcdef'.repeat(2);
const NOW = '2026-01-01T00:00:00Z';
const TOKEN = 'join-token-8d1c7f0b9a';
const PASSWORD = 'four unrelated words here';
const keys = makeKeyTexts();

/** Type of the newest events that a call made, and whether all say who and from where. */
async function eventsOf(call: () => Promise<{ status: number; text: string }>): Promise<string[]> {
  const before = (await house.events()).length;
  const answer = await call();
  expect([answer.status, answer.text.slice(0, 300)]).toEqual([200, expect.anything()]);
  const made = (await house.events()).slice(before) as {
    event: string;
    user?: string;
    'addr.remote'?: string;
  }[];
  for (const event of made) expect(event).toMatchObject({ 'addr.remote': '127.0.0.1' });
  return made.map(({ event }) => event);
}

const request = (client: TestClient | undefined, method: string, path: string, body?: unknown) => () =>
  house.call(client, method, path, body);

/** Two texts of each kind that is written over the API. */
const TEXTS: Readonly<Record<string, readonly [name: string, one: object, other: object]>> = {
  user: ['u', { roles: [] }, { roles: ['access'] }],
  role: ['r', {}, { allow: { logins: ['root'] } }],
  token: ['tok-1234567890', { roles: ['node'] }, { roles: ['node', 'proxy'] }],
  lock: ['l', { target: { user: 'x' } }, { target: { user: 'y' } }],
  cluster_auth_preference: [
    'cluster-auth-preference',
    { default_session_ttl: '1h' },
    { default_session_ttl: '2h' },
  ],
  cluster_networking_config: [
    'cluster-networking-config',
    { client_idle_timeout: '1h' },
    { client_idle_timeout: '2h' },
  ],
  node: ['sshd-1', { hostname: 'sshd-1', addr: 'a:22' }, { hostname: 'sshd-1', addr: 'b:22' }],
  session_recording_config: ['session-recording-config', { mode: 'off' }, { mode: 'node' }],
  db: ['pg-1', { protocol: 'postgres', uri: 'a:1' }, { protocol: 'postgres', uri: 'b:1' }],
  app: ['web-1', { uri: 'http://a' }, { uri: 'http://b' }],
};

const covered = new Set<string>();

for (const kind of KINDS.filter(({ name }) => name in TEXTS)) {
  test(`S35 ${kind.name}: made, changed and deleted, each with one event; unchanged with none`, async () => {
    const [name, one, other] = TEXTS[kind.name]!;
    const path = `/v1/resources/${kind.plural}`;
    for (const [method, at] of [
      ['POST', path],
      ['PUT', `${path}/:name`],
      ['DELETE', `${path}/:name`],
    ])
      covered.add(`${method} ${at}`);
    const [sub_kind = ''] = kind.writtenSubKinds ?? [];
    const document = (spec: object) => ({ kind: kind.name, sub_kind, metadata: { name }, spec });
    const put = (spec: object) => eventsOf(request(amy, 'PUT', `${path}/${name}`, document(spec)));
    const first =
      kind.singleton === undefined
        ? await eventsOf(request(amy, 'POST', path, document(one)))
        : await put(one);
    expect(first).toHaveLength(1);
    expect(await put(other)).toHaveLength(1);
    expect(await put(other)).toEqual([]);
    const dry = { mode: 'replace', documents: [document(one)], dry_run: true };
    expect(await eventsOf(request(amy, 'POST', '/v1/apply', dry))).toEqual([]);
    const applied = { mode: 'replace', documents: [document(one)] };
    expect(await eventsOf(request(amy, 'POST', '/v1/apply', applied))).toHaveLength(1);
    expect(await eventsOf(request(amy, 'DELETE', `${path}/${name}`))).toHaveLength(1);
    const last = (await house.events()).at(-1) as { user?: string };
    expect(last.user).toBe('amy');
  });
}

test('S35 what hands out certificates, links and copies is on record', async () => {
  const expected: [string, TestClient | undefined, string, object | undefined, string[]][] = [
    [
      'DELETE /v1/resources/nodes/:name',
      amy,
      'DELETE /v1/resources/nodes/n1',
      undefined,
      ['resource.delete'],
    ],
    [
      'DELETE /v1/resources/proxies/:name',
      amy,
      'DELETE /v1/resources/proxies/p1',
      undefined,
      ['resource.delete'],
    ],
    [
      'DELETE /v1/resources/sessions/:name',
      amy,
      `DELETE /v1/resources/sessions/${SESSION}`,
      undefined,
      ['resource.delete'],
    ],
    [
      'DELETE /v1/resources/instances/:name',
      amy,
      'DELETE /v1/resources/instances/i1',
      undefined,
      ['resource.delete'],
    ],
    [
      'POST /v1/certificates/target',
      amy,
      '',
      { app: { name: 'web' }, tls_public_key: keys.tls_public_key },
      ['cert.create'],
    ],
    [
      'DELETE /v1/resources/db_servers/:name',
      amy,
      'DELETE /v1/resources/db_servers/pg.i1',
      undefined,
      ['resource.delete'],
    ],
    [
      'DELETE /v1/resources/web_sessions/:name',
      amy,
      `DELETE /v1/resources/web_sessions/${BROWSER}`,
      undefined,
      ['resource.delete'],
    ],
    [
      'DELETE /v1/resources/app_servers/:name',
      amy,
      'DELETE /v1/resources/app_servers/web.i1',
      undefined,
      ['resource.delete'],
    ],
    ['POST /v1/certificates/user', amy, '', keys, ['cert.create']],
    ['POST /v1/certificates/sign', house.admin, '', { user: 'amy', ...keys }, ['cert.create']],
    [
      'POST /v1/certificates/db',
      amy,
      '',
      { hosts: ['db'], tls_public_key: keys.tls_public_key },
      ['cert.create'],
    ],
    [
      'POST /v1/certificates/sshd',
      amy,
      '',
      { hosts: ['bastion'], ssh_public_key: keys.ssh_public_key },
      ['cert.create'],
    ],
    [
      'POST /v1/join',
      undefined,
      '',
      { token: TOKEN, roles: ['node'], node_name: 'x', ...keys },
      ['cert.create', 'instance.join'],
    ],
    ['POST /v1/certificates/host', host, '', { node_name: 'x', ...keys }, ['cert.create']],
    ['POST /v1/audit/verify', amy, '', {}, ['audit.verified']],
    ['GET /v1/backup', house.admin, '', undefined, ['backup.create']],
    [
      'POST /v1/apply',
      amy,
      '',
      { mode: 'replace', documents: [], remove: [{ kind: 'user', name: 'amy2' }] },
      ['user.delete'],
    ],
  ];
  await house.put('user', 'amy2', { roles: [] });
  for (const [route, client, line, body, events] of expected) {
    const [method = '', path = ''] = (line === '' ? route : line).split(' ');
    expect([route, await eventsOf(request(client, method, path, body))]).toEqual([route, events]);
    covered.add(route);
  }
});

test('S35 an invite from its making to the login, and a reset, are on record', async () => {
  const make = async (purpose: string) => {
    let token = '';
    const made = await eventsOf(async () => {
      const asked = { user: 'joe', purpose, ...(purpose === 'invite' ? { roles: ['access'] } : {}) };
      const answer = await house.call(amy, 'POST', '/v1/invites', asked);
      token = String(answer.body?.['token']);
      return answer;
    });
    return { token, made };
  };
  const { token, made } = await make('invite');
  expect(made.sort()).toEqual(['invite.create', 'user.create']);
  const { body } = await house.call(undefined, 'POST', '/v1/invites/open', { token });
  const secret = decodeOtpSecret(new URL(String(body?.['otp_uri'])).searchParams.get('secret') ?? '');
  const otp = () => otpCode(secret, otpCounter(house.clock.now()));
  const accept = { token, password: PASSWORD, otp: otp() };
  expect(await eventsOf(request(undefined, 'POST', '/v1/invites/accept', accept))).toEqual([
    'user.signup',
    'mfa.add',
  ]);
  await house.clock.advance(30_000);
  const login = { user: 'joe', password: PASSWORD, otp: otp(), ...keys };
  expect(await eventsOf(request(undefined, 'POST', '/v1/login', login))).toEqual([
    'cert.create',
    'user.login',
  ]);
  expect((await make('reset')).made.sort()).toEqual(['mfa.delete', 'reset_password_token.create']);
  const links = [(await make('reset')).token];
  expect(await eventsOf(request(amy, 'POST', '/v1/invites/revoke', { links }))).toEqual(['invite.delete']);
  for (const path of ['invites', 'invites/accept', 'invites/revoke', 'login'])
    covered.add(`POST /v1/${path}`);
});

test('S35 no other call changes anything', () => {
  const harmless = [
    'POST /v1/heartbeat', // Every few minutes from every machine; joining and leaving are on record.
    'POST /v1/audit/events', // It is the record.
    // What recordings leave behind: client/recordings.test.ts.
    'PUT /v1/recordings/:sid/segments/:number',
    'POST /v1/recordings/:sid/complete',
    'POST /v1/recordings',
    'POST /v1/recordings/:sid/verify',
    'DELETE /v1/recordings/:sid',
    // Certificates for proxies that end sessions: auth/issue/relay.test.ts sees each as `cert.create`.
    'POST /v1/certificates/relay',
    'POST /v1/certificates/relay-host',
    'POST /v1/invites/open',
    // Logins, certificates and logouts of browsers: auth/web-sessions/web-sessions.test.ts.
    'POST /v1/web/sessions',
    'DELETE /v1/web/sessions',
    'POST /v1/web/sessions/open',
    'POST /v1/web/sessions/end',
    'POST /v1/web/launches',
    'POST /v1/web/app-sessions',
    'POST /v1/web/app-sessions/open',
    'POST /v1/tokens/app',
    'POST /v1/access/check',
    'POST /v1/targets/grants',
    // For agents: auth/issue/database-client.test.ts sees each as `cert.create`.
    'POST /v1/certificates/db/client',
    // There is one name, and it cannot be changed.
    'POST /v1/resources/cluster_names',
    'PUT /v1/resources/cluster_names/:name',
    'DELETE /v1/resources/cluster_names/:name',
  ];
  const left = house.auth.routes
    .map(({ method, path }) => `${method} ${path}`)
    .filter((route) => !route.startsWith('GET ') && !covered.has(route) && !harmless.includes(route));
  expect(left).toEqual([]);
});
