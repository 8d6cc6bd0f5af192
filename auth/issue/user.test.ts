import * as fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { isWithin } from '#core/access/narrow.ts';
import { parseSshCertificate, type SshCertificate } from '#core/certs/ssh/certificate.ts';
import { identityOfCertificate } from '#core/certs/x509/identity.ts';
import { parseX509, type ParsedCertificate } from '#core/certs/x509/parse.ts';
import { derFromPem } from '#core/certs/x509/pem.ts';
import type { UserCertificates } from '#core/api/login.ts';
import { GatehouseError, isCode } from '#core/errors/error.ts';
import { parseIdentity, type UserIdentity } from '#core/identity.ts';
import { readSshIdentity } from '#core/ssh-identity.ts';
import { ADDRESS, CLUSTER, makeKeyTexts, startTestAuth, type TestAuth } from '#test/kit/auth-context.ts';
import { makeResource, makeRole, makeUser } from '#test/kit/state.ts';
import { grantOf } from './grant.ts';
import { reissueUser } from './reissue.ts';
import { issueUser, type UserRequest } from './user.ts';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
let test: TestAuth;
beforeEach(async () => {
  test = await startTestAuth();
  await test.state.write(
    [
      makeRole('dev', { logins: ['ubuntu', '{{internal.logins}}'] }),
      makeRole('ops', { logins: ['root'] }, { max_session_ttl: '8h', forward_agent: true }),
      makeRole('pinned', { logins: ['db'] }, { pin_source_ip: true }),
      makeRole('quiet', {}, { port_forwarding: false }),
      makeRole('old', { logins: ['legacy'] }, { cert_format: 'oldssh' }),
      makeRole(
        'tagged',
        { logins: ['t'] },
        { cert_extensions: [{ name: 'login@github.com', value: 'joe' }] },
      ),
      makeUser('joe', ['dev'], { logins: ['joe'] }),
      makeUser('ann', ['dev', 'ops'], { logins: ['ann'] }),
      makeUser('pia', ['pinned']),
      makeUser('nil', ['quiet']),
      makeUser('leo', ['old']),
      makeUser('tia', ['tagged']),
    ].map((resource) => ({ do: 'put', resource })),
  );
});
afterEach(() => test.close());

const issue = (user: string, more: Partial<UserRequest> = {}): Promise<UserCertificates> =>
  issueUser(test.context, { user, keys: makeKeyTexts(), address: ADDRESS, method: 'login', ...more });
const ssh = ({ ssh_certificate }: UserCertificates): SshCertificate =>
  parseSshCertificate(Buffer.from(ssh_certificate.split(' ')[1]!, 'base64'));
const tls = ({ tls_certificate }: UserCertificates): ParsedCertificate =>
  parseX509(derFromPem(tls_certificate));
const identityIn = (certificates: UserCertificates): UserIdentity =>
  parseIdentity(identityOfCertificate(tls(certificates))) as UserIdentity;
const codeOf = (promise: Promise<unknown>): Promise<string> =>
  promise.then(
    () => 'ok',
    (error: unknown) => (isCode(error) ? error.code : String(error)),
  );

describe('user certificates', () => {
  it('ok: both say the same: name, roles, logins, twelve hours from a minute ago', async () => {
    const issued = await issue('joe', { mfaVerified: test.clock.now() });
    const [one, other] = [ssh(issued), tls(issued)];
    expect(one).toMatchObject({ keyId: 'joe', type: 'user', principals: ['ubuntu', 'joe'] });
    expect(other.subject).toMatchObject({ commonName: 'joe', organization: ['dev'] });
    expect(other.extKeyUsage).toEqual(['clientAuth']);
    expect([one.validAfter, one.validBefore]).toEqual([
      test.clock.now() - MINUTE,
      test.clock.now() + 12 * HOUR,
    ]);
    expect([other.notBefore, other.notAfter]).toEqual([one.validAfter, one.validBefore]);
    expect(one.serial).toBe(other.serial & ((1n << 64n) - 1n));
    expect([...one.extensions.keys()]).toEqual([
      'gatehouse-identity@gatehouse.dev',
      'permit-port-forwarding',
      'permit-pty',
    ]);
    const identity = identityIn(issued);
    expect(readSshIdentity(one.extensions)).toEqual(identity);
    expect(identity).toEqual({
      kind: 'user',
      cluster: CLUSTER,
      name: 'joe',
      roles: ['dev'],
      traits: { logins: ['joe'] },
      logins: ['ubuntu', 'joe'],
      mfa_verified: '2026-01-01T00:00:00Z',
      session_expires: '2026-01-01T12:00:00Z',
    });
    expect(issued).toMatchObject({ user: 'joe', expires: '2026-01-01T12:00:00Z', logins: ['ubuntu', 'joe'] });
    expect(issued.tls_authorities).toEqual(test.authorities.publicPart('host').tlsCertificates);
  });

  it('ok: the issue is on record before the certificate is handed out, without any key material', async () => {
    await issue('joe');
    expect(test.events).toEqual([
      expect.objectContaining({
        event: 'cert.create',
        cert_type: 'user',
        user: 'joe',
        key_id: 'joe',
        method: 'login',
      }),
    ]);
    const failing = await startTestAuth({ auditFails: new GatehouseError('STORAGE_FULL', 'no space') });
    await failing.state.write([{ do: 'put', resource: makeUser('joe', []) }]);
    const keys = makeKeyTexts();
    expect(await codeOf(issueUser(failing.context, { user: 'joe', keys, method: 'login' }))).toBe(
      'STORAGE_FULL',
    );
    await failing.close();
  });

  it.each<[string, Partial<UserRequest>, number]>([
    ['ann', { ttlMs: 12 * HOUR }, 8 * HOUR],
    ['ann', { ttlMs: HOUR }, HOUR],
    ['joe', { ttlMs: 1000 * HOUR }, 30 * HOUR],
    ['joe', { ttlMs: 1000 * HOUR, beyondRoles: true }, 1000 * HOUR],
    ['joe', { notAfter: Date.parse('2026-01-01T01:00:00Z') }, HOUR],
  ])('ok: %s with %j gets %d ms', async (user, more, ttl) => {
    expect(Date.parse((await issue(user, more)).expires) - test.clock.now()).toBe(ttl);
  });

  it.each<[string, string, Partial<UserRequest>, string]>([
    ['less than a minute', 'joe', { ttlMs: 59_000 }, 'BAD_REQUEST'],
    [
      'more than a year even by the local admin',
      'joe',
      { ttlMs: 9000 * HOUR, beyondRoles: true },
      'BAD_REQUEST',
    ],
    ['a user that does not exist', 'none', {}, 'NOT_FOUND'],
    ['a pinned user without a known address', 'pia', { address: undefined }, 'BAD_REQUEST'],
  ])('refuses: %s', async (_title, user, more, code) => {
    expect(await codeOf(issue(user, more))).toBe(code);
    expect(test.events).toEqual([]);
  });

  it('ok: options of the roles become permits, pins and formats', async () => {
    expect([...ssh(await issue('ann')).extensions.keys()]).toContain('permit-agent-forwarding');
    expect([...ssh(await issue('nil')).extensions.keys()]).not.toContain('permit-port-forwarding');
    const pinned = await issue('pia');
    expect(ssh(pinned).criticalOptions.get('source-address')).toBe(ADDRESS);
    expect(identityIn(pinned).pinned_ip).toBe(ADDRESS);
    expect([...ssh(await issue('leo')).extensions.keys()].some((name) => name.includes('@'))).toBe(false);
    expect(ssh(await issue('tia')).extensions.get('login@github.com')).toBe('joe');
  });

  it('ok: a user without logins gets a principal that is no login', async () => {
    const issued = await issue('nil');
    expect(ssh(issued).principals).toEqual([expect.stringMatching(/^-gatehouse-nologin-[0-9a-f-]{36}$/)]);
    expect([issued.logins, identityIn(issued).logins]).toEqual([[], []]);
  });

  it.each(['root,admin', 'a b', 'a\nb', 'a\u0000b', 'rööt', '*', '', ' root', '!root'])(
    'S3 the login %j of a trait never becomes a principal',
    async (login) => {
      await test.state.write([
        { do: 'put', resource: makeRole('wild', { logins: ['{{external.names}}'] }) },
        {
          do: 'put',
          resource: {
            ...makeUser('eve', ['wild']),
            spec: { roles: ['wild'], traits: { names: [login, 'ok'] } },
          },
        },
      ]);
      const issued = await issue('eve').catch(() => undefined);
      expect(issued === undefined ? ['refused'] : ssh(issued).principals).not.toContain(login);
    },
  );

  it('S16 locked users, roles, factors and logins get no certificate', async () => {
    const lock = (target: object): Promise<unknown> =>
      test.state.write([{ do: 'put', resource: makeResource('lock', 'l', { target, message: 'away' }) }]);
    for (const target of [{ user: 'joe' }, { role: 'dev' }, { mfa_device: 'phone' }]) {
      await lock(target);
      expect(await codeOf(issue('joe', { mfaDevice: 'phone' }))).toBe('LOCKED');
    }
    await lock({ login: 'ubuntu' });
    expect(ssh(await issue('joe')).principals).toEqual(['joe']);
    const user = makeUser('joe', ['dev']);
    const locked = { ...user, spec: { ...(user.spec as object), status: { is_locked: true } } };
    await test.state.write([{ do: 'put', resource: locked }]);
    expect(await codeOf(issue('joe'))).toBe('LOCKED');
  });

  it('ok: no certificate outlives its user', async () => {
    const expires = '2026-01-01T00:30:00Z';
    await test.state.write([
      { do: 'put', resource: makeResource('user', 'tmp', { roles: ['dev'] }, { expires }) },
    ]);
    expect((await issue('tmp')).expires).toBe(expires);
    await test.clock.advance(31 * MINUTE);
    expect(await codeOf(issue('tmp'))).toBe('NOT_FOUND');
  });
});

describe('reissue', () => {
  const reissue = (identity: UserIdentity, more: object = {}): Promise<UserCertificates> =>
    reissueUser(test.context, identity, { keys: makeKeyTexts(), address: ADDRESS, ...more });

  it('S13 a short certificate gives no longer one', async () => {
    const short = identityIn(await reissue(identityIn(await issue('ann')), { ttlMs: 5 * MINUTE }));
    expect(short.session_expires).toBe('2026-01-01T00:05:00Z');
    expect((await reissue(short, { ttlMs: 8 * HOUR })).expires).toBe('2026-01-01T00:05:00Z');
    await test.clock.advance(4.5 * MINUTE);
    expect(await codeOf(reissue(short))).toBe('CERTIFICATE_INVALID');
  });

  it('S13 no role that is held can be left out: what it denies and limits would be left out with it', async () => {
    const next = await reissue(identityIn(await issue('ann')), { roles: ['dev'] });
    expect(next.roles).toEqual(['dev', 'ops']);
  });

  it('S13 fewer roles carry only their own logins, and no more come back', async () => {
    const narrowed = await reissue({ ...identityIn(await issue('ann')), roles: ['dev'] });
    expect(ssh(narrowed).principals).toEqual(['ubuntu', 'ann']);
    expect(ssh(await reissue(identityIn(narrowed))).principals).toEqual(['ubuntu', 'ann']);
  });

  it('S18 what a role forbids that the user was given since is not in the next certificate, nor what it permits', async () => {
    const identity = identityIn(await issue('joe'));
    await test.state.write([
      {
        do: 'put',
        resource: makeResource('role', 'no', {
          allow: { logins: ['more'] },
          deny: { logins: ['ubuntu'] },
          options: { forward_agent: true, cert_extensions: [{ name: 'x@y', value: 'z' }] },
        }),
      },
      { do: 'put', resource: makeUser('joe', ['dev', 'no'], { logins: ['joe'] }) },
    ]);
    const next = await reissue(identity);
    expect(next).toMatchObject({ roles: ['dev'], logins: ['joe'] });
    expect([...ssh(next).extensions.keys()]).toEqual([...ssh(await reissue(identity)).extensions.keys()]);
    expect(ssh(next).extensions.has('permit-agent-forwarding')).toBe(false);
    expect(ssh(next).extensions.has('x@y')).toBe(false);
  });

  it('S16 a lock on a role that the user was given since refuses', async () => {
    const identity = identityIn(await issue('joe'));
    await test.state.write([
      { do: 'put', resource: makeUser('joe', ['dev', 'quiet'], { logins: ['joe'] }) },
      { do: 'put', resource: makeResource('lock', 'l', { target: { role: 'quiet' } }) },
    ]);
    expect(await codeOf(reissue(identity))).toBe('LOCKED');
  });

  it('S13 the pin stays, and another address gets nothing', async () => {
    const identity = identityIn(await issue('pia'));
    expect(identityIn(await reissue(identity)).pinned_ip).toBe(ADDRESS);
    expect(await codeOf(reissue(identity, { address: '192.0.2.8' }))).toBe('ACCESS_DENIED');
    // The role no longer asks for it: a pin that is in the certificate is carried on all the same.
    await test.state.write([{ do: 'put', resource: makeRole('pinned', { logins: ['db'] }) }]);
    expect(identityIn(await reissue(identity)).pinned_ip).toBe(ADDRESS);
  });

  it('S18 what was taken from the user is not in the next certificate', async () => {
    const identity = identityIn(await issue('ann'));
    await test.state.write([{ do: 'put', resource: makeUser('ann', ['dev'], { logins: ['ann2'] }) }]);
    const next = await reissue(identity);
    expect([next.roles, next.logins, identityIn(next).traits]).toEqual([['dev'], ['ubuntu'], {}]);
    await test.state.write([{ do: 'delete', kind: 'user', name: 'ann' }]);
    expect(await codeOf(reissue(identity))).toBe('NOT_FOUND');
  });

  it('S18 what was made by impersonation ends with the impersonator', async () => {
    const identity = identityIn(await issue('joe', { impersonator: { name: 'ann' } }));
    expect(identityIn(await reissue(identity)).impersonator).toBe('ann');
    await test.state.write([{ do: 'delete', kind: 'user', name: 'ann' }]);
    expect(await codeOf(reissue(identity))).toBe('NOT_FOUND');
  });

  it('S18 nothing is made from a certificate of an earlier user of the name, or of an earlier impersonator', async () => {
    const put = (name: string, uid: string): Promise<unknown> =>
      test.state.write([{ do: 'put', resource: makeResource('user', name, { roles: ['dev'], uid }) }]);
    await put('uma', '1');
    await put('ivo', '2');
    const identity = identityIn(await issue('uma', { impersonator: { name: 'ivo', uid: '2' } }));
    const next = identityIn(await reissue(identity));
    expect(next).toMatchObject({ uid: '1', impersonator: 'ivo', impersonator_uid: '2' });
    await put('ivo', '3');
    expect(await codeOf(reissue(next))).toBe('NOT_FOUND');
    await put('ivo', '2');
    expect(await codeOf(reissue(next))).toBe('ok');
    await put('uma', '4');
    expect(await codeOf(reissue(next))).toBe('NOT_FOUND');
    await put('uma', '1');
    const { uid: _uid, ...nameless } = next;
    expect(await codeOf(reissue(nameless))).toBe('NOT_FOUND');
  });

  it('S13 property: no chain of reissues ever widens anything', async () => {
    const step = fc.record({
      ttlMs: fc.option(fc.integer({ min: MINUTE, max: 40 * HOUR }), { nil: undefined }),
      held: fc.subarray(['dev', 'ops', 'pinned'], { minLength: 1 }),
      names: fc.subarray(['ann', 'bob', 'root']),
      wait: fc.integer({ min: 0, max: HOUR }),
    });
    const mfa = test.clock.now();
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 5 }), async (steps) => {
        await test.state.write([
          { do: 'put', resource: makeUser('max', ['dev', 'ops', 'pinned'], { logins: ['ann', 'bob'] }) },
        ]);
        let held = await issue('max', { mfaVerified: mfa });
        for (const { ttlMs, held: left, names, wait } of steps) {
          await test.clock.advance(wait);
          await test.state.write([{ do: 'put', resource: makeUser('max', left, { logins: names }) }]);
          const before = identityIn(held);
          const next = await reissue(before, { ttlMs }).catch((error: unknown) => error);
          if (isCode(next)) continue;
          const issued = next as UserCertificates;
          const after = identityIn(issued);
          expect(isWithin(grantOf(after), grantOf(before))).toBe(true);
          expect(tls(issued).notAfter).toBeLessThanOrEqual(tls(held).notAfter);
          expect(ssh(issued).validBefore).toBeLessThanOrEqual(ssh(held).validBefore);
          for (const role of after.roles) expect(left).toContain(role);
          for (const login of ssh(issued).principals.filter((name) => !name.startsWith('-'))) {
            expect(ssh(held).principals).toContain(login);
          }
          expect(after.mfa_verified).toBe(before.mfa_verified);
          held = issued;
        }
      }),
      { numRuns: 40 },
    );
  });
});
