// Applications for browsers: their host names on the web port. A request needs the cookie of a session of that very
// application; people without one are led through the login, programs are told so (R37). What is let in takes the road to
// an agent, on streams that are used again.
import type { Socket } from 'node:net';
import { createHash, randomBytes } from 'node:crypto';
import { createAppSession, endWebSession } from '#core/api/web-sessions.ts';
import { parseIp } from '#core/certs/ip-address.ts';
import { GatehouseError, isCode } from '#core/errors/error.ts';
import { formatIpPort } from '#core/ip-port.ts';
import type { Log } from '#core/log.ts';
import { PeopleLimit } from '#core/people-limit.ts';
import { RateLimit } from '#core/rate-limit.ts';
import type { AppSpec } from '#kinds/app/kind.ts';
import type { Answer } from '#wire/http1/answer.ts';
import type { Exchange } from '#wire/http1/exchange.ts';
import { endToEnd, hostOf } from '#wire/http1/framing.ts';
import { fieldOf, fieldsOf, type Field, type RequestHead } from '#wire/http1/head.ts';
import { isNavigation, problemAnswer } from '#wire/http1/problem.ts';
import { SERVE_LIMITS, serveHttp } from '#wire/http1/serve.ts';
import { ipOf, type Origin, type Origins } from '../listen/origin.ts';
import {
  APP_COOKIE,
  cookieIn,
  halvesIn,
  halvesText,
  isOwnCookie,
  launchCookie,
  launchesIn,
  setCookie,
  withoutOwn,
} from './cookies.ts';
import { hostName, type AppOrigins } from './origins.ts';
import { peekHost } from './peek.ts';
import { corsFields, foreignOrigin, isForged, preflightAnswer } from './policy.ts';
import { AppSessions, type AppSession, type AppSessionsOptions } from './sessions.ts';

export interface AppDoorOptions extends AppSessionsOptions {
  readonly log: Log;
  readonly origins: Origins;
  readonly apps: AppOrigins;
  readonly trustsForwardedFor: boolean;
  /** Different people at a time, and connections at a time, of which one person has half at most. */
  readonly limits: { readonly maxUsers: number; readonly maxConnections: number };
  /** The web side of the proxy itself; owns the socket. */
  readonly web: { accept(socket: Socket): void };
}

export interface AppDoor {
  /** HTTP/1.1 on a connection, which may be TLS; `serverName` as TLS had it, '' for none. Owns the socket. */
  accept(socket: Socket, serverName?: string): void;
  close(): void;
}

/** Where the way to the login and back passes; not the application's. */
export const START_PATH = '/x-gatehouse-start';
export const FINISH_PATH = '/x-gatehouse-auth';
export const LOGOUT_PATH = '/x-gatehouse-logout';

const NONCE_BYTES = 32;
const LAUNCH_SECONDS = 600;
/** Launches of one browser that are under way at one application: more are begun and left. */
const MOST_LAUNCHES = 10;
const MAX_PATH = 2048;
const NONCE = /^[\w-]{43}$/;
/** Cookies and codes of one address that turned out not to be good. */
const FAILURES = { burst: 60, refillMs: 1000 };
const TELL_MS = 60_000;
const STRANGERS = { ...SERVE_LIMITS, headMs: 10_000, idleMs: 60_000, stallMs: 60_000 };

export function openAppDoor(options: AppDoorOptions): AppDoor {
  return new Door(options);
}

class Door implements AppDoor {
  readonly #options: AppDoorOptions;
  readonly #sessions: AppSessions;
  readonly #failures: RateLimit;
  readonly #people: PeopleLimit;
  readonly #mostOfOne: number;
  readonly #settled = new WeakSet<Socket>();
  #tellAgainAt = 0;

  constructor(options: AppDoorOptions) {
    this.#options = options;
    this.#sessions = new AppSessions(options);
    this.#failures = new RateLimit({ clock: options.clock, ...FAILURES });
    this.#people = new PeopleLimit(options.limits.maxUsers);
    this.#mostOfOne = Math.max(1, Math.floor(options.limits.maxConnections / 2));
  }

  accept(socket: Socket, serverName = ''): void {
    const { apps, web, clock } = this.#options;
    const choose = (host: string): void => {
      if (apps.appAt(host) === undefined) web.accept(socket);
      else this.#serveAll(socket);
    };
    if (serverName !== '') choose(serverName.toLowerCase());
    else peekHost(socket, clock, (host) => choose(hostName(host ?? '')));
  }

  close(): void {
    this.#sessions.close();
  }

  #serveAll(socket: Socket): void {
    serveHttp(socket, {
      clock: this.#options.clock,
      limits: STRANGERS,
      handle: (exchange) => this.#handle(exchange, socket),
      refuse: (error) => problemAnswer(error, undefined),
    });
  }

  #handle(exchange: Exchange, socket: Socket): void {
    const { head } = exchange;
    const host = hostOf(head);
    const app = this.#options.apps.appAt(hostName(host));
    if (app === undefined) {
      // Requests for the proxy itself come on a connection of their own.
      answerAndEnd(exchange, { status: 421, body: 'This connection is for another host.\n' });
      return;
    }
    const place: Place = { exchange, app, host, origin: this.#originOf(head, socket), socket };
    if (app === '') this.#refuseNobody(place);
    else this.#serve(place);
  }

  #refuseNobody({ exchange, host }: Place): void {
    const { apps, log, clock } = this.#options;
    const claimants = apps.claimants(hostName(host));
    if (claimants.length > 1 && clock.now() >= this.#tellAgainAt) {
      this.#tellAgainAt = clock.now() + TELL_MS;
      log.warn({ host, apps: claimants }, 'applications with the same public address are not served there');
    }
    exchange.answer(problemAnswer(noSuchApp(claimants), exchange.head));
  }

  #serve(place: Place): void {
    const { exchange, app } = place;
    const { head } = exchange;
    const [path] = head.target.split('?', 1);
    if (path === START_PATH || path === FINISH_PATH || path === LOGOUT_PATH) {
      void this.#own(path, place).catch((error: unknown) => this.#fail(place, error));
      return;
    }
    const preflight = preflightAnswer(head, originText(place), this.#specOf(app)?.cors);
    if (preflight !== undefined) {
      exchange.answer(preflight);
      return;
    }
    const halves = halvesIn(cookieHeader(head), APP_COOKIE);
    const known = halves === undefined ? undefined : this.#sessions.known(halves, app);
    if (known !== undefined) this.#forward(place, known);
    else if (halves === undefined) this.#begin(place);
    else void this.#openAndForward(place, halves);
  }

  async #openAndForward(place: Place, halves: { id: string; secret: string }): Promise<void> {
    const { app, origin } = place;
    try {
      this.#requireTries(origin);
      const session = await this.#sessions.open(halves, app, origin);
      this.#failures.giveBack(ipOf(origin));
      this.#forward(place, session);
    } catch (error) {
      if (isCode(error, 'UNAUTHENTICATED', 'CERTIFICATE_INVALID', 'NOT_FOUND')) this.#begin(place);
      else this.#fail(place, error);
    }
  }

  #forward(place: Place, session: AppSession): void {
    const { exchange, origin, app, socket } = place;
    const { head } = exchange;
    this.#letIn(socket, session.identity.name);
    const cors = this.#specOf(app)?.cors;
    if (isForged(head, originText(place), cors)) {
      const message =
        'a page of another origin may not do this here; its origin is not among cors.allowed_origins';
      exchange.answer(problemAnswer(new GatehouseError('ACCESS_DENIED', message), head));
      return;
    }
    exchange.forward({
      pool: session.pool(origin),
      head: { target: head.target, fields: requestFields(head) },
      keepTrailer: () => true,
      reply: replyFields,
      seen: () => {},
      failed: (error) => {
        this.#options.log.debug({ err: error, app }, 'an application could not be reached');
        return problemAnswer(error, head);
      },
      upgraded: (running) => session.hold(running),
    });
  }

  /**
   * Whoever has a session is no stranger, on whichever of their connections; one that has too many stays one, so that
   * nobody takes the room of all others.
   */
  #letIn(socket: Socket, person: string): void {
    if (this.#settled.has(socket) || socket.destroyed) return;
    try {
      socket.once('close', this.#people.take(person, this.#mostOfOne));
    } catch {
      return;
    }
    this.#settled.add(socket);
    this.#options.origins.settle(socket);
  }

  /** Nobody is known: people are led to the login, programs told. */
  #begin(place: Place): void {
    const { exchange, app } = place;
    const { head } = exchange;
    if (isNavigation(head)) {
      const [path = '/'] = [head.target.slice(0, MAX_PATH)];
      this.#sendToLaunch(place, new URLSearchParams({ path }));
      return;
    }
    const error = new GatehouseError(
      'UNAUTHENTICATED',
      'there is no session of this application here; log in',
    );
    const answer = problemAnswer(error, head);
    const cors = corsFields(this.#specOf(app)?.cors, foreignOrigin(head, originText(place)));
    exchange.answer({ ...answer, fields: [...(answer.fields ?? []), ...cors] });
  }

  /** To the proxy's page, with something of this browser that the way back must bring again. */
  #sendToLaunch({ exchange, app }: Place, query: URLSearchParams): void {
    const nonce = randomBytes(NONCE_BYTES).toString('base64url');
    const state = createHash('sha256').update(nonce).digest('base64url');
    query.set('state', state);
    const forgotten = launchesIn(cookieHeader(exchange.head)).slice(0, -MOST_LAUNCHES);
    redirect(exchange, `${this.#options.apps.webUrl()}/web/launch/${app}?${query.toString()}`, [
      setCookie(launchCookie(state), nonce, LAUNCH_SECONDS),
      ...forgotten.map((name) => setCookie(name, '', 0)),
    ]);
  }

  async #own(path: string, place: Place): Promise<void> {
    const { exchange } = place;
    const { head } = exchange;
    if (head.method !== 'GET') throw new GatehouseError('BAD_REQUEST', 'this address is for GET alone');
    const query = new URLSearchParams(head.target.split('?').slice(1).join('?'));
    if (path === START_PATH) {
      const wanted = new URLSearchParams();
      for (const name of ['path', 'aws_role']) {
        const value = query.get(name);
        if (value !== null) wanted.set(name, value.slice(0, MAX_PATH));
      }
      this.#sendToLaunch(place, wanted);
    } else if (path === FINISH_PATH) await this.#finish(place, query);
    else await this.#logOut(place);
  }

  async #finish(place: Place, query: URLSearchParams): Promise<void> {
    const { exchange, app, origin } = place;
    const { membership, clock } = this.#options;
    const [state, code] = [query.get('state') ?? '', query.get('code') ?? ''];
    const cookie = launchCookie(state);
    const nonce = NONCE.test(state) ? cookieIn(cookieHeader(exchange.head), cookie) : undefined;
    const back = localPath(query.get('path'));
    if (nonce === undefined || !NONCE.test(nonce) || !NONCE.test(code)) {
      throw new GatehouseError(
        'UNAUTHENTICATED',
        'the way to the application began in another browser; try again',
      );
    }
    this.#requireTries(origin);
    const session = await membership
      .api()
      .call(createAppSession, { code, nonce, app, address: ipOf(origin) });
    this.#failures.giveBack(ipOf(origin));
    const seconds = (Date.parse(session.expires) - clock.now()) / 1000;
    redirect(exchange, back, [setCookie(APP_COOKIE, halvesText(session), seconds), setCookie(cookie, '', 0)]);
  }

  async #logOut(place: Place): Promise<void> {
    const { exchange, app, origin } = place;
    const { head } = exchange;
    if (['cross-site', 'same-site'].includes(fieldOf(head.fields, 'sec-fetch-site') ?? '')) {
      throw new GatehouseError('ACCESS_DENIED', 'a page of another origin may not log anybody out');
    }
    const halves = halvesIn(cookieHeader(head), APP_COOKIE);
    if (halves !== undefined) {
      this.#requireTries(origin);
      try {
        await this.#options.membership.api().call(endWebSession, { ...halves, address: ipOf(origin) });
        this.#failures.giveBack(ipOf(origin));
      } catch (error) {
        // It is over already, which is what was asked for.
        if (!isCode(error, 'UNAUTHENTICATED')) throw error;
      }
      this.#sessions.end(halves, app);
    }
    redirect(exchange, `${this.#options.apps.webUrl()}/web/apps`, [setCookie(APP_COOKIE, '', 0)]);
  }

  #fail({ exchange, app, origin }: Place, error: unknown): void {
    if (!isCode(error)) {
      this.#options.log.error({ err: error, app, address: origin.remoteAddress }, 'a request failed');
    }
    exchange.answer(problemAnswer(error, exchange.head));
  }

  #requireTries(origin: Origin): void {
    if (this.#failures.take(ipOf(origin))) return;
    throw new GatehouseError('LIMIT_EXCEEDED', 'too many attempts from this address; wait a minute');
  }

  #specOf(app: string): AppSpec | undefined {
    return this.#options.apps.document(app)?.spec;
  }

  #originOf(head: RequestHead, socket: Socket): Origin {
    const origin = this.#options.origins.of(socket);
    if (!this.#options.trustsForwardedFor) return origin;
    const last = fieldsOf(head.fields, 'x-forwarded-for').join(',').split(',').at(-1)?.trim() ?? '';
    const address = parseIp(last) === undefined ? undefined : formatIpPort(last, 0);
    return address === undefined ? origin : { ...origin, remoteAddress: address };
  }
}

/** A request at an application's origin. */
interface Place {
  readonly exchange: Exchange;
  readonly app: string;
  /** As the request has it, port included. */
  readonly host: string;
  readonly origin: Origin;
  readonly socket: Socket;
}

const originText = ({ host }: Place): string => `https://${host}`;

const cookieHeader = ({ fields }: RequestHead): string | undefined => {
  const all = fieldsOf(fields, 'cookie');
  return all.length === 0 ? undefined : all.join('; ');
};

function requestFields({ fields }: RequestHead): readonly Field[] {
  return endToEnd(fields, () => true).flatMap((field) => {
    if (field.name !== 'cookie') return [field];
    const value = withoutOwn(field.value);
    return value === undefined ? [] : [{ ...field, value }];
  });
}

/** An application sets no cookie that is ours. */
const replyFields = (fields: Field[]): readonly Field[] =>
  fields.filter(({ name, value }) => name !== 'set-cookie' || !isOwnCookie(value));

/** A place on this origin, whatever was asked for. */
export function localPath(path: string | null): string {
  if (path === null || !/^\/(?![/\\])[\x21-\x7e]*$/.test(path)) return '/';
  return [START_PATH, FINISH_PATH, LOGOUT_PATH].some((own) => path.startsWith(own)) ? '/' : path;
}

function redirect(exchange: Exchange, location: string, cookies: readonly string[]): void {
  exchange.answer({
    status: 302,
    fields: [
      ['location', location],
      ['referrer-policy', 'no-referrer'],
      ...cookies.map((cookie) => ['set-cookie', cookie] as const),
    ],
  });
}

function answerAndEnd(exchange: Exchange, answer: Answer): void {
  exchange.endAfter();
  exchange.answer(answer);
}

const noSuchApp = (claimants: readonly string[]): GatehouseError =>
  new GatehouseError(
    'NOT_FOUND',
    claimants.length > 1
      ? 'several applications have this public address, so none is served here; an admin must change one of them'
      : 'no agent serves an application at this address',
  );
