// The calls as clients make them: over TLS, through guard and limits, with real hashing.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { makeKeyTexts } from '#test/kit/auth-context.ts';
import { PASSWORD } from '#test/kit/accounts.ts';
import { startTestAuth, type TestAnswer, type TestAuth } from '#test/kit/auth-server.ts';
import { decodeOtpSecret, otpCode, otpCounter } from './otp.ts';

let house: TestAuth;
beforeAll(async () => {
  house = await startTestAuth();
});
afterAll(() => house.close());

const keys = makeKeyTexts();
const post = (
  path: string,
  body: object,
  client = undefined as TestAuth['admin'] | undefined,
): Promise<TestAnswer> => house.call(client, 'POST', path, body);
const secretOf = (uri: unknown): Uint8Array =>
  decodeOtpSecret(new URL(String(uri)).searchParams.get('secret') ?? '');

describe('a person', () => {
  let secret: Uint8Array;
  const code = (): string => otpCode(secret, otpCounter(house.clock.now()));

  test('ok: 1. is invited by the local admin', async () => {
    const asked = { user: 'joe', purpose: 'invite', roles: ['access'], traits: { logins: ['joe'] } };
    const made = await post('/v1/invites', asked, house.admin);
    expect([made.status, made.body]).toMatchObject([200, { url: expect.stringContaining('/web/newuser/') }]);
    const { token } = made.body as { token: string };
    const opened = await post('/v1/invites/open', { token });
    expect(opened.body).toMatchObject({ user: 'joe', purpose: 'invite', second_factor: 'otp' });
    secret = secretOf(opened.body?.['otp_uri']);
    const accepted = await post('/v1/invites/accept', { token, password: PASSWORD, otp: code() });
    expect([accepted.status, accepted.body]).toEqual([200, { user: 'joe' }]);
    expect((await post('/v1/invites/open', { token })).status).toBe(404);
  });

  test('ok: 2. logs in, and what is issued is let in', async () => {
    await house.clock.advance(30_000);
    const answer = await post('/v1/login', { user: 'joe', password: PASSWORD, otp: code(), ...keys });
    expect([answer.status, answer.body]).toMatchObject([200, { user: 'joe', logins: ['joe'] }]);
    const wrong = await post('/v1/login', { user: 'joe', password: PASSWORD, otp: code(), ...keys });
    expect([wrong.status, wrong.body]).toMatchObject([401, { code: 'INVALID_CREDENTIALS', details: {} }]);
  });

  test('ok: 3. is deleted by apply with all credentials; a new joe has none of them', async () => {
    const remove = [{ kind: 'user', name: 'joe' }];
    const gone = await post('/v1/apply', { mode: 'replace', documents: [], remove }, house.admin);
    expect(gone.status).toBe(200);
    for (const kind of ['user_passwords', 'mfa_devices', 'login_attempts', 'invites']) {
      const list = await house.call(house.admin, 'GET', `/v1/resources/${kind}?with_secrets=true`);
      expect([kind, list.body]).toEqual([kind, { resources: [] }]);
    }
    const document = { kind: 'user', version: 'v2', metadata: { name: 'joe' }, spec: { roles: ['access'] } };
    expect((await post('/v1/resources/users', document, house.admin)).status).toBe(200);
    await house.clock.advance(30_000);
    const answer = await post('/v1/login', { user: 'joe', password: PASSWORD, otp: code(), ...keys });
    expect(answer.body).toMatchObject({ code: 'INVALID_CREDENTIALS' });
  });
});

describe('S8 invites and logins need what they name, and nothing else will do', () => {
  test.each([['a node'], ['a user without roles'], ['nobody']])(
    'refuses: %s making an invite',
    async (who) => {
      const clients: Record<string, TestAuth['admin'] | undefined> = {
        'a node': house.issueHost(['node']),
        'a user without roles': await house.issueUser('nil', []),
      };
      const answer = await post('/v1/invites', { user: 'eve', purpose: 'invite' }, clients[who]);
      expect(answer.body?.['code']).toBe(who === 'nobody' ? 'UNAUTHENTICATED' : 'ACCESS_DENIED');
      expect(house.auth.state.get('user', 'eve')).toBeUndefined();
    },
  );

  test('refuses: a certificate in place of password and code', async () => {
    const client = await house.issueUser('amy', ['access']);
    const answer = await post('/v1/login', { user: 'amy', password: 'x', ...keys }, client);
    expect(answer.body).toMatchObject({ code: 'INVALID_CREDENTIALS' });
  });

  test('S7 refuses: guesses from one address beyond its tries', async () => {
    await house.clock.advance(600_000);
    const codes: unknown[] = [];
    for (let index = 0; index < 25; index++) {
      const answer = await post('/v1/invites/open', { token: `guess-${index}` });
      codes.push(answer.body?.['code']);
    }
    expect(codes.filter((code) => code === 'NOT_FOUND')).toHaveLength(20);
    expect(codes.at(-1)).toBe('LIMIT_EXCEEDED');
  });
});

test.each([
  ['off', 'off', 'INVALID_CREDENTIALS'],
  ['otp', 'otp', 'INVALID_CREDENTIALS'],
  ['on', 'otp', 'INVALID_CREDENTIALS'],
  ['optional', 'optional', 'INVALID_CREDENTIALS'],
  ['webauthn', 'webauthn', 'NOT_SUPPORTED'],
  ['u2f', 'u2f', 'NOT_SUPPORTED'],
])('S4 with second_factor %s everybody is told %s, and a login is %s', async (second_factor, said, code) => {
  const keysOf = { webauthn: { rp_id: 'x.example.com' }, u2f: { app_id: 'https://x.example.com' } };
  await house.put('cluster_auth_preference', 'cluster-auth-preference', { second_factor, ...keysOf });
  const { body } = await house.call(undefined, 'GET', '/v1/ping');
  expect(body?.['auth']).toEqual({ type: 'local', second_factor: said });
  await house.clock.advance(60_000);
  const answer = await post('/v1/login', { user: `nobody-${said}`, password: PASSWORD, ...keys });
  expect(answer.body?.['code']).toBe(code);
});
