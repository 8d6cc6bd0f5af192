import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { identityOfCertificate } from '#core/certs/x509/identity.ts';
import { derFromPem } from '#core/certs/x509/pem.ts';
import { reissue, type UserCertificates } from '#core/api/login.ts';
import { isCode, type GatehouseError } from '#core/errors/error.ts';
import { parseIdentity, type Identity, type UserIdentity } from '#core/identity.ts';
import { check } from '#core/schema/check.ts';
import { callerOf, CLUSTER, makeKeyTexts, startTestAuth, type TestAuth } from '#test/kit/auth-context.ts';
import { makeResource, makeRole, makeUser } from '#test/kit/state.ts';
import { ISSUE_HANDLERS } from './handlers.ts';
import { issueUser } from './user.ts';

let test: TestAuth;
beforeEach(async () => {
  test = await startTestAuth();
  await test.state.write(
    [
      makeRole('dev', { logins: ['ubuntu'] }, { max_session_ttl: '8h' }),
      makeRole('bot', { impersonate: { users: ['joe'], roles: ['dev'] } }),
      makeUser('joe', ['dev']),
      makeUser('eve', ['dev', 'bot']),
      makeUser('ci', ['bot']),
    ].map((resource) => ({ do: 'put', resource })),
  );
});
afterEach(() => test.close());

const ADMIN: Identity = { kind: 'admin', cluster: CLUSTER, name: 'local-admin' };
const HOST: Identity = { kind: 'host', cluster: CLUSTER, host_id: 'h', name: 'h', roles: ['node', 'proxy'] };

async function identityFor(user: string): Promise<UserIdentity> {
  return identityIn(
    await issueUser(test.context, { user, keys: makeKeyTexts(), address: '192.0.2.7', method: 'login' }),
  );
}
function identityIn({ tls_certificate }: UserCertificates): UserIdentity {
  return parseIdentity(identityOfCertificate(derFromPem(tls_certificate))) as UserIdentity;
}
async function call(
  path: string,
  identity: Identity | undefined,
  request: object,
): Promise<UserCertificates> {
  const found = ISSUE_HANDLERS.find(({ endpoint }) => endpoint.path === path)!;
  return found.handle(
    test.context,
    callerOf(identity),
    { ...makeKeyTexts(), ...request },
    {},
  ) as Promise<UserCertificates>;
}
const sign = (identity: Identity | undefined, user: string, ttl = '12h'): Promise<UserCertificates> =>
  call('/v1/certificates/sign', identity, { user, ttl, cert_format: 'standard' });
const refusal = (promise: Promise<unknown>): Promise<GatehouseError> =>
  promise.then(
    () => expect.unreachable('accepted'),
    (error: GatehouseError) => error,
  );

describe('signing for others', () => {
  it('ok: the local admin, beyond the limit of the roles', async () => {
    const issued = await sign(ADMIN, 'joe', '100h');
    expect(Date.parse(issued.expires) - test.clock.now()).toBe(100 * 3_600_000);
    expect(test.events.at(-1)).toMatchObject({
      event: 'cert.create',
      method: 'sign',
      user: 'local-admin',
      key_id: 'joe',
    });
  });

  it('ok: a user whose role lets it impersonate, no longer than its own session', async () => {
    const ci = await identityFor('ci');
    await test.clock.advance(11 * 3_600_000);
    const issued = await sign(ci, 'joe');
    expect(issued.expires).toBe(ci.session_expires);
    expect(identityIn(issued)).toMatchObject({ name: 'joe', impersonator: 'ci' });
  });

  it('S13 a pin is carried over to what is made with the certificate', async () => {
    const { address } = callerOf(undefined);
    const pinned = { ...(await identityFor('ci')), pinned_ip: address };
    expect(identityIn(await sign(pinned, 'joe')).pinned_ip).toBe(address);
  });

  it('S18 refuses: what a role forbids that the user was given since', async () => {
    const ci = await identityFor('ci');
    expect((await sign(ci, 'joe')).user).toBe('joe');
    await test.state.write([
      { do: 'put', resource: makeResource('role', 'no', { deny: { impersonate: { users: ['joe'] } } }) },
      { do: 'put', resource: makeUser('ci', ['bot', 'no']) },
    ]);
    expect((await refusal(sign(ci, 'joe'))).code).toBe('ACCESS_DENIED');
  });

  it.each<[string, string, string]>([
    ['a user without such a role', 'joe', 'eve'],
    ['a user with more roles than may be impersonated', 'ci', 'eve'],
    ['a user that does not exist, in the same words', 'ci', 'nobody'],
  ])('refuses: %s', async (_title, who, user) => {
    const error = await refusal(sign(await identityFor(who), user));
    expect(error.code).toBe('ACCESS_DENIED');
    expect(error.message).toMatch(/^access denied \(denial [0-9a-f-]{36}\)$/);
    const event = test.events.at(-1)!;
    expect(event).toMatchObject({ event: 'access.denied', denial_id: error.details['denial_id'], user: who });
  });

  it('refuses: impersonation from a certificate that was made by impersonation', async () => {
    const made = identityIn(await sign(await identityFor('ci'), 'joe'));
    await test.state.write([{ do: 'put', resource: makeUser('joe', ['dev', 'bot']) }]);
    expect((await refusal(sign({ ...made, roles: ['dev', 'bot'] }, 'joe'))).code).toBe('ACCESS_DENIED');
  });

  it('S18 refuses: impersonation by who had the name before', async () => {
    const identity = await identityFor('ci');
    await test.state.write([
      { do: 'put', resource: makeResource('user', 'ci', { roles: ['bot'], uid: 'another' }) },
    ]);
    expect((await refusal(sign(identity, 'joe'))).code).toBe('NOT_FOUND');
    const made = await sign(await identityFor('ci'), 'joe');
    expect(identityIn(made)).toMatchObject({ impersonator: 'ci', impersonator_uid: 'another' });
  });

  it('S18 hosts and anonymous callers sign for nobody', async () => {
    for (const path of ['/v1/certificates/sign', '/v1/certificates/user', '/v1/certificates/db']) {
      for (const identity of [HOST, undefined]) {
        const request = { user: 'joe', ttl: '12h', cert_format: 'standard', hosts: ['db'] };
        expect((await refusal(call(path, identity, request))).code).toBe('ACCESS_DENIED');
      }
    }
    expect(test.events.some(({ event }) => event === 'cert.create')).toBe(false);
  });
});

describe('reissue', () => {
  it('S13 what is refused is denied with an id, and the reason is for admins', async () => {
    const elsewhere = { ...(await identityFor('joe')), pinned_ip: '192.0.2.99' };
    const error = await refusal(call('/v1/certificates/user', elsewhere, {}));
    expect(isCode(error, 'ACCESS_DENIED')).toBe(true);
    expect(error.message).not.toContain('address');
    expect(JSON.stringify(test.events.at(-1))).toContain('the address of a certificate');
  });

  it('S13 roles are not for the caller to choose', () => {
    expect(check(reissue.request, { ...makeKeyTexts(), roles: ['dev'] }).ok).toBe(false);
  });

  it('ok: the same again', async () => {
    const joe = await identityFor('joe');
    expect(identityIn(await call('/v1/certificates/user', joe, {}))).toEqual(joe);
  });
});
