// Client certificates for databases: for whom, for which account, by which agent, and never without a person.
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { databaseClientCertificate } from '#core/api/database.ts';
import { identityOfCertificate } from '#core/certs/x509/identity.ts';
import { parseX509 } from '#core/certs/x509/parse.ts';
import { derFromPem } from '#core/certs/x509/pem.ts';
import { verifyX509 } from '#core/certs/x509/verify.ts';
import type { Identity } from '#core/identity.ts';
import { callerOf, makeKeyTexts } from '#test/kit/auth-context.ts';
import { DB_AGENT, DB_HOST, startDbPeople, type DbPeople } from '#test/kit/db-people.ts';
import { makeResource, makeRole, makeUser } from '#test/kit/state.ts';
import { issueUser } from './user.ts';
import { ISSUE_HANDLERS } from './handlers.ts';

const MINUTE = 60_000;

let test: DbPeople;
beforeEach(async () => {
  test = await startDbPeople();
  const allow = { db_labels: { '*': '*' }, db_users: ['alice', 'reader'], db_names: ['shop'] };
  const database = {
    kind: 'db',
    version: 'v3',
    metadata: { name: 'orders' },
    spec: { protocol: 'postgres', uri: 'db.example.com:5432', admin_user: { name: 'maker' } },
  };
  await test.put(
    makeRole('db', allow),
    makeRole('makes', allow, { create_db_user_mode: 'keep' }),
    makeUser('joe', ['db']),
    makeUser('ann', ['makes']),
    makeResource('db_server', `orders.${DB_HOST}`, { host_id: DB_HOST, hostname: 'a', database }),
  );
});
afterEach(() => test.close());

const shown = async (...of: Parameters<DbPeople['shown']>): Promise<string> => {
  const der = await test.shown(...of);
  test.events.length = 0;
  return Buffer.from(der).toString('base64');
};

async function call(request: object, caller: Identity = DB_AGENT): Promise<{ tls_certificate: string }> {
  const found = ISSUE_HANDLERS.find((one) => one.endpoint.path === databaseClientCertificate.path)!;
  const { tls_public_key } = makeKeyTexts();
  const whole = { service: 'orders', account: 'alice', database: 'shop', admin: false, tls_public_key };
  const answer = await found.handle(test.context, callerOf(caller), { ...whole, ...request }, {});
  return answer as { tls_certificate: string };
}

describe('client certificates for databases', () => {
  it('ok: the account as common name, from the authority of databases, no longer than the person may', async () => {
    const { tls_certificate } = await call({ certificate: await shown('joe') });
    const der = derFromPem(tls_certificate);
    const authorities = test.authorities
      .publicPart('db')
      .tlsCertificates.map((pem) => parseX509(derFromPem(pem)));
    const certificate = verifyX509(der, { authorities, purpose: 'clientAuth', now: test.clock.now() });
    expect(certificate.subject.commonName).toBe('alice');
    expect(certificate.notAfter).toBeLessThanOrEqual(test.clock.now() + 30 * MINUTE);
    expect(test.events).toMatchObject([
      { event: 'cert.create', method: 'db-client', user: 'joe', host_id: DB_HOST },
    ]);
  });

  it('S8 it is no identity of the cluster, and good for no server', async () => {
    const { tls_certificate } = await call({ certificate: await shown('joe') });
    const der = derFromPem(tls_certificate);
    expect(() => identityOfCertificate(parseX509(der))).toThrow();
    const authorities = test.authorities
      .publicPart('db')
      .tlsCertificates.map((pem) => parseX509(derFromPem(pem)));
    expect(() => verifyX509(der, { authorities, purpose: 'serverAuth', now: test.clock.now() })).toThrow();
  });

  it('S8 refuses: certificates of persons that are not for this database', async () => {
    const refused = (certificate: string): Promise<void> =>
      expect(call({ certificate })).rejects.toMatchObject({ code: 'ACCESS_DENIED' });
    await refused(await shown('joe', { usage: 'app' }));
    await refused(await shown('joe', { route_to_database: { service: 'other', protocol: 'postgres' } }));
    const plain = await issueUser(test.context, { user: 'joe', keys: makeKeyTexts(), method: 'login' });
    await refused(Buffer.from(derFromPem(plain.tls_certificate)).toString('base64'));
    const narrowed = { service: 'orders', protocol: 'postgres', username: 'reader' };
    await refused(await shown('joe', { route_to_database: narrowed }));
    expect(test.events.filter(({ event }) => event === 'access.denied').length).toBeGreaterThan(0);
  });

  it('refuses: S18 accounts, databases and agents that nobody granted', async () => {
    const certificate = await shown('joe');
    const refused = (request: object, code = 'ACCESS_DENIED'): Promise<void> =>
      expect(call({ certificate, ...request })).rejects.toMatchObject({ code });
    await refused({ account: 'postgres' });
    await refused({ account: 'Alice' });
    await refused({ database: 'postgres' });
    await refused({ account: 'maker', admin: true });
    await refused({ service: 'other' });
    const other: Identity = { ...DB_AGENT, host_id: '22222222-2222-4333-8444-555555555555' } as Identity;
    await expect(call({ certificate }, other)).rejects.toMatchObject({ code: 'NOT_FOUND' });
    await expect(call({ certificate: 'AAAA' })).rejects.toThrow();
  });

  it('S16 refuses: after its end, and when the person is locked or gone', async () => {
    const certificate = await shown('joe', {}, 5);
    test.clock.step(6 * MINUTE);
    await expect(call({ certificate })).rejects.toMatchObject({ code: 'CERTIFICATE_INVALID' });
    const fresh = await shown('joe');
    await test.put(makeResource('lock', 'l1', { target: { user: 'joe' } }));
    await expect(call({ certificate: fresh })).rejects.toMatchObject({ code: 'LOCKED' });
  });

  it('ok: the admin account, for people whose accounts are made, and no other account that way', async () => {
    const certificate = await shown('ann');
    await expect(call({ certificate, account: 'maker', admin: true })).resolves.toBeDefined();
    await expect(call({ certificate, account: 'postgres', admin: true })).rejects.toMatchObject({
      code: 'ACCESS_DENIED',
    });
  });
});
