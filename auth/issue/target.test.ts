// Certificates for one database or application: who gets them, what they say, and how long they live.
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  targetCertificate,
  targetGrants,
  type TargetCertificate,
  type TargetGrants,
} from '#core/api/targets.ts';
import { identityOfCertificate } from '#core/certs/x509/identity.ts';
import { parseX509 } from '#core/certs/x509/parse.ts';
import { derFromPem } from '#core/certs/x509/pem.ts';
import { verifyX509 } from '#core/certs/x509/verify.ts';
import type { GatehouseError } from '#core/errors/error.ts';
import { parseIdentity, type Identity, type UserIdentity } from '#core/identity.ts';
import type { Resource } from '#core/resource.ts';
import { callerOf, CLUSTER, makeKeyTexts, startTestAuth, type TestAuth } from '#test/kit/auth-context.ts';
import { makeResource, makeRole, makeUser } from '#test/kit/state.ts';
import { TARGET_HANDLERS } from './target-handlers.ts';
import { issueUser } from './user.ts';

const HOUR = 3_600_000;
const READ_ONLY = 'arn:aws:iam::123456789012:role/ReadOnly';
const OTHER_ACCOUNT = 'arn:aws:iam::999999999999:role/ReadOnly';

let test: TestAuth;
const put = (...resources: Resource[]): Promise<unknown> =>
  test.state.write(resources.map((resource) => ({ do: 'put', resource })));
const db = (name: string, host: string, labels: object, spec: object = {}): Resource =>
  makeResource('db_server', `${name}.${host}`, {
    host_id: host,
    hostname: host,
    database: {
      metadata: { name, labels },
      spec: { protocol: 'postgres', uri: 'db.example.com:5432', ...spec },
    },
  });
const app = (name: string, labels: object, spec: object = {}): Resource =>
  makeResource('app_server', `${name}.h1`, {
    host_id: 'h1',
    hostname: 'h1',
    app: { metadata: { name, labels }, spec: { uri: 'http://localhost:3000', ...spec } },
  });

beforeEach(async () => {
  test = await startTestAuth();
  const prod = { env: 'prod' };
  await put(
    makeRole('dba', { db_labels: { env: 'prod' }, db_users: ['reader', 'writer'], db_names: ['shop'] }),
    makeRole('any', { db_labels: { '*': '*' }, db_users: '*', db_names: '*' }),
    makeRole('maker', { db_labels: { '*': '*' }, db_names: '*' }, { create_db_user_mode: 'keep' }),
    makeRole('web', { app_labels: { '*': '*' }, aws_role_arns: [READ_ONLY, OTHER_ACCOUNT] }),
    makeRole('short', {}, { max_session_ttl: '1h' }),
    makeRole('no-writer', {}, {}, { db_users: ['writer'] }),
    makeRole('strict', { db_labels: { '*': '*' }, db_users: '*' }, { require_session_mfa: true }),
    makeUser('joe', ['dba', 'web']),
    makeUser('eve', []),
    db('orders', 'h1', prod),
    db('hidden', 'h1', { env: 'stage' }),
    db('made', 'h1', prod, { admin_user: { name: 'maker' } }),
    app('grafana', {}),
    app('portal', {}, { public_addr: 'portal.example.com' }),
    app('console', { aws_account_id: '123456789012' }, { uri: 'https://console.aws.amazon.com' }),
  );
});
afterEach(() => test.close());

async function login(user: string, ttlMs = 8 * HOUR): Promise<UserIdentity> {
  const request = { user, keys: makeKeyTexts(), address: '192.0.2.7', method: 'login', ttlMs };
  const { tls_certificate } = await issueUser(test.context, request);
  test.events.length = 0;
  return parseIdentity(identityOfCertificate(parseX509(derFromPem(tls_certificate)))) as UserIdentity;
}
const ask = async (who: string | Identity, request: object, address?: string): Promise<TargetCertificate> => {
  const identity = typeof who === 'string' ? await login(who) : who;
  const found = TARGET_HANDLERS.find(({ endpoint }) => endpoint.path === targetCertificate.path)!;
  const { tls_public_key } = makeKeyTexts();
  return found.handle(
    test.context,
    callerOf(identity, address),
    { tls_public_key, ...request },
    {},
  ) as Promise<TargetCertificate>;
};
const grants = async (who: string, kind: string, name: string): Promise<TargetGrants> => {
  const found = TARGET_HANDLERS.find(({ endpoint }) => endpoint.path === targetGrants.path)!;
  return found.handle(test.context, callerOf(await login(who)), { kind, name }, {}) as Promise<TargetGrants>;
};
const refusal = (promise: Promise<unknown>): Promise<GatehouseError> =>
  promise.then(
    () => expect.unreachable('accepted'),
    (error: GatehouseError) => error,
  );
const identityIn = ({ tls_certificate }: TargetCertificate): UserIdentity =>
  parseIdentity(identityOfCertificate(parseX509(derFromPem(tls_certificate)))) as UserIdentity;

describe('a certificate for a database', () => {
  it('ok: the person, the database and nothing more, for TLS clients, on record', async () => {
    const issued = await ask('joe', {
      database: { service: 'orders', username: 'reader', database: 'shop' },
    });
    const identity = identityIn(issued);
    expect(identity).toMatchObject({
      name: 'joe',
      cluster: CLUSTER,
      roles: ['dba', 'web'],
      logins: [],
      usage: 'db',
      route_to_database: {
        service: 'orders',
        protocol: 'postgres',
        username: 'reader',
        database: 'shop',
      },
    });
    const authorities = test.authorities.publicPart('user').tlsCertificates;
    verifyX509(derFromPem(issued.tls_certificate), {
      authorities: authorities.map((pem) => parseX509(derFromPem(pem))),
      purpose: 'clientAuth',
      now: test.clock.now(),
    });
    expect(issued).toMatchObject({ user: 'joe', protocol: 'postgres', cluster_name: CLUSTER });
    expect(issued.tls_authorities).toEqual(test.authorities.publicPart('host').tlsCertificates);
    expect(test.events).toMatchObject([
      {
        event: 'cert.create',
        method: 'target',
        user: 'joe',
        db_service: 'orders',
        db_user: 'reader',
        db_name: 'shop',
      },
    ]);
  });

  it('S13 it lives no longer than the login, the roles and the user', async () => {
    const wish = { database: { service: 'orders' } };
    const identity = await login('joe', 2 * HOUR);
    await test.clock.advance(HOUR);
    expect((await ask(identity, wish)).expires).toBe(identity.session_expires);
    const short = await ask(identity, { ...wish, ttl: '10m' });
    expect(Date.parse(short.expires) - test.clock.now()).toBe(600_000);
    expect(identityIn(short).session_expires).toBe(short.expires);
    await put(makeUser('joe', ['dba', 'short']));
    const cut = await ask('joe', wish);
    expect(Date.parse(cut.expires) - test.clock.now()).toBe(HOUR);
    const late = await login('joe', 2 * HOUR);
    await test.clock.advance(HOUR - 30_000);
    expect((await refusal(ask(late, wish))).code).toBe('CERTIFICATE_INVALID');
  });

  it.each([
    ['a database that no role shows', { service: 'hidden' }],
    ['one that is not there', { service: 'nothing' }],
    ['an account that no role grants', { service: 'orders', username: 'postgres' }],
    ['a database name that no role grants', { service: 'orders', username: 'reader', database: 'postgres' }],
  ])('refuses: %s, in the same words, with the reasons on record', async (_name, database) => {
    const error = await refusal(ask('joe', { database }));
    expect(error).toMatchObject({ code: 'ACCESS_DENIED' });
    expect(error.message).toMatch(/^access denied \(denial [0-9a-f-]{36}\)$/);
    expect(test.events).toMatchObject([
      {
        event: 'access.denied',
        user: 'joe',
        resource: `db/${database.service}`,
        reasons: expect.arrayContaining([expect.any(String)]),
      },
    ]);
  });

  it('ok: any account, where a role grants any; deny wins', async () => {
    await put(makeUser('joe', ['any', 'no-writer']));
    await ask('joe', { database: { service: 'hidden', username: 'postgres' } });
    expect((await refusal(ask('joe', { database: { service: 'orders', username: 'writer' } }))).code).toBe(
      'ACCESS_DENIED',
    );
  });

  it('ok: the own name, where a role makes accounts and the database has one that does', async () => {
    await put(makeUser('joe', ['maker']));
    await ask('joe', { database: { service: 'made', username: 'joe' } });
    await ask('joe', { database: { service: 'made' } });
    expect((await refusal(ask('joe', { database: { service: 'made', username: 'ann' } }))).code).toBe(
      'ACCESS_DENIED',
    );
    expect((await refusal(ask('joe', { database: { service: 'orders', username: 'joe' } }))).code).toBe(
      'ACCESS_DENIED',
    );
  });

  it('ok: of agents that say different things, one that the roles show is enough', async () => {
    await put(db('hidden', 'h2', { env: 'prod' }));
    expect(identityIn(await ask('joe', { database: { service: 'hidden' } })).route_to_database).toEqual({
      service: 'hidden',
      protocol: 'postgres',
    });
  });

  it('S16 refuses: locked people, roles and accounts', async () => {
    const wish = { database: { service: 'orders', username: 'reader' } };
    const joe = await login('joe');
    for (const target of [{ user: 'joe' }, { role: 'dba' }, { login: 'reader' }]) {
      await put(makeResource('lock', 'l', { target }));
      expect((await refusal(ask(joe, wish))).code, JSON.stringify(target)).toBe('LOCKED');
    }
    await put(makeResource('lock', 'l', { target: { login: 'other' } }));
    await ask(joe, wish);
  });

  it('refuses: a second factor for each session, which nobody could check', async () => {
    await put(makeUser('joe', ['strict']));
    expect((await refusal(ask('joe', { database: { service: 'orders' } }))).code).toBe('NOT_SUPPORTED');
  });

  it('S13 a pin stays, and another address gets nothing', async () => {
    const joe = { ...(await login('joe')), pinned_ip: '192.0.2.7' };
    expect(identityIn(await ask(joe, { database: { service: 'orders' } })).pinned_ip).toBe('192.0.2.7');
    const error = await refusal(ask(joe, { database: { service: 'orders' } }, '192.0.2.8'));
    expect(error.code).toBe('ACCESS_DENIED');
  });

  it('S8 refuses: every identity but that of a login', async () => {
    const wish = { database: { service: 'orders' } };
    const joe = await login('joe');
    for (const usage of ['db', 'app', 'kube'] as const) {
      expect((await refusal(ask({ ...joe, usage }, wish))).code).toBe('ACCESS_DENIED');
    }
    const host: Identity = {
      kind: 'host',
      cluster: CLUSTER,
      host_id: 'h1',
      name: 'h1',
      roles: ['db', 'proxy'],
    };
    expect((await refusal(ask(host, wish))).code).toBe('ACCESS_DENIED');
    const admin: Identity = { kind: 'admin', cluster: CLUSTER, name: 'local-admin' };
    expect((await refusal(ask(admin, wish))).code).toBe('ACCESS_DENIED');
  });

  it('S18 refuses: a role that the user had and has no more', async () => {
    const joe = await login('joe');
    const stored = test.state.get('user', 'joe') as Resource<{ uid: string }>;
    await put({ ...stored, spec: { ...stored.spec, roles: ['web'] } } as Resource);
    expect((await refusal(ask(joe, { database: { service: 'orders' } }))).code).toBe('ACCESS_DENIED');
  });

  it.each([
    ['neither', {}],
    ['both', { database: { service: 'orders' }, app: { name: 'grafana' } }],
  ])('refuses: %s of database and application', async (_name, request) => {
    expect((await refusal(ask('joe', request))).code).toBe('BAD_REQUEST');
  });

  it('S1 refuses: the key of an authority', async () => {
    const [pem = ''] = test.authorities.publicPart('user').tlsCertificates;
    const key = parseX509(derFromPem(pem)).publicKey.key.export({ type: 'spki', format: 'pem' });
    const error = await refusal(ask('joe', { database: { service: 'orders' }, tls_public_key: String(key) }));
    expect(error.code).toBe('BAD_REQUEST');
  });
});

describe('a certificate for an application', () => {
  it('ok: its address, a session of its own each time', async () => {
    const one = identityIn(await ask('joe', { app: { name: 'grafana' } }));
    expect(one).toMatchObject({
      usage: 'app',
      logins: [],
      route_to_app: { name: 'grafana', public_addr: expect.stringMatching(/^grafana\.[^:]+$/) },
    });
    const other = await ask('joe', { app: { name: 'portal' } });
    expect(other).toMatchObject({ public_addr: 'portal.example.com', protocol: 'http' });
    expect(other.session_id).toMatch(/^[0-9a-f-]{36}$/);
    expect(other.session_id).not.toBe(one.route_to_app?.session_id);
  });

  it('ok: a role of AWS, of the account of the application', async () => {
    const issued = await ask('joe', { app: { name: 'console', aws_role: READ_ONLY } });
    expect(issued.protocol).toBe('aws');
    expect(identityIn(issued).route_to_app).toMatchObject({ name: 'console', aws_role_arn: READ_ONLY });
    expect(test.events).toMatchObject([{ app_name: 'console', aws_role_arn: READ_ONLY }]);
  });

  it.each([
    ['a role of another account', { name: 'console', aws_role: OTHER_ACCOUNT }, 'ACCESS_DENIED'],
    ['a role that is not granted', { name: 'console', aws_role: `${READ_ONLY}2` }, 'ACCESS_DENIED'],
    ['every role', { name: 'console', aws_role: '*' }, 'ACCESS_DENIED'],
    ['no role where one must be named', { name: 'console' }, 'BAD_REQUEST'],
    ['a role where there is none', { name: 'grafana', aws_role: READ_ONLY }, 'BAD_REQUEST'],
    ['an application that is not there', { name: 'nothing', aws_role: READ_ONLY }, 'ACCESS_DENIED'],
  ])('refuses: %s', async (_name, wish, code) => {
    expect((await refusal(ask('joe', { app: wish }))).code).toBe(code);
  });

  it('refuses: whoever has no role for it', async () => {
    expect((await refusal(ask('eve', { app: { name: 'grafana' } }))).code).toBe('ACCESS_DENIED');
  });
});

describe('what roles grant', () => {
  it('ok: accounts and databases, without those that are denied', async () => {
    await put(makeUser('joe', ['dba', 'no-writer']));
    expect(await grants('joe', 'db', 'orders')).toEqual({
      db_users: { values: ['reader'], any: false },
      db_names: { values: ['shop'], any: false },
      denied_db_users: ['writer'],
      denied_db_names: [],
      aws_role_arns: [],
      creates_db_user: false,
    });
    await put(makeUser('joe', ['any', 'maker']));
    expect(await grants('joe', 'db', 'made')).toMatchObject({
      db_users: { values: [], any: true },
      creates_db_user: true,
    });
    expect((await grants('joe', 'db', 'orders')).creates_db_user).toBe(false);
  });

  it('ok: roles of AWS of that account, and none elsewhere', async () => {
    expect((await grants('joe', 'app', 'console')).aws_role_arns).toEqual([READ_ONLY]);
    expect((await grants('joe', 'app', 'grafana')).aws_role_arns).toEqual([]);
  });

  it('refuses: what is hidden and what is not there, alike', async () => {
    const hidden = await refusal(grants('joe', 'db', 'hidden'));
    const nothing = await refusal(grants('joe', 'db', 'nothing'));
    expect([hidden.code, hidden.message]).toEqual([nothing.code, nothing.message]);
  });
});
