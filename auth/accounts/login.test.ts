// Logins: every setting of the second factor, lock-out, locks, and that neither answer nor work tells who exists (S9) or
// lets the factors of two people count as one (S4).
import { createHash } from 'node:crypto';
import * as fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { ClusterState } from '#auth/state/state.ts';
import type { UserCertificates } from '#core/api/login.ts';
import { identityOfCertificate } from '#core/certs/x509/identity.ts';
import { parseX509 } from '#core/certs/x509/parse.ts';
import { derFromPem } from '#core/certs/x509/pem.ts';
import type { GatehouseError } from '#core/errors/error.ts';
import { parseIdentity, type Identity } from '#core/identity.ts';
import { timestampOf } from '#core/timestamp.ts';
import { loginAttemptsKind } from '#kinds/login-attempts/kind.ts';
import { userPasswordKind } from '#kinds/user-password/kind.ts';
import { PASSWORD, startAccounts, type Signed, type TestAccounts } from '#test/kit/accounts.ts';
import { ADDRESS, callerOf, makeKeyTexts } from '#test/kit/auth-context.ts';
import { makeResource, makeRole, makeUser } from '#test/kit/state.ts';
import { LOCKOUT_MS, WINDOW_MS } from './attempts.ts';
import { devicesOf } from './factors.ts';
import { logIn } from './login.ts';
import { Passwords } from './password.ts';

const OTHER_PASSWORD = 'another four unrelated words';
let house: TestAccounts;
let joe: Signed;
beforeEach(async () => {
  house = await startAccounts();
  joe = await house.signUp('joe');
});
afterEach(() => house.close());

const refusal = (promise: Promise<unknown>): Promise<GatehouseError> =>
  promise.then(
    () => expect.fail('it went well'),
    (error: GatehouseError) => error,
  );
const codeOf = (promise: Promise<unknown>): Promise<string> =>
  promise.then(
    () => 'ok',
    ({ code }: GatehouseError) => code,
  );
const identityIn = ({ tls_certificate }: UserCertificates): Identity =>
  parseIdentity(identityOfCertificate(parseX509(derFromPem(tls_certificate))));
const good = (signed: Signed = joe) => ({ user: signed.name, otp: house.codeOf(signed) });

describe('login', () => {
  test('ok: password and code give certificates of the user, on record with the factor', async () => {
    const { clock, events } = house;
    const issued = await house.login(good());
    expect(issued).toMatchObject({ user: 'joe', roles: ['dev'], logins: ['root'] });
    const mfa_verified = timestampOf(Math.floor(clock.now() / 1000) * 1000);
    expect(identityIn(issued)).toMatchObject({ kind: 'user', name: 'joe', mfa_verified });
    const [device] = await devicesOf(house.state, 'joe');
    expect(device?.spec.last_used).toBe(timestampOf(clock.now()));
    expect(events.at(-1)).toEqual({
      event: 'user.login',
      user: 'joe',
      method: 'local',
      success: true,
      roles: ['dev'],
      mfa_device: device?.metadata.name,
      'addr.remote': ADDRESS,
    });
  });

  test('ok: twelve hours, or what the cluster says, or less when less is asked for', async () => {
    const lifeOf = async (ttl?: string): Promise<number> => {
      const { expires } = await house.login({ ...good(), ...(ttl && { ttl }) });
      const life = Date.parse(expires) - house.clock.now();
      await house.clock.advance(30_000);
      return Math.round(life / 3_600_000);
    };
    expect(await lifeOf()).toBe(12);
    await house.setPreference({ default_session_ttl: '4h' });
    expect([await lifeOf(), await lifeOf('1h')]).toEqual([4, 1]);
  });

  test.each([
    ['ok', 'off', true, undefined, 'ok'],
    ['ok', 'otp', true, 'good', 'ok'],
    ['refuses', 'otp', true, undefined, 'INVALID_CREDENTIALS'],
    ['refuses', 'otp', true, 'wrong', 'INVALID_CREDENTIALS'],
    ['refuses', 'otp', false, undefined, 'INVALID_CREDENTIALS'],
    ['ok', 'on', true, 'good', 'ok'],
    ['refuses', 'on', true, undefined, 'INVALID_CREDENTIALS'],
    ['ok', 'optional', true, 'good', 'ok'],
    ['refuses', 'optional', true, undefined, 'INVALID_CREDENTIALS'],
    ['refuses', 'optional', true, 'wrong', 'INVALID_CREDENTIALS'],
    ['ok', 'optional', false, undefined, 'ok'],
    ['ok', 'optional', false, 'wrong', 'ok'],
    ['refuses', 'webauthn', true, 'good', 'NOT_SUPPORTED'],
    ['refuses', 'u2f', true, 'good', 'NOT_SUPPORTED'],
  ])(
    '%s: second_factor %s, enrolled %s, code %s: %s',
    async (_title, second_factor, isEnrolled, code, expected) => {
      let user = joe;
      if (!isEnrolled) {
        await house.setPreference({ second_factor: 'off' });
        user = await house.signUp('amy');
      }
      const extra = { webauthn: { rp_id: 'x.example.com' }, u2f: { app_id: 'https://x.example.com' } };
      await house.setPreference({ second_factor, ...extra });
      const otp = code === undefined ? {} : { otp: code === 'good' ? house.codeOf(user) : '000000' };
      expect(await codeOf(house.login({ user: user.name, ...otp }))).toBe(expected);
    },
  );

  test.each([
    [{ type: 'github' }, /single sign-on/],
    [{ type: 'false' }, /nothing/],
    [{ allow_local_auth: false }, /allow_local_auth/],
    [{ second_factor: 'u2f', u2f: { app_id: 'https://x' } }, /arrive with the web UI/],
  ])('refuses: a cluster with %j, and says why before anything is looked at', async (preference, message) => {
    await house.setPreference(preference);
    const before = house.hashes();
    const error = await refusal(house.login(good()));
    expect(error).toMatchObject({ code: 'NOT_SUPPORTED' });
    expect(error.message).toMatch(message);
    expect(house.hashes()).toBe(before);
  });

  test.each([
    ['a name no user can have', { user: 'joe/admin' }, 'user'],
    ['a name with a space', { user: 'joe ' }, 'user'],
    ['half a surrogate pair', { user: '\ud800' }, 'user'],
    ['no SSH key', { ssh_public_key: 'ssh-dss AAAA' }, 'ssh_public_key'],
    [
      'a certificate for a key (S1)',
      { ssh_public_key: 'ssh-ed25519-cert-v01@openssh.com AAAA' },
      'ssh_public_key',
    ],
    ['no TLS key', { tls_public_key: 'x' }, 'tls_public_key'],
  ])('refuses: %s, before the code is used up', async (_title, wrong, field) => {
    const error = await refusal(house.login({ ...good(), ...wrong }));
    expect(error).toMatchObject({ code: 'BAD_REQUEST', details: { field } });
    expect(await codeOf(house.login(good()))).toBe('ok');
  });

  test('ok: the name in another Unicode form is the same user', async () => {
    const zoe = await house.signUp('zoë');
    expect(await codeOf(house.login({ ...good(zoe), user: 'zoe\u0308' }))).toBe('ok');
  });

  test('refuses: a code a second time, in the next step too, and in parallel', async () => {
    const otp = house.codeOf(joe);
    const all = await Promise.all([1, 2, 3].map(() => codeOf(house.login({ user: 'joe', otp }))));
    expect(all.filter((code) => code === 'ok')).toHaveLength(1);
    await house.clock.advance(30_000);
    expect(await codeOf(house.login({ user: 'joe', otp }))).toBe('INVALID_CREDENTIALS');
    expect(house.eventsOf('user.login').at(-1)).toMatchObject({ error: 'the one-time code was used before' });
  });

  test('refuses: the code that was shown at signup', async () => {
    const { clock } = house;
    const amy = await house.signUp('amy');
    await clock.advance(-30_000);
    expect(await codeOf(house.login(good(amy)))).toBe('INVALID_CREDENTIALS');
  });

  test('refuses: more logins at once than are admitted, without counting them', async () => {
    const { context, state } = house;
    const passwords = new Passwords({ maxAdmitted: 0 });
    const request = { password: PASSWORD, ...makeKeyTexts(), ...good() };
    expect(await codeOf(logIn({ ...context, passwords }, callerOf(), request))).toBe('LIMIT_EXCEEDED');
    expect(await state.read(loginAttemptsKind, 'joe')).toBeUndefined();
  });
});

describe('locks', () => {
  test.each([
    ['the user', { user: 'joe' }],
    ['a role', { role: 'dev' }],
    ['the device', { mfa_device: 'its name' }],
  ])('refuses: a lock on %s, only once the credentials are proven', async (_title, target) => {
    const [device] = await devicesOf(house.state, 'joe');
    const real = 'mfa_device' in target ? { mfa_device: device?.metadata.name } : target;
    await house.state.write([
      { do: 'put', resource: makeResource('lock', 'l', { target: real, message: 'on leave' }) },
    ]);
    expect(await codeOf(house.login({ ...good(), password: OTHER_PASSWORD }))).toBe('INVALID_CREDENTIALS');
    expect(await codeOf(house.login(good()))).toBe('LOCKED');
    expect(house.eventsOf('user.login').at(-1)).toMatchObject({
      success: false,
      error: expect.stringMatching(/^LOCKED/),
    });
    expect(house.eventsOf('user.login').at(-1)).not.toHaveProperty('roles');
  });

  test('refuses: a user locked in its own record', async () => {
    const user = makeResource('user', 'joe', {
      roles: ['dev'],
      status: { is_locked: true, locked_message: 'gone' },
    });
    await house.state.write([{ do: 'put', resource: user }]);
    expect(await refusal(house.login(good()))).toMatchObject({
      code: 'LOCKED',
      message: expect.stringContaining('gone'),
    });
  });
});

describe('S7 lock-out', () => {
  const wrong = (user = 'joe') => codeOf(house.login({ ...good(), user, password: OTHER_PASSWORD }));

  test('refuses: the right credentials after five failures, for 20 minutes', async () => {
    for (let index = 0; index < 5; index++) expect(await wrong()).toBe('INVALID_CREDENTIALS');
    expect(await codeOf(house.login(good()))).toBe('ACCOUNT_LOCKED');
    const expires = timestampOf(house.clock.now() + LOCKOUT_MS);
    expect(house.eventsOf('user.lockout')).toEqual([
      { event: 'user.lockout', name: 'joe', expires, 'addr.remote': ADDRESS },
    ]);
    await house.clock.advance(LOCKOUT_MS);
    expect(await codeOf(house.login(good()))).toBe('ok');
  });

  test('ok: four failures and a good login start the count anew', async () => {
    for (let round = 0; round < 3; round++) {
      for (let index = 0; index < 4; index++) expect(await wrong()).toBe('INVALID_CREDENTIALS');
      expect(await codeOf(house.login(good()))).toBe('ok');
      await house.clock.advance(30_000);
    }
  });

  test('ok: failures that are further apart than 15 minutes do not lock', async () => {
    for (let index = 0; index < 12; index++) {
      expect(await wrong()).toBe('INVALID_CREDENTIALS');
      await house.clock.advance(WINDOW_MS / 4 + 1);
    }
  });

  test('S7 wrong codes with the right password count; at most five of the million can be tried', async () => {
    const codes = await Promise.all(
      Array.from({ length: 30 }, (_, index) =>
        codeOf(house.login({ user: 'joe', otp: String(index).padStart(6, '0') })),
      ),
    );
    expect(codes.filter((code) => code === 'INVALID_CREDENTIALS').length).toBeLessThanOrEqual(5);
    expect(codes.filter((code) => code === 'ACCOUNT_LOCKED').length).toBeGreaterThanOrEqual(25);
  });

  test('S9 an unknown user is locked out in the same way, and its name costs no hash while it is', async () => {
    const [known, unknown] = [[] as string[], [] as string[]];
    for (let index = 0; index < 7; index++) {
      known.push(await wrong('joe'));
      unknown.push(await wrong('nobody'));
    }
    expect(unknown).toEqual(known);
    const before = house.hashes();
    const errors = await Promise.all(
      ['joe', 'nobody'].map((user) => refusal(house.login({ user, password: OTHER_PASSWORD }))),
    );
    expect(errors[0]?.message).toBe(errors[1]?.message);
    expect(errors[0]?.details).toEqual(errors[1]?.details);
    expect(house.hashes()).toBe(before);
  });
});

describe('S9 nothing tells who exists', () => {
  /** What one refused login does to the store and to the processor, and what the caller sees. */
  async function traceOf(request: { user: string; password?: string; otp?: string }): Promise<unknown> {
    const calls: string[] = [];
    const { state } = house;
    const counted: ClusterState = {
      ...state,
      read: (kind, name) => (calls.push(`read ${kind.name}`), state.read(kind, name)),
      readAll: (kind, prefix) => (calls.push(`readAll ${kind.name}`), state.readAll(kind, prefix)),
      write: (changes) => (calls.push(`write ${changes.length}`), state.write(changes)),
    };
    const before = house.hashes();
    const full = { password: PASSWORD, ...makeKeyTexts(), ...request };
    const error = await refusal(logIn({ ...house.context, state: counted }, callerOf(), full));
    const { code, message, details } = error;
    return { calls, hashes: house.hashes() - before, code, message, details };
  }

  test('S9 unknown user, wrong password, wrong code, no code and no credentials are one refusal and one work', async () => {
    await house.state.write([{ do: 'put', resource: makeUser('newcomer', ['dev']) }]);
    const otp = house.codeOf(joe);
    const traces = [];
    for (const request of [
      { user: 'nobody', otp },
      { user: 'nobody', password: OTHER_PASSWORD },
      { user: 'joe', password: OTHER_PASSWORD, otp },
      { user: 'joe', otp: '000000' },
      { user: 'joe' },
      { user: 'newcomer', otp },
    ]) {
      traces.push(await traceOf(request));
      await house.clock.advance(WINDOW_MS + 1);
    }
    for (const trace of traces) expect(trace).toEqual(traces[0]);
    expect(traces[0]).toMatchObject({ code: 'INVALID_CREDENTIALS', hashes: 1, details: {} });
  });

  test('S9 the audit log knows the reason, and no secret', async () => {
    const otp = house.codeOf(joe);
    await refusal(house.login({ user: 'nobody' }));
    await refusal(house.login({ user: 'joe', password: OTHER_PASSWORD, otp }));
    await refusal(house.login({ user: 'joe', otp: '000000' }));
    await refusal(house.login({ user: 'joe' }));
    const errors = house.eventsOf('user.login').map((event) => ('error' in event ? event.error : ''));
    expect(errors).toEqual([
      'there is no such user',
      'the password is wrong',
      'the one-time code is wrong',
      'no one-time code was given',
    ]);
    const log = JSON.stringify(house.events);
    for (const secret of [PASSWORD, OTHER_PASSWORD, otp, joe.secret]) expect(log).not.toContain(secret);
  });
});

describe('S4 factors belong to one person', () => {
  test('S4 refuses: the device of a user whose name begins alike', async () => {
    const near = await house.signUp('joe:x');
    expect(await codeOf(house.login({ user: 'joe', otp: house.codeOf(near) }))).toBe('INVALID_CREDENTIALS');
    expect(await codeOf(house.login(good(near)))).toBe('ok');
  });

  test('S4 logins with factors of two people in any order: in only with both of one, and as that one', async () => {
    const amy = await house.signUp('amy', { password: OTHER_PASSWORD });
    const people = {
      joe: { signed: joe, password: PASSWORD },
      amy: { signed: amy, password: OTHER_PASSWORD },
    };
    const who = fc.constantFrom('joe' as const, 'amy' as const);
    const tries = fc.array(fc.record({ user: who, password: who, otp: who }), { minLength: 2, maxLength: 4 });
    await fc.assert(
      fc.asyncProperty(tries, async (all) => {
        // Each round has a window and a time step of its own.
        await house.clock.advance(LOCKOUT_MS + WINDOW_MS);
        const results = await Promise.allSettled(
          all.map(({ user, password, otp }) =>
            house.login({
              user,
              password: people[password].password,
              otp: house.codeOf(people[otp].signed),
            }),
          ),
        );
        const winners = results.map((result) =>
          result.status === 'fulfilled' ? (identityIn(result.value) as { name: string }).name : undefined,
        );
        for (const [index, { user, password, otp }] of all.entries()) {
          const isOne = user === password && password === otp;
          expect([undefined, ...(isOne ? [user] : [])]).toContain(winners[index]);
        }
        for (const name of ['joe', 'amy'] as const) {
          const isProven = all.some((each) => Object.values(each).every((part) => part === name));
          expect(winners.filter((winner) => winner === name)).toHaveLength(isProven ? 1 : 0);
        }
      }),
      { numRuns: 60 },
    );
  });
});

describe('stored hashes', () => {
  test('ok: a weak hash is replaced at the next good login only', async () => {
    const { state, context } = house;
    const before = await state.read(userPasswordKind, 'joe');
    const stronger = new Passwords({
      cost: { memory: 64 * 1024, passes: 3, parallelism: 1 },
      derive: async (password, { salt }, length) =>
        createHash('sha256').update(password).update(salt).digest().subarray(0, length),
    });
    const login = (request: object) =>
      logIn({ ...context, passwords: stronger }, callerOf(), {
        password: PASSWORD,
        ...makeKeyTexts(),
        ...good(),
        ...request,
      });
    expect(await codeOf(login({ password: OTHER_PASSWORD }))).toBe('INVALID_CREDENTIALS');
    expect((await state.read(userPasswordKind, 'joe'))?.spec.hash).toBe(before?.spec.hash);
    expect(await codeOf(login({}))).toBe('ok');
    const after = await state.read(userPasswordKind, 'joe');
    expect(after?.spec.hash).toMatch(/m=65536,t=3,p=1/);
    expect(after?.spec.changed).toBe(before?.spec.changed);
    await house.clock.advance(30_000);
    expect(await codeOf(login({}))).toBe('ok');
  });

  test('refuses: a login whose credentials are reset while it hashes', async () => {
    const { state, context } = house;
    await house.setPreference({ second_factor: 'off' });
    const slow = new Passwords({
      derive: async (password, { salt }, length) => {
        await state.write([{ do: 'delete', kind: 'user_password', name: 'joe' }]);
        return createHash('sha256').update(password).update(salt).digest().subarray(0, length);
      },
    });
    const request = { user: 'joe', password: PASSWORD, ...makeKeyTexts() };
    expect(await codeOf(logIn({ ...context, passwords: slow }, callerOf(), request))).toBe(
      'INVALID_CREDENTIALS',
    );
  });

  test('refuses: the password of a user who is gone, and of one who came later under the name', async () => {
    await house.setPreference({ second_factor: 'off' });
    // Only the user: what a crash or an expiry leaves behind.
    await house.state.write([{ do: 'delete', kind: 'user', name: 'joe' }]);
    expect(await codeOf(house.login({ user: 'joe' }))).toBe('INVALID_CREDENTIALS');
    await house.signUp('joe', { password: OTHER_PASSWORD });
    expect(await codeOf(house.login({ user: 'joe' }))).toBe('INVALID_CREDENTIALS');
    expect(await codeOf(house.login({ user: 'joe', password: OTHER_PASSWORD }))).toBe('ok');
  });

  test('ok: roles that no longer exist give nothing', async () => {
    await house.state.write([{ do: 'put', resource: makeRole('ops', { logins: ['admin'] }) }]);
    const eve = await house.signUp('eve', { roles: ['dev', 'ops'] });
    expect((await house.login(good(eve))).logins).toEqual(['root', 'admin']);
  });
});
