// What the web port answers over HTTP: facts about the proxy, the pages, and the two calls of the sign-up page. All of it
// is for everybody; what is secret is in the bodies that people send.
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { webFind, webPing, type WebAnswer } from '#core/api/web.ts';
import { acceptInvite, openInvite } from '#core/api/login.ts';
import type { Clock } from '#core/clock.ts';
import { GatehouseError } from '#core/errors/error.ts';
import { RateLimit } from '#core/rate-limit.ts';
import { ipOf, type Origin } from '../listen/origin.ts';
import type { Invites } from './invites.ts';
import { fillPage, PAGE_POLICY, type Page, type Pages } from './pages.ts';
import { requireBody, requireSameOrigin } from './requests.ts';

export interface RouteOptions {
  readonly clock: Clock;
  readonly pages: Pages;
  readonly invites: Invites;
  /** UNAVAILABLE while the proxy does not know its cluster yet. */
  readonly facts: () => WebAnswer;
  /** Why it cannot serve now. */
  readonly notReady: () => string | undefined;
  readonly originOf: (request: FastifyRequest) => Origin;
}

/** Calls of one address to the sign-up page: so many at once, then one in two seconds. */
const INVITE_BURST = 30;
const INVITE_REFILL_MS = 2000;

export function mountRoutes(app: FastifyInstance, options: RouteOptions): void {
  mountFacts(app, options);
  mountPages(app, options);
  mountInvites(app, options);
}

function mountFacts(app: FastifyInstance, { facts, notReady }: RouteOptions): void {
  for (const { path } of [webPing, webFind]) app.get(path, async () => facts());
  app.get('/healthz', async () => ({ status: 'ok' }));
  app.get('/readyz', async () => {
    const reason = notReady();
    if (reason === undefined) return { status: 'ok' };
    throw new GatehouseError('UNAVAILABLE', reason);
  });
}

function mountPages(app: FastifyInstance, { pages, facts }: RouteOptions): void {
  const send = (reply: FastifyReply, { type, body }: Page): FastifyReply =>
    reply.header('content-security-policy', PAGE_POLICY).type(type).send(body);
  for (const path of ['/', '/web', '/web/']) {
    app.get(path, async (_request, reply) => {
      const { cluster_name: cluster, proxy } = facts();
      const body = fillPage(pages.landing, { cluster, address: proxy.ssh.public_addr });
      return send(reply, { ...pages.landing, body });
    });
  }
  // The same page whatever the token is: it is looked at by the call that the page makes.
  app.get('/web/newuser/:token', async (_request, reply) => send(reply, pages.signUp));
  for (const [name, asset] of pages.assets) {
    app.get(`/web/assets/${name}`, async (_request, reply) => send(reply, asset));
  }
}

function mountInvites(app: FastifyInstance, options: RouteOptions): void {
  const { clock, invites, facts, originOf } = options;
  const limit = new RateLimit({ clock, burst: INVITE_BURST, refillMs: INVITE_REFILL_MS });
  const admit = (request: FastifyRequest): Origin => {
    requireSameOrigin(request);
    const origin = originOf(request);
    if (limit.take(ipOf(origin))) return origin;
    throw new GatehouseError('LIMIT_EXCEEDED', 'too many attempts from this address; wait a minute');
  };
  app.post('/v1/webapi/invites/open', async (request) => {
    const origin = admit(request);
    const { token } = requireBody(openInvite.request, request.body);
    return invites.open(token, origin);
  });
  app.post('/v1/webapi/invites/accept', async (request) => {
    const origin = admit(request);
    const { user } = await invites.accept(requireBody(acceptInvite.request, request.body), origin);
    const address = facts().proxy.ssh.public_addr;
    return { user, login_command: `gate login --proxy=${shellWord(address)} --user=${shellWord(user)}` };
  });
}

/** As a shell reads it back. */
function shellWord(text: string): string {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;
}
