// Sessions of applications as this proxy knows them: what a cookie stands for is asked of auth once and kept until the
// session is over, which the local view says at once. With each session go the streams to its agents.
import { createHash } from 'node:crypto';
import type { Duplex } from 'node:stream';
import { openAppSession } from '#core/api/web-sessions.ts';
import { identityOfCertificate } from '#core/certs/x509/identity.ts';
import { parseX509 } from '#core/certs/x509/parse.ts';
import { verifyX509 } from '#core/certs/x509/verify.ts';
import type { ClusterView } from '#client/cluster-view.ts';
import type { Membership } from '#client/member/membership.ts';
import type { Clock } from '#core/clock.ts';
import { GatehouseError } from '#core/errors/error.ts';
import { parseIdentity, type UserIdentity } from '#core/identity.ts';
import { UpstreamPool } from '#wire/http1/pool.ts';
import type { Splice } from '#wire/splice.ts';
import type { Origin } from '../listen/origin.ts';
import { ipOf } from '../listen/origin.ts';
import type { TargetCaller } from '../target/route.ts';
import { halvesText, type Halves } from './cookies.ts';

export interface AppSessionsOptions {
  readonly clock: Clock;
  readonly membership: Pick<Membership, 'api'>;
  readonly view: Pick<ClusterView, 'hasWebSession' | 'onChange' | 'x509Authorities' | 'clusterName'>;
  /** A stream to an agent that serves the application. */
  readonly reach: (app: string, caller: TargetCaller) => Promise<Duplex>;
}

const MOST_KEPT = 10_000;
/** A session that the view does not show yet is asked for again after this time. */
const UNSEEN_MS = 10_000;
const MOST_IDLE = 16;
const IDLE_MS = 30_000;

/** One session of one application. */
export class AppSession {
  readonly id: string;
  readonly app: string;
  readonly identity: UserIdentity;
  readonly validBefore: number;
  readonly openedAt: number;
  wasSeen = false;
  readonly #certificate: Uint8Array;
  readonly #options: AppSessionsOptions;
  readonly #pools = new Map<string, UpstreamPool>();
  readonly #upgraded = new Set<Splice>();
  #isOver = false;

  constructor(id: string, app: string, certificate: Uint8Array, options: AppSessionsOptions) {
    const { view, clock } = options;
    const now = clock.now();
    const verified = verifyX509(certificate, {
      authorities: view.x509Authorities('user'),
      purpose: 'clientAuth',
      now,
    });
    const identity = parseIdentity(identityOfCertificate(parseX509(certificate)));
    if (identity.kind !== 'user' || identity.route_to_app?.name !== app) {
      throw new GatehouseError('UNAUTHENTICATED', 'the session is of another application');
    }
    this.id = id;
    this.app = app;
    this.identity = identity;
    this.validBefore = verified.notAfter + 1000;
    this.openedAt = now;
    this.#certificate = certificate;
    this.#options = options;
  }

  /** Streams for a client at this address, because agents are told where the person is. */
  pool(origin: Origin): UpstreamPool {
    const ip = ipOf(origin);
    const known = this.#pools.get(ip);
    if (known !== undefined) return known;
    const { clock, reach } = this.#options;
    const caller: TargetCaller = {
      identity: this.identity,
      certificate: this.#certificate,
      validBefore: this.validBefore,
      origin,
      session: createHash('sha256').update(this.id).digest('hex'),
    };
    const pool = new UpstreamPool({
      clock,
      connect: () => reach(this.app, caller),
      mostIdle: MOST_IDLE,
      idleMs: IDLE_MS,
    });
    this.#pools.set(ip, pool);
    return pool;
  }

  /** A connection that speaks another protocol now; it ends with the session. */
  hold(running: Splice): void {
    if (this.#isOver) running.destroy();
    this.#upgraded.add(running);
    void running.done.then(() => this.#upgraded.delete(running));
  }

  end(): void {
    this.#isOver = true;
    for (const pool of this.#pools.values()) pool.close();
    for (const running of this.#upgraded) running.destroy();
  }
}

export class AppSessions {
  readonly #options: AppSessionsOptions;
  readonly #kept = new Map<string, AppSession>();
  readonly #opening = new Map<string, Promise<AppSession>>();
  readonly #stopWatching: () => void;

  constructor(options: AppSessionsOptions) {
    this.#options = options;
    this.#stopWatching = options.view.onChange((kinds) => {
      if (kinds.has('web_session')) this.#endGone();
    });
  }

  /** What is known of a cookie at an application already, if it still counts. */
  known(halves: Halves, app: string): AppSession | undefined {
    const key = keyOf(halves, app);
    const session = this.#kept.get(key);
    if (session === undefined) return undefined;
    const { clock, view } = this.#options;
    const now = clock.now();
    if (view.hasWebSession(session.id)) session.wasSeen = true;
    else if (session.wasSeen || this.#isOverdue(session)) return this.#drop(key, session);
    return now < session.validBefore ? session : this.#drop(key, session);
  }

  /** The same, asked of auth: UNAUTHENTICATED when there is no such session, LOCKED, UNAVAILABLE. */
  open(halves: Halves, app: string, origin: Origin): Promise<AppSession> {
    const known = this.known(halves, app);
    if (known !== undefined) return Promise.resolve(known);
    const key = `${keyOf(halves, app)} ${ipOf(origin)}`;
    const running = this.#opening.get(key) ?? this.#open(halves, app, origin);
    this.#opening.set(key, running);
    const forget = (): void => void this.#opening.delete(key);
    running.then(forget, forget);
    return running;
  }

  /** Forgets a session, and ends what goes on in it. */
  end(halves: Halves, app: string): void {
    const key = keyOf(halves, app);
    const session = this.#kept.get(key);
    if (session !== undefined) this.#drop(key, session);
  }

  close(): void {
    this.#stopWatching();
    for (const session of this.#kept.values()) session.end();
    this.#kept.clear();
  }

  async #open(halves: Halves, app: string, origin: Origin): Promise<AppSession> {
    const { membership } = this.#options;
    const { certificate } = await membership
      .api()
      .call(openAppSession, { ...halves, app, address: ipOf(origin) });
    // Asked for from another address meanwhile: one session has one owner of its streams, or some would outlive it.
    const known = this.known(halves, app);
    if (known !== undefined) return known;
    const session = new AppSession(
      halves.id,
      app,
      new Uint8Array(Buffer.from(certificate, 'base64')),
      this.#options,
    );
    const [oldest] = this.#kept;
    if (this.#kept.size >= MOST_KEPT && oldest !== undefined) this.#drop(...oldest);
    this.#kept.set(keyOf(halves, app), session);
    return session;
  }

  /** The view would show it by now. */
  #isOverdue({ openedAt }: AppSession): boolean {
    return this.#options.clock.now() - openedAt > UNSEEN_MS;
  }

  #endGone(): void {
    for (const [key, session] of this.#kept) {
      if (this.#options.view.hasWebSession(session.id)) session.wasSeen = true;
      else if (session.wasSeen || this.#isOverdue(session)) this.#drop(key, session);
    }
  }

  #drop(key: string, session: AppSession): undefined {
    this.#kept.delete(key);
    session.end();
  }
}

const keyOf = (halves: Halves, app: string): string => `${app} ${halvesText(halves)}`;
