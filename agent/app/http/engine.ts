// HTTP applications at the agent: each connection of a person is let in once, and its requests go to the application with
// the lines that say who comes. Bodies are streamed; connections to the application are used again.
import type { Timer } from '#core/clock.ts';
import { isCode } from '#core/errors/error.ts';
import { parseIpPort } from '#core/ip-port.ts';
import type { Resource } from '#core/resource.ts';
import { appLabels, isAwsApp, type AppSpec } from '#kinds/app/kind.ts';
import type { Exchange } from '#wire/http1/exchange.ts';
import { endToEnd, hostOf } from '#wire/http1/framing.ts';
import type { Field, RequestHead } from '#wire/http1/head.ts';
import { UpstreamPool } from '#wire/http1/pool.ts';
import { problemAnswer } from '#wire/http1/problem.ts';
import { serveHttp, type Served } from '#wire/http1/serve.ts';
import type { Splice } from '#wire/splice.ts';
import type { TargetConnection, TargetGround } from '../../target/connection.ts';
import type { OpenedTarget } from '../../target/guard.ts';
import { dialApp } from './dial.ts';
import {
  clientField,
  ownFields,
  redirectHosts,
  replyFields,
  requestRules,
  setNames,
  mayPass,
  type Person,
  type RequestRules,
} from './fields.ts';
import type { AppSessions, SessionSeat } from './sessions.ts';
import type { AppToken, AppTokens } from './tokens.ts';

export interface HttpAppsOptions extends TargetGround {
  readonly tokens: AppTokens;
  readonly people: AppSessions;
}

export interface HttpApps {
  /** Owns the stream of the connection. */
  serve(connection: TargetConnection, app: Resource<AppSpec>): void;
  readonly count: number;
  close(): void;
}

/** What one state of an application's settings needs; made once. */
interface Site {
  readonly key: string;
  readonly pool: UpstreamPool;
  readonly rules: RequestRules;
  readonly redirects: ReadonlySet<string>;
}

const MOST_IDLE = 64;
/** Below what servers wait: many end idle connections after five seconds. */
const IDLE_MS = 4000;
/** How often somebody who only holds a WebSocket is looked at for being there. */
const LOOK_MS = 5000;

export function openHttpApps(options: HttpAppsOptions): HttpApps {
  const sites = new Map<string, Site>();
  const running = new Set<Visit>();
  const siteOf = ({ metadata: { name }, spec }: Resource<AppSpec>): Site => {
    const key = JSON.stringify([spec.uri, spec.insecure_skip_verify, spec.rewrite]);
    const known = sites.get(name);
    if (known?.key === key) return known;
    // Requests under way go on; nothing waits there for another one.
    known?.pool.retire();
    const made = makeSite(key, name, spec, options);
    sites.set(name, made);
    return made;
  };
  return {
    serve(connection, app) {
      const { stream } = connection;
      stream.on('error', () => {});
      try {
        const visit: Visit = new Visit(options, connection, app, siteOf, () => running.delete(visit));
        running.add(visit);
      } catch (error) {
        answerAll(connection, options, error);
      }
    },
    get count() {
      return running.size;
    },
    close() {
      for (const visit of running) visit.end();
      for (const { pool } of sites.values()) pool.close();
    },
  };
}

function makeSite(key: string, name: string, spec: AppSpec, { clock, log }: HttpAppsOptions): Site {
  const { uri, insecure_skip_verify: insecureSkipVerify = false } = spec;
  const connect = () => dialApp({ uri, insecureSkipVerify }, clock);
  return {
    key,
    pool: new UpstreamPool({ clock, connect, mostIdle: MOST_IDLE, idleMs: IDLE_MS }),
    rules: requestRules(spec, (header, why) =>
      log.warn({ app: name, header, why }, 'a header of an application cannot be set'),
    ),
    redirects: redirectHosts(spec),
  };
}

/** Tells the same to every request of a connection that is not let in. */
export function answerAll(
  { stream }: Pick<TargetConnection, 'stream'>,
  { clock }: Pick<TargetGround, 'clock'>,
  error: unknown,
): void {
  serveHttp(stream, {
    clock,
    handle(exchange) {
      exchange.endAfter();
      exchange.answer(problemAnswer(error, exchange.head));
    },
    refuse: (broken) => problemAnswer(broken, undefined),
  });
}

/** The lines of ours, and their names. */
interface Own {
  readonly fields: readonly Field[];
  readonly names: ReadonlySet<string>;
}

/** One connection of a person. */
class Visit {
  readonly #options: HttpAppsOptions;
  readonly #connection: TargetConnection;
  readonly #siteOf: (app: Resource<AppSpec>) => Site;
  #app: Resource<AppSpec>;
  #site: Site;
  readonly #person: Person;
  readonly #opened: OpenedTarget;
  readonly #seat: SessionSeat;
  readonly #served: Served;
  #own: Own | undefined;
  #ownUntil = 0;
  #upgraded: Splice | undefined;
  #look: Timer | undefined;
  #isOver = false;

  /** Throws as the guard does when it is not let in. */
  constructor(
    options: HttpAppsOptions,
    connection: TargetConnection,
    app: Resource<AppSpec>,
    siteOf: (app: Resource<AppSpec>) => Site,
    onEnd: () => void,
  ) {
    this.#options = options;
    this.#connection = connection;
    this.#app = app;
    this.#siteOf = siteOf;
    this.#site = siteOf(app);
    const { identity, client, stream } = connection;
    const { name } = app.metadata;
    const route = identity.route_to_app;
    const publicAddr = route?.public_addr ?? app.spec.public_addr ?? '';
    this.#person = { identity, address: parseIpPort(client)?.ip ?? '', publicAddr };
    this.#opened = options.guard.open(
      connection,
      { kind: 'app', target: { name, labels: appLabels(app) } },
      { cut: () => this.end(), changed: () => this.#follow() },
      route === undefined ? {} : { sessionId: route.session_id },
    );
    this.#seat = options.people.enter({
      sid: this.#opened.id,
      user: identity.name,
      impersonator: identity.impersonator,
      client,
      app: name,
      uri: app.spec.uri,
      publicAddr,
    });
    this.#served = serveHttp(stream, {
      clock: options.clock,
      handle: (exchange) => this.#handle(exchange),
      refuse: (error) => problemAnswer(error, undefined),
    });
    stream.once('close', () => {
      this.end();
      onEnd();
    });
  }

  end(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#look?.cancel();
    this.#upgraded?.destroy();
    this.#served.end();
    this.#opened.close();
    this.#seat.leave();
  }

  #handle(exchange: Exchange): void {
    this.#opened.touch();
    hostOf(exchange.head);
    if (this.#own !== undefined && this.#options.clock.now() < this.#ownUntil) {
      this.#forward(exchange, this.#own);
      return;
    }
    void this.#prepare(exchange);
  }

  /** The next request goes by the settings as they are now. */
  #follow(): void {
    const app = this.#options.appNow?.(this.#app.metadata.name) ?? this.#app;
    const site = this.#siteOf(app);
    if (site === this.#site) return;
    if (isAwsApp(app.spec)) {
      this.end();
      return;
    }
    this.#app = app;
    this.#site = site;
    this.#own = undefined;
  }

  /** Makes the lines of this person, which need a token of auth. */
  async #prepare(exchange: Exchange): Promise<void> {
    try {
      const token = await this.#options.tokens.get(this.#connection.certificate);
      if (this.#isOver) return;
      const own = this.#linesWith(token);
      this.#forward(exchange, own);
    } catch (error) {
      if (!isCode(error)) this.#options.log.error({ err: error }, 'a request to an application failed');
      exchange.answer(problemAnswer(error, exchange.head));
    }
  }

  #linesWith(token: AppToken | undefined): Own {
    const { rules } = this.#site;
    const fields = ownFields(rules, this.#person, token?.token);
    const own = { fields, names: setNames(fields, rules) };
    this.#own = own;
    this.#ownUntil = token?.until ?? 0;
    return own;
  }

  #forward(exchange: Exchange, own: Own): void {
    const { head } = exchange;
    exchange.forward({
      pool: this.#site.pool,
      head: { target: head.target, fields: requestFields(head, own) },
      keepTrailer: ({ name }) => mayPass(name, own.names),
      moved: () => this.#opened.touch(),
      reply: (fields) => replyFields(fields, this.#site.redirects),
      seen: (status) => this.#seat.request({ method: head.method, target: head.target, status }),
      failed: (error) => {
        this.#options.log.debug(
          { err: error, app: this.#app.metadata.name },
          'an application did not answer',
        );
        return problemAnswer(error, head);
      },
      upgraded: (running) => this.#watch(running),
    });
  }

  /** Bytes that move are a sign of the person. */
  #watch(running: Splice): void {
    this.#upgraded = running;
    let before = running.aToB;
    const look = (): void => {
      this.#look = this.#options.clock.after(LOOK_MS, () => {
        if (running.aToB !== before) this.#opened.touch();
        before = running.aToB;
        look();
      });
    };
    if (this.#isOver) running.destroy();
    else look();
  }
}

function requestFields(head: RequestHead, own: Own): readonly Field[] {
  const fields: Field[] = [...own.fields];
  for (const field of endToEnd(head.fields, () => true)) {
    const kept = clientField(field, own.names);
    if (kept !== undefined) fields.push(kept);
  }
  return fields;
}
