// Sessions of people in browsers, and the S12 matrix: half a cookie, somebody else's, one of another application, after
// logout, lock and end. What tokens say of people is checked against the published keys.
import { createHash, X509Certificate } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { identityOfCertificate } from '#core/certs/x509/identity.ts';
import { parseX509 } from '#core/certs/x509/parse.ts';
import type { GatehouseError } from '#core/errors/error.ts';
import { parseJwks } from '#core/jwt/jwks.ts';
import { parseJwt, verifyJwt } from '#core/jwt/jwt.ts';
import { publicJwk } from '#core/jwt/sign.ts';
import { PASSWORD, startAccounts, type Signed, type TestAccounts } from '#test/kit/accounts.ts';
import { ADDRESS, callerOf } from '#test/kit/auth-context.ts';
import { makeResource, makeRole } from '#test/kit/state.ts';
import { webLogIn } from '../accounts/login.ts';
import { issueAppToken } from '../issue/app-token.ts';
import type { Halves } from './halves.ts';
import { finishLaunch, openApp, startLaunch } from './launch.ts';
import { endSessions, openSession, requireSession } from './sessions.ts';

const ROLE_ARN = 'arn:aws:iam::123456789012:role/ReadOnly';
let house: TestAccounts;
let joe: Signed;

beforeEach(async () => {
  house = await startAccounts();
  await house.state.write([
    {
      do: 'put',
      resource: makeRole('dev', {
        logins: ['root'],
        app_labels: { env: ['dev'] },
        aws_role_arns: [ROLE_ARN],
      }),
    },
    serving('grafana', { rewrite: { jwt_claims: 'roles' } }),
    serving('wiki', {}),
    serving('hidden', {}, 'prod'),
    serving('aws', { uri: 'https://console.aws.amazon.com/', aws: { oidc: true } }),
  ]);
  joe = await house.signUp('joe');
});
afterEach(() => house.close());

function serving(name: string, spec: object, env = 'dev') {
  const app = {
    kind: 'app',
    version: 'v3',
    metadata: { name, labels: { env } },
    spec: { uri: `http://${name}.inside:8080`, ...spec },
  };
  const resource = makeResource('app_server', `${name}.agent-1`, {
    host_id: 'agent-1',
    hostname: 'agent',
    proxy_ids: [],
    app,
  });
  return { do: 'put', resource } as const;
}

const codeOf = (promise: Promise<unknown>): Promise<string> =>
  promise.then(
    () => 'ok',
    ({ code }: GatehouseError) => code,
  );
/** A code is good once, so each login has a step of its own. */
const logIn = async (who = joe) => {
  await house.clock.advance(30_000);
  return webLogIn(house.context, callerOf(undefined), {
    user: who.name,
    password: PASSWORD,
    otp: house.codeOf(who),
  });
};
const from = (halves: Halves, address = ADDRESS) => ({ ...halves, address });
const NONCE = 'what-the-browser-holds';
const STATE = createHash('sha256').update(NONCE).digest('base64url');

const launch = (web: Halves, app: string, awsRole?: string) =>
  startLaunch(house.context, {
    id: web.id,
    secret: web.secret,
    address: ADDRESS,
    app,
    state: STATE,
    awsRole,
  });
const finish = (code: string, app: string, nonce = NONCE) =>
  finishLaunch(house.context, { code, nonce, app, address: ADDRESS });
const opened = async (app = 'grafana', web?: Halves): Promise<Halves> => {
  const { code } = await launch(web ?? (await logIn()), app, app === 'aws' ? ROLE_ARN : undefined);
  return finish(code, app);
};
const identityIn = (certificate: string) =>
  identityOfCertificate(parseX509(new Uint8Array(Buffer.from(certificate, 'base64'))));

describe('from a login to an application', () => {
  test('ok: a certificate for that application and person, on record, that ends with the session', async () => {
    const web = await logIn();
    expect(house.events.at(-1)).toMatchObject({ event: 'user.login', user: 'joe', success: true });
    const { identity } = await openSession(house.context, from(web));
    expect(identity).toMatchObject({ name: 'joe', roles: ['dev'], logins: [] });
    const app = await opened('grafana', web);
    const { certificate, expires } = await openApp(house.context, { ...from(app), app: 'grafana' });
    expect(identityIn(certificate)).toMatchObject({
      name: 'joe',
      usage: 'app',
      route_to_app: { name: 'grafana', public_addr: expect.stringMatching(/^grafana\./) },
    });
    expect(Date.parse(expires)).toBeLessThanOrEqual(Date.parse(web.expires));
    expect(house.events.at(-1)).toMatchObject({ event: 'cert.create', method: 'web', user: 'joe' });
    expect(new X509Certificate(Buffer.from(certificate, 'base64')).publicKey.asymmetricKeyType).toBe('ec');
  });

  test('ok: a session of an AWS application has one role', async () => {
    const app = await opened('aws');
    const { certificate } = await openApp(house.context, { ...from(app), app: 'aws' });
    expect(identityIn(certificate)).toMatchObject({ route_to_app: { aws_role_arn: ROLE_ARN } });
  });

  test('refuses: applications that the person may not use or that are not there, alike', async () => {
    const web = await logIn();
    for (const app of ['hidden', 'nowhere']) {
      const { code } = await launch(web, app);
      expect(await codeOf(finish(code, app))).toBe('ACCESS_DENIED');
    }
  });

  test('refuses: wrong passwords and codes', async () => {
    const wrong = webLogIn(house.context, callerOf(undefined), {
      user: 'joe',
      password: 'x',
      otp: house.codeOf(joe),
    });
    expect(await codeOf(wrong)).toBe('INVALID_CREDENTIALS');
  });
});

describe('S12 cookies', () => {
  test('refuses: half of a cookie, and halves of two', async () => {
    const [web, app] = [await logIn(), await opened()];
    const other = await opened('wiki', web);
    for (const secret of ['', web.id, 'x'.repeat(43), app.secret, web.secret.slice(1)]) {
      expect(await codeOf(openSession(house.context, from({ id: web.id, secret })))).toBe('UNAUTHENTICATED');
    }
    for (const halves of [{ ...app, secret: '' }, { ...app, secret: other.secret }, web]) {
      expect(await codeOf(openApp(house.context, { ...from(halves), app: 'grafana' }))).toBe(
        'UNAUTHENTICATED',
      );
    }
    for (const id of ['', '..', 'a'.repeat(32), `${web.id}/x`]) {
      expect(await codeOf(openSession(house.context, from({ id, secret: web.secret })))).toBe(
        'UNAUTHENTICATED',
      );
    }
  });

  test('refuses: the cookie of one application at another, or as one of the web', async () => {
    const app = await opened();
    expect(await codeOf(openApp(house.context, { ...from(app), app: 'wiki' }))).toBe('UNAUTHENTICATED');
    expect(await codeOf(openSession(house.context, from(app)))).toBe('UNAUTHENTICATED');
    expect(await codeOf(launch(app, 'wiki'))).toBe('UNAUTHENTICATED');
  });

  test('refuses: everything after a logout, a lock, the end, and when the user is another one', async () => {
    const web = await logIn();
    const app = await opened('grafana', web);
    const both = async () => [
      await codeOf(openSession(house.context, from(web))),
      await codeOf(openApp(house.context, { ...from(app), app: 'grafana' })),
    ];
    expect(await both()).toEqual(['ok', 'ok']);
    const lock = makeResource('lock', 'l', { target: { user: 'joe' } });
    await house.state.write([{ do: 'put', resource: lock }]);
    expect(await both()).toEqual(['LOCKED', 'LOCKED']);
    await house.state.write([{ do: 'delete', kind: 'lock', name: 'l' }]);
    expect(await both()).toEqual(['ok', 'ok']);
    await endSessions(house.context, [web.id]);
    expect(await both()).toEqual(['UNAUTHENTICATED', 'UNAUTHENTICATED']);
    expect([...house.state.list('web_session')]).toEqual([]);
  });

  test('refuses: a session past its end, and one of a user who was made anew', async () => {
    const web = await logIn();
    await house.state.write([{ do: 'delete', kind: 'user', name: 'joe' }]);
    expect(await codeOf(openSession(house.context, from(web)))).toBe('NOT_FOUND');
    joe = await house.signUp('joe');
    expect(await codeOf(openSession(house.context, from(web)))).toBe('NOT_FOUND');
    await house.clock.advance(30 * 3_600_000);
    expect(await codeOf(requireSession(house.context, 'web', web))).toBe('UNAUTHENTICATED');
  });

  test('refuses: to keep anything from which a cookie could be made', async () => {
    const web = await logIn();
    const app = await opened('grafana', web);
    const { code } = await launch(web, 'wiki');
    const kept = JSON.stringify([...house.state.list('web_session')]);
    for (const secret of [web.secret, app.secret, code, NONCE]) expect(kept).not.toContain(secret);
  });
});

describe('S12 codes of launches', () => {
  test('refuses: one that is used, old, for another application, or brought by another browser', async () => {
    const web = await logIn();
    const { code } = await launch(web, 'grafana');
    expect(await codeOf(finish(code, 'grafana'))).toBe('ok');
    expect(await codeOf(finish(code, 'grafana'))).toBe('UNAUTHENTICATED');
    const { code: other } = await launch(web, 'grafana');
    expect(await codeOf(finish(other, 'wiki'))).toBe('UNAUTHENTICATED');
    // It was shown at the wrong place, so it is over.
    expect(await codeOf(finish(other, 'grafana'))).toBe('UNAUTHENTICATED');
    const { code: stolen } = await launch(web, 'grafana');
    expect(await codeOf(finish(stolen, 'grafana', 'another browser'))).toBe('UNAUTHENTICATED');
    const { code: old } = await launch(web, 'grafana');
    await house.clock.advance(61_000);
    expect(await codeOf(finish(old, 'grafana'))).toBe('UNAUTHENTICATED');
    expect(await codeOf(finish(web.id, 'grafana'))).toBe('UNAUTHENTICATED');
  });

  test('refuses: all but one of many at once', async () => {
    const { code } = await launch(await logIn(), 'grafana');
    const results = await Promise.all(Array.from({ length: 8 }, () => codeOf(finish(code, 'grafana'))));
    expect(results.filter((result) => result === 'ok')).toHaveLength(1);
  });

  test('refuses: a code after its session of the web has ended', async () => {
    const web = await logIn();
    const { code } = await launch(web, 'grafana');
    await endSessions(house.context, [web.id]);
    expect(await codeOf(finish(code, 'grafana'))).toBe('UNAUTHENTICATED');
  });
});

describe('tokens for applications', () => {
  const tokenFor = async (app: string, about: { purpose?: 'app' | 'aws'; hostId?: string } = {}) => {
    const { certificate } = await openApp(house.context, { ...from(await opened(app)), app });
    return issueAppToken(house.context, { certificate, purpose: 'app', hostId: 'agent-1', ...about });
  };
  const claimsOf = (token: string) => {
    const keys = house.context.authorities
      .publicPart('jwt')
      .tlsCertificates.map((pem) => publicJwk(new X509Certificate(pem).publicKey));
    const parsed = parseJwt(token);
    expect(parsed !== undefined && verifyJwt(parsed, parseJwks(JSON.stringify({ keys })))).toBe(true);
    return parsed?.claims;
  };

  test('ok: who it is, for whom, until when, and as much as the application asks for', async () => {
    const { token, expires } = await tokenFor('grafana');
    const claims = claimsOf(token);
    expect(claims).toMatchObject({
      iss: house.context.clusterName,
      aud: ['http://grafana.inside:8080'],
      sub: 'joe',
      username: 'joe',
      roles: ['dev'],
      exp: Date.parse(expires) / 1000,
    });
    expect(claims).not.toHaveProperty('traits');
  });

  test('ok: AWS gets one of its own, short, from the issuer that the proxy publishes', async () => {
    const claims = claimsOf((await tokenFor('aws', { purpose: 'aws' })).token);
    expect(claims).toMatchObject({
      aud: 'sts.amazonaws.com',
      sub: 'joe',
      iss: expect.stringMatching(/^https:/),
    });
    expect(claims).not.toHaveProperty('roles');
  });

  test('S8 refuses: other hosts, other certificates, and AWS where it is not asked for', async () => {
    expect(await codeOf(tokenFor('grafana', { hostId: 'agent-2' }))).toBe('ACCESS_DENIED');
    expect(await codeOf(tokenFor('grafana', { purpose: 'aws' }))).toBe('ACCESS_DENIED');
    await house.clock.advance(30_000);
    const { tls_certificate: pem } = await house.login({ user: 'joe', otp: house.codeOf(joe) });
    const certificate = new X509Certificate(pem).raw.toString('base64');
    const request = { certificate, purpose: 'app', hostId: 'agent-1' } as const;
    expect(await codeOf(issueAppToken(house.context, request))).toBe('ACCESS_DENIED');
    expect(await codeOf(issueAppToken(house.context, { ...request, certificate: 'AAAA' }))).toBe(
      'CERTIFICATE_INVALID',
    );
  });

  test('S16 refuses: when the roles do not give the application any more', async () => {
    const app = await opened();
    const { certificate } = await openApp(house.context, { ...from(app), app: 'grafana' });
    await house.state.write([{ do: 'put', resource: makeRole('dev', { logins: ['root'] }) }]);
    const request = { certificate, purpose: 'app', hostId: 'agent-1' } as const;
    expect(await codeOf(issueAppToken(house.context, request))).toBe('ACCESS_DENIED');
  });
});
