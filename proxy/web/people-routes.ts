// The pages and calls of people at the proxy: login, the list of applications, the way to one, logout; and the keys by
// which applications and AWS check what the cluster says of people.
import { X509Certificate } from 'node:crypto';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { createWebSession } from '#core/api/web-sessions.ts';
import type { Clock } from '#core/clock.ts';
import { GatehouseError, isCode } from '#core/errors/error.ts';
import { issuerOf } from '#core/jwt/issuer.ts';
import { publicJwk } from '#core/jwt/sign.ts';
import { RateLimit } from '#core/rate-limit.ts';
import { isAwsApp } from '#kinds/app/kind.ts';
import { halvesIn, halvesText, setCookie, WEB_COOKIE, type Halves } from '../app/cookies.ts';
import { FINISH_PATH, localPath, START_PATH } from '../app/door.ts';
import type { AppOrigins } from '../app/origins.ts';
import { ipOf, type Origin } from '../listen/origin.ts';
import { PAGE_POLICY, type Page, type Pages } from './pages.ts';
import type { People } from './people.ts';
import { requireBody, requireNavigation, requireSameOrigin } from './requests.ts';

export interface PeopleRoutesOptions {
  readonly clock: Clock;
  readonly pages: Pages;
  readonly people: People;
  readonly apps: AppOrigins;
  /** `host:port` of the web port, the main one. */
  readonly publicAddress: () => string;
  /** PEM of the authority `jwt`; empty while the proxy does not know its cluster. */
  readonly tokenAuthorities: () => readonly string[];
  readonly originOf: (request: FastifyRequest) => Origin;
}

/** Calls of one address: so many at once, then one in two seconds. */
const LOGINS = { burst: 30, refillMs: 2000 };
const FAILURES = { burst: 60, refillMs: 1000 };
const STATE = /^[\w-]{43}$/;
const APP_NAME = /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/;
const LOGIN_PAGE = '/web/login';
const JWKS_PATH = '/.well-known/jwks.json';

export function mountPeople(app: FastifyInstance, options: PeopleRoutesOptions): void {
  mountPages(app, options);
  mountCalls(app, options);
  mountLaunch(app, options);
  mountKeys(app, options);
}

function mountPages(app: FastifyInstance, { pages }: PeopleRoutesOptions): void {
  const send = (reply: FastifyReply, { type, body }: Page): FastifyReply =>
    reply.header('content-security-policy', PAGE_POLICY).type(type).send(body);
  app.get(LOGIN_PAGE, async (_request, reply) => send(reply, pages.login));
  // What it shows is asked for by a call with the cookie.
  app.get('/web/apps', async (_request, reply) => send(reply, pages.apps));
}

function mountCalls(app: FastifyInstance, options: PeopleRoutesOptions): void {
  const { clock, people, originOf } = options;
  const logins = new RateLimit({ clock, ...LOGINS });
  const withSession = sessionReader(options);
  app.post('/v1/webapi/sessions', async (request, reply) => {
    requireSameOrigin(request);
    const origin = originOf(request);
    if (!logins.take(ipOf(origin))) throw tooMany();
    const { id, secret, user, expires } = await people.logIn(
      requireBody(createWebSession.request, request.body),
      origin,
    );
    const seconds = (Date.parse(expires) - clock.now()) / 1000;
    void reply.header('set-cookie', setCookie(WEB_COOKIE, halvesText({ id, secret }), seconds));
    return { user, expires };
  });
  app.delete('/v1/webapi/sessions', async (request, reply) => {
    requireSameOrigin(request);
    void reply.header('set-cookie', setCookie(WEB_COOKIE, '', 0));
    await withSession(request, (halves, origin) => people.logOut(halves, origin)).catch((error: unknown) => {
      // It is gone already, which is what was asked for.
      if (!isCode(error, 'UNAUTHENTICATED')) throw error;
    });
    return {};
  });
  app.get('/v1/webapi/apps', async (request) => {
    requireSameOrigin(request);
    const identity = await withSession(request, (halves, origin) => people.open(halves, origin));
    return { user: identity.name, apps: people.appsOf(identity) };
  });
}

type WithSession = <T>(
  request: FastifyRequest,
  work: (halves: Halves, origin: Origin) => Promise<T>,
) => Promise<T>;

/** UNAUTHENTICATED without the cookie of a session; who tries many that are not good is told to wait. */
function sessionReader({ clock, originOf }: PeopleRoutesOptions): WithSession {
  const failures = new RateLimit({ clock, ...FAILURES });
  return async (request, work) => {
    const origin = originOf(request);
    const halves = halvesIn(request.headers.cookie, WEB_COOKIE);
    if (halves === undefined) throw new GatehouseError('UNAUTHENTICATED', 'log in first');
    if (!failures.take(ipOf(origin))) throw tooMany();
    const result = await work(halves, origin);
    failures.giveBack(ipOf(origin));
    return result;
  };
}

interface LaunchQuery {
  readonly state?: unknown;
  readonly path?: unknown;
  readonly aws_role?: unknown;
}

function mountLaunch(app: FastifyInstance, options: PeopleRoutesOptions): void {
  const { people, apps } = options;
  const withSession = sessionReader(options);
  app.get<{ Params: { app: string }; Querystring: LaunchQuery }>(
    '/web/launch/:app',
    async (request, reply) => {
      const { app: name } = request.params;
      requireNavigation(request);
      const document = APP_NAME.test(name) ? apps.document(name) : undefined;
      const state = textOf(request.query.state);
      const awsRole = textOf(request.query.aws_role);
      // Whether there is one that the roles hide is told by the list alone.
      if (document === undefined || (isAwsApp(document.spec) && awsRole === undefined)) {
        return reply.redirect('/web/apps', 302);
      }
      const query = new URLSearchParams({ path: localPath(textOf(request.query.path) ?? null) });
      if (state === undefined || !STATE.test(state)) {
        // The way begins at the application, where the browser is given what it must bring back.
        if (awsRole !== undefined) query.set('aws_role', awsRole);
        return reply.redirect(`${apps.urlOf(document)}${START_PATH}?${query.toString()}`, 302);
      }
      try {
        const code = await withSession(request, (halves, origin) =>
          people.launch(halves, { app: name, state, awsRole }, origin),
        );
        query.set('code', code);
        query.set('state', state);
        return await reply.redirect(`${apps.urlOf(document)}${FINISH_PATH}?${query.toString()}`, 302);
      } catch (error) {
        if (!isCode(error, 'UNAUTHENTICATED', 'NOT_FOUND')) throw error;
        const back = new URLSearchParams({ redirect: request.url });
        return reply.redirect(`${LOGIN_PAGE}?${back.toString()}`, 302);
      }
    },
  );
}

function mountKeys(app: FastifyInstance, { publicAddress, tokenAuthorities }: PeopleRoutesOptions): void {
  app.get(JWKS_PATH, async (_request, reply) => {
    const keys = tokenAuthorities().map((pem) => publicJwk(new X509Certificate(pem).publicKey));
    return reply.header('cache-control', 'public, max-age=300').send({ keys });
  });
  app.get('/.well-known/openid-configuration', async (_request, reply) => {
    const issuer = issuerOf(publicAddress());
    return reply.header('cache-control', 'public, max-age=300').send({
      issuer,
      jwks_uri: `${issuer}${JWKS_PATH}`,
      response_types_supported: ['id_token'],
      subject_types_supported: ['public'],
      id_token_signing_alg_values_supported: ['ES256'],
      claims_supported: ['iss', 'sub', 'aud', 'iat', 'nbf', 'exp'],
      scopes_supported: ['openid'],
    });
  });
}

const textOf = (value: unknown): string | undefined =>
  typeof value === 'string' && value !== '' && value.length <= 2048 ? value : undefined;
const tooMany = (): GatehouseError =>
  new GatehouseError('LIMIT_EXCEEDED', 'too many attempts from this address; wait a minute');
