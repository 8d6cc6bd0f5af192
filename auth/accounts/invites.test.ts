// Links to sign up and to reset: who may make one, what it shows, that it works once, and what a reset or a delete
// leaves behind (nothing).
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { GatehouseError } from '#core/errors/error.ts';
import { AUTHORITY_TYPES } from '#kinds/cert-authority/kind.ts';
import { KINDS } from '#kinds/all.ts';
import { inviteKind } from '#kinds/invite/kind.ts';
import { userPasswordKind } from '#kinds/user-password/kind.ts';
import { ADMIN, PASSWORD, startAccounts, type TestAccounts } from '#test/kit/accounts.ts';
import { callerOf, CLUSTER } from '#test/kit/auth-context.ts';
import { makeResource, makeRole, makeUser } from '#test/kit/state.ts';
import type { Caller } from '../guard/caller.ts';
import { acceptInvite, openInvite } from './accept-invite.ts';
import { countAttempt, LOCKOUT_MS } from './attempts.ts';
import { createInvite } from './create-invite.ts';
import { devicesOf } from './factors.ts';
import { inviteName, newInviteToken } from './invite-link.ts';
import { revokeInvites } from './revoke-invite.ts';

const OTHER_PASSWORD = 'another four unrelated words';
const ANYONE = callerOf();
let house: TestAccounts;
beforeEach(async () => {
  house = await startAccounts();
});
afterEach(() => house.close());

type Asked = Partial<Parameters<typeof createInvite>[2]>;
const invite = (user: string, asked: Asked = {}, caller: Caller = ADMIN) =>
  createInvite(house.context, caller, {
    user,
    purpose: 'invite',
    roles: ['dev'],
    traits: {},
    ttl: '1h',
    ...asked,
  });
const reset = (user: string, asked: Asked = {}) => invite(user, { purpose: 'reset', roles: [], ...asked });
const open = (token: string) => openInvite(house.context, ANYONE, token);
async function codeFor(token: string): Promise<string> {
  const { otp_uri = '' } = await open(token);
  return house.codeOf({ name: '', secret: new URL(otp_uri).searchParams.get('secret') ?? '' });
}
const accept = async (token: string, given: { password?: string; otp?: string | undefined } = {}) =>
  acceptInvite(house.context, ANYONE, {
    token,
    password: PASSWORD,
    otp: await codeFor(token),
    ...given,
  } as never);
const codeOf = (promise: Promise<unknown>): Promise<string> =>
  promise.then(
    () => 'ok',
    (error: unknown) => (error instanceof GatehouseError ? error.code : String(error)),
  );
async function invitesLeft(): Promise<number> {
  let count = 0;
  for await (const _each of house.state.readAll(inviteKind)) count += 1;
  return count;
}

describe('making a link', () => {
  test('ok: the link leads to a proxy that is there', async () => {
    const { state } = house;
    const proxy = (name: string, public_addrs: string[]) =>
      state.write([{ do: 'put', resource: makeResource('proxy', name, { hostname: name, public_addrs }) }]);
    await proxy('p1', []);
    await proxy('p2', ['gate.example.org:8443', 'other.example.org:443']);
    const made = await invite('pia');
    expect(made.url).toBe(`https://gate.example.org:8443/web/newuser/${made.token}`);
  });

  test('ok: creates the user and a link of an hour, on record without the token', async () => {
    const made = await invite('joe', { traits: { logins: ['joe', 'root'] } });
    expect(made.token).toMatch(/^[0-9a-f]{64}$/);
    expect(made.url).toBe(`https://test.example.com:443/web/newuser/${made.token}`);
    expect(Date.parse(made.expires)).toBe(house.clock.now() + 3_600_000);
    expect(house.state.get('user', 'joe')?.spec).toMatchObject({
      roles: ['dev'],
      traits: { logins: ['joe', 'root'] },
      created_by: { user: { name: 'local-admin' } },
    });
    expect(house.events.map(({ event }) => event)).toEqual(['user.create', 'invite.create']);
    expect(JSON.stringify(house.events)).not.toContain(made.token);
  });

  test('ok: the store has the hash of the token, and the token nowhere', async () => {
    const { token } = await invite('joe');
    const { items } = await house.backend.range({ prefix: '' });
    const all = items.map(({ key, value }) => key + Buffer.from(value).toString()).join('\n');
    expect(all).not.toContain(token);
    expect(await invitesLeft()).toBe(1);
  });

  test.each([
    ['a user who exists', 'old', {}, 'ALREADY_EXISTS'],
    ['a role that does not exist', 'joe', { roles: ['nosuch'] }, 'INVALID_RESOURCE'],
    ['a name no user can have', 'joe/admin', {}, 'INVALID_RESOURCE'],
    ['S3 a comma in a login', 'joe', { traits: { logins: ['root,admin'] } }, 'INVALID_RESOURCE'],
    ['over 48 hours', 'joe', { ttl: '48h1s' }, 'BAD_REQUEST'],
    ['a reset of a user who does not exist', 'joe', { purpose: 'reset' }, 'NOT_FOUND'],
  ] as const)('refuses: %s, and changes nothing', async (_title, user, asked, code) => {
    await house.state.write([{ do: 'put', resource: makeUser('old', ['dev']) }]);
    const before = await house.backend.revision();
    expect(await codeOf(invite(user, asked))).toBe(code);
    expect(await house.backend.revision()).toBe(before);
    expect(house.events).toEqual([]);
  });

  test('refuses: callers who may not write users, and those whose rule does not cover this one', async () => {
    const rule = { resources: ['user'], verbs: ['list', 'read', 'create', 'update'] };
    const where = 'equals(resource.metadata.name, "amy")';
    await house.state.write(
      [
        makeRole('inviter', { rules: [{ ...rule, where }] }),
        makeUser('amy', ['inviter']),
        makeUser('bob', ['dev']),
      ].map((resource) => ({ do: 'put', resource }) as const),
    );
    const callerNamed = (name: string, roles: string[]): Caller =>
      callerOf({
        kind: 'user',
        cluster: CLUSTER,
        name,
        roles,
        traits: {},
        logins: [],
        session_expires: '2099-01-01T00:00:00Z',
      });
    expect(await codeOf(invite('new', {}, callerNamed('bob', ['dev'])))).toBe('ACCESS_DENIED');
    expect(await codeOf(invite('new', {}, callerNamed('amy', ['inviter'])))).toBe('ACCESS_DENIED');
    const resetAs = (user: string) => invite(user, { purpose: 'reset' }, callerNamed('amy', ['inviter']));
    expect([await codeOf(resetAs('bob')), await codeOf(resetAs('amy'))]).toEqual(['ACCESS_DENIED', 'ok']);
  });

  test('S7 tokens are 256 random bits', () => {
    const tokens = Array.from({ length: 100 }, () => newInviteToken().reveal());
    expect(new Set(tokens).size).toBe(100);
    for (const token of tokens) expect(token).toMatch(/^[0-9a-f]{64}$/);
    expect(String(newInviteToken())).toBe('[redacted]');
  });
});

describe('opening a link', () => {
  test('ok: says for whom it is, and the same secret each time', async () => {
    const { token, expires } = await invite('joe');
    const first = await open(token);
    expect(first).toMatchObject({ user: 'joe', purpose: 'invite', second_factor: 'otp', expires });
    expect(first.otp_uri).toMatch(/^otpauth:\/\/totp\/test\.example\.com:joe\?secret=[A-Z2-7]{32}&/);
    await house.clock.advance(60_000);
    expect(await open(token)).toEqual(first);
  });

  test.each([
    ['off', false],
    ['optional', true],
    ['on', true],
    ['otp', true],
  ])('ok: with second_factor %s a code is offered: %s', async (second_factor, isOffered) => {
    await house.setPreference({ second_factor });
    const { token } = await invite('joe');
    expect((await open(token)).otp_uri !== undefined).toBe(isOffered);
  });

  test('refuses: what never was, is used, replaced, expired, or of a user who is gone, all in one way', async () => {
    const used = await invite('amy');
    await accept(used.token);
    const replaced = await invite('bob');
    await reset('bob');
    const expired = await invite('eve');
    const orphan = await invite('dan', { ttl: '48h' });
    await house.clock.advance(3_600_000);
    await house.state.write([{ do: 'delete', kind: 'user', name: 'dan' }]);
    const errors = [];
    for (const token of [
      '0'.repeat(64),
      '',
      'x/y',
      used.token,
      replaced.token,
      expired.token,
      orphan.token,
    ]) {
      errors.push(await open(token).catch((error: unknown) => error));
    }
    for (const error of errors) expect(error).toEqual(errors[0]);
    expect(errors[0]).toMatchObject({ code: 'NOT_FOUND' });
    expect(house.eventsOf('auth.failure')).toHaveLength(errors.length);
  });

  test('refuses: the hash of a token, which is what a leaked store has', async () => {
    await invite('joe');
    for await (const { metadata } of house.state.readAll(inviteKind)) {
      expect(await codeOf(open(metadata.name))).toBe('NOT_FOUND');
    }
  });
});

describe('accepting a link', () => {
  test('ok: sets password and device in one write, once, and is on record', async () => {
    const { token } = await invite('joe');
    const before = Number(await house.backend.revision());
    expect(await accept(token)).toEqual({ user: 'joe' });
    expect(Number(await house.backend.revision())).toBe(before + 1);
    const [device] = await devicesOf(house.state, 'joe');
    expect((await house.state.read(userPasswordKind, 'joe'))?.spec.hash).toMatch(/^\$argon2id\$/);
    expect(await invitesLeft()).toBe(0);
    expect(house.events.slice(-2)).toMatchObject([
      { event: 'user.signup', name: 'joe', success: true, mfa_device: device?.metadata.name },
      { event: 'mfa.add', user: 'joe', mfa_device: device?.metadata.name },
    ]);
    expect(JSON.stringify(house.events)).not.toContain(PASSWORD);
    expect(JSON.stringify(house.events)).not.toContain(device?.spec.secret);
    expect(await codeOf(acceptInvite(house.context, ANYONE, { token, password: OTHER_PASSWORD }))).toBe(
      'NOT_FOUND',
    );
  });

  test('ok: of ten at the same time one wins', async () => {
    const { token } = await invite('joe');
    const otp = await codeFor(token);
    const all = await Promise.all(
      Array.from({ length: 10 }, (_, index) =>
        codeOf(acceptInvite(house.context, ANYONE, { token, password: `${PASSWORD} ${index}`, otp })),
      ),
    );
    expect(all.sort()).toEqual([...Array.from({ length: 9 }, () => 'NOT_FOUND'), 'ok']);
    expect(await devicesOf(house.state, 'joe')).toHaveLength(1);
    await house.clock.advance(30_000);
  });

  test.each([
    ['a short password', { password: 'short' }, 'BAD_REQUEST'],
    ['no code', { otp: undefined }, 'BAD_REQUEST'],
    ['an empty code', { otp: '' }, 'BAD_REQUEST'],
    ['a wrong code', { otp: '000000' }, 'INVALID_CREDENTIALS'],
  ])('refuses: %s, and the link stays good', async (_title, given, code) => {
    const { token } = await invite('joe');
    expect(await codeOf(accept(token, given))).toBe(code);
    expect(house.events.at(-1)).toMatchObject({ event: 'user.signup', success: false, error: code });
    expect(await codeOf(accept(token))).toBe('ok');
  });

  test.each([
    ['off', { otp: undefined }, 0],
    ['off', {}, 0],
    ['optional', { otp: undefined }, 0],
    ['optional', {}, 1],
  ])('ok: with second_factor %s and %j there are %i devices', async (second_factor, given, count) => {
    const { token } = await invite('joe');
    const otp = 'otp' in given ? undefined : await codeFor(token);
    await house.setPreference({ second_factor });
    expect(
      await codeOf(acceptInvite(house.context, ANYONE, { token, password: PASSWORD, otp } as never)),
    ).toBe('ok');
    expect(await devicesOf(house.state, 'joe')).toHaveLength(count);
  });

  test.each([
    { second_factor: 'webauthn', webauthn: { rp_id: 'x.example.com' } },
    { second_factor: 'u2f', u2f: { app_id: 'https://x.example.com' } },
    { type: 'github' },
    { allow_local_auth: false },
  ])(
    'S4 refuses: a cluster with %j, where nobody could log in with it; the link stays good',
    async (preference) => {
      const { token } = await invite('joe');
      await house.setPreference(preference);
      expect(await codeOf(openInvite(house.context, ANYONE, token))).toBe('NOT_SUPPORTED');
      expect(await codeOf(accept(token, { otp: '123456' }))).toBe('NOT_SUPPORTED');
      expect(await devicesOf(house.state, 'joe')).toEqual([]);
      await house.setPreference({});
      expect(await codeOf(accept(token))).toBe('ok');
    },
  );

  test('ok: an edit of the user at the same time does not hurt', async () => {
    const { token } = await invite('joe');
    const otp = await codeFor(token);
    const edit = makeResource('user', 'joe', { roles: [] });
    const [accepted] = await Promise.all([
      codeOf(acceptInvite(house.context, ANYONE, { token, password: PASSWORD, otp })),
      house.state.write([{ do: 'put', resource: edit }]),
    ]);
    expect(accepted).toBe('ok');
    expect(house.state.get('user', 'joe')?.spec).toMatchObject({ roles: [] });
  });
});

describe('a reset', () => {
  test('ok: the old password, device and lock-out are gone at once; the link sets new ones', async () => {
    const joe = await house.signUp('joe');
    for (let index = 0; index < 5; index++) await countAttempt(house.context, 'joe');
    const { token } = await reset('joe');
    expect(await house.state.read(userPasswordKind, 'joe')).toBeUndefined();
    expect(await devicesOf(house.state, 'joe')).toEqual([]);
    expect(house.events.slice(-2)).toMatchObject([
      { event: 'mfa.delete', name: 'joe' },
      { event: 'reset_password_token.create', name: 'joe' },
    ]);
    expect(await codeOf(house.login({ user: 'joe', otp: house.codeOf(joe) }))).toBe('INVALID_CREDENTIALS');
    expect(await codeOf(accept(token, { password: OTHER_PASSWORD }))).toBe('ok');
    expect(house.events.at(-2)).toMatchObject({ event: 'user.password_change', user: 'joe', success: true });
    await house.clock.advance(30_000);
    const [device] = await devicesOf(house.state, 'joe');
    const now = { name: 'joe', secret: device!.spec.secret };
    const again = (password: string) =>
      codeOf(house.login({ user: 'joe', password, otp: house.codeOf(now) }));
    expect([await again(PASSWORD), await again(OTHER_PASSWORD)]).toEqual(['INVALID_CREDENTIALS', 'ok']);
  });

  test('ok: a newer link replaces the older one, and several at once leave one', async () => {
    const first = await invite('joe');
    const all = await Promise.all([reset('joe'), reset('joe'), reset('joe')]);
    expect(await invitesLeft()).toBe(1);
    const good = [];
    for (const { token } of [first, ...all]) if ((await codeOf(open(token))) === 'ok') good.push(token);
    expect(good).toHaveLength(1);
  });

  test('ok: others whose names begin alike keep their credentials', async () => {
    const near = await house.signUp('joe:x');
    await house.signUp('joe');
    await reset('joe');
    expect(await devicesOf(house.state, 'joe:x')).toHaveLength(1);
    expect(await codeOf(house.login({ user: 'joe:x', otp: house.codeOf(near) }))).toBe('ok');
  });

  test('ok: accept and reset at the same time: the old link never wins over the reset', async () => {
    for (let round = 0; round < 20; round++) {
      const user = `joe-${round}`;
      const { token } = await invite(user);
      const otp = await codeFor(token);
      const [accepted, made] = await Promise.all([
        codeOf(acceptInvite(house.context, ANYONE, { token, password: PASSWORD, otp })),
        reset(user),
      ]);
      expect(['ok', 'NOT_FOUND']).toContain(accepted);
      expect(await house.state.read(userPasswordKind, user)).toBeUndefined();
      expect(await codeOf(open(made.token))).toBe('ok');
    }
  });
});

describe('a deleted user', () => {
  test('refuses: a delete that was planned before the link was accepted, as it would leave a password', async () => {
    const { token } = await invite('joe');
    const planned = house.state.get('user', 'joe')!.metadata.revision!;
    await accept(token);
    const remove = { do: 'delete', kind: 'user', name: 'joe', revision: planned } as const;
    expect(await codeOf(house.state.write([remove]))).toBe('CONDITION_FAILED');
  });

  test('ok: nothing of the old one reaches a new user of the name, whatever was left behind', async () => {
    await house.signUp('joe');
    for (let index = 0; index < 5; index++) await countAttempt(house.context, 'joe');
    await house.state.write([{ do: 'delete', kind: 'user', name: 'joe' }]);
    const { token } = await invite('joe');
    const left: string[] = [];
    for (const kind of KINDS.filter(({ audience }) => audience === 'internal')) {
      for await (const { kind: name } of house.state.readAll(kind)) left.push(name);
    }
    const keys = AUTHORITY_TYPES.map(() => 'cert_authority_key');
    expect(left.sort()).toEqual([...keys, 'invite']);
    expect(await codeOf(accept(token, { password: OTHER_PASSWORD }))).toBe('ok');
    await house.clock.advance(LOCKOUT_MS);
  });
});

describe('revoking a link', () => {
  const revoke = (...links: string[]) => revokeInvites(house.context, ADMIN, links);

  test('ok: by the hash that is shown of it, or by its token', async () => {
    const one = await invite('alice');
    const two = await invite('bob');
    expect(await revoke(inviteName(one.token).slice(0, 32), two.token)).toMatchObject({
      revoked: [{ user: 'alice' }, { user: 'bob' }],
    });
    expect(await invitesLeft()).toBe(0);
    expect(await codeOf(open(one.token))).not.toBe('ok');
  });

  test.each([
    ['an unknown link', () => [newInviteToken().reveal()]],
    ['one good and one unknown link: none is revoked', (good: string) => [good, newInviteToken().reveal()]],
    ['a beginning that is too short', (good: string) => [inviteName(good).slice(0, 31)]],
  ])('refuses: %s', async (_name, links) => {
    const { token } = await invite('alice');
    expect(await codeOf(revoke(...links(token)))).toBe('NOT_FOUND');
    expect(await invitesLeft()).toBe(1);
  });
});
