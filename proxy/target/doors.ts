// The doors of targets on the web port: TLS with a client certificate for one database or application, whatever way the
// client asked for it, and the first packets of PostgreSQL clients in clear. Who is proven is led to an agent.
//
//   ALPN gatehouse-db, gatehouse-app, postgresql ─┐
//   SSLRequest ─ `S` ─────────────────────────────┴─ TLS ─ certificate ─ route ─▶ joined to an agent
//   GSSENCRequest ─ `N` ─ (again)                                   └─ refused, in the protocol of the target
//   CancelRequest ─▶ the agents it can be meant for      StartupMessage in clear ─▶ refused
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type { TLSSocket } from 'node:tls';
import type { ClusterView } from '#client/cluster-view.ts';
import type { HostRecord } from '#client/credentials.ts';
import type { Clock, Timer } from '#core/clock.ts';
import { GatehouseError, isCode } from '#core/errors/error.ts';
import type { UserIdentity } from '#core/identity.ts';
import type { Log } from '#core/log.ts';
import { PeopleLimit } from '#core/people-limit.ts';
import { RateLimit } from '#core/rate-limit.ts';
import type { TargetService } from '#wire/target/header.ts';
import { APP_PROTOCOL, DB_PROTOCOL, POSTGRES_PROTOCOL } from '#wire/target/protocols.ts';
import type { Spoken } from '../listen/detect.ts';
import { readFirstBytes } from '../listen/first-bytes.ts';
import { ipOf, type Origin } from '../listen/origin.ts';
import { openMemberDoor, type MemberDoor } from '../listen/tls/member-door.ts';
import { ProxyRefusals } from '../ssh/refusals.ts';
import { readCancelKey, takeCancel } from './first-packet.ts';
import { answerAndEnd, refuse, refusedInClear } from './refuse.ts';
import type { TargetLink } from './road.ts';
import { TargetRouter, type CancelKey, type TargetCaller, type TargetRouterOptions } from './route.ts';

export interface TargetDoorsOptions extends Omit<TargetRouterOptions, 'refusals' | 'view'> {
  readonly clock: Clock;
  readonly log: Log;
  readonly view: ClusterView;
  readonly record: () => HostRecord | undefined;
  readonly audit: { emit(event: { readonly event: string } & Readonly<Record<string, unknown>>): void };
  /** Different people at a time, and connections at a time, of which one person has half at most. */
  readonly maxUsers: number;
  readonly maxConnections: number;
}

export type PostgresAsks = Extract<Spoken, { type: 'postgres' }>['asks'];

export interface TargetDoors {
  /** Serves web sessions too: they are led by the same router. */
  readonly router: TargetRouter;
  /** Owns the socket, whose TLS is still to be spoken. `settled` as in listener.ts. */
  tls(socket: Socket, origin: Origin, settled: () => void, service: TargetService): void;
  /** A client that showed a certificate at the host name of this application. Owns the stream. */
  shown(stream: TLSSocket, origin: Origin, settled: () => void, app: string): void;
  /** The same for a socket with the first packet of a PostgreSQL client still in it. */
  postgres(socket: Socket, origin: Origin, settled: () => void, asks: PostgresAsks): void;
  /** Connections of people whose certificates were good. */
  readonly count: number;
  close(): void;
}

/** Requests to cancel from one network: they come unproven. */
const CANCELS = { burst: 30, refillMs: 200 };
const CANCEL_LINGER_MS = 5000;
/** What is locked is cut at its agent first, which says why; the proxy follows, whatever the agent does. */
const FOLLOW_MS = 400;
const REQUEST_BYTES = 8;
const CANCEL_BYTES = 16;

/** Which service a client asks for by ALPN; undefined when by none. */
export function targetServiceOf(protocols: readonly string[]): TargetService | undefined {
  if (protocols.includes(DB_PROTOCOL) || protocols.includes(POSTGRES_PROTOCOL)) return 'db';
  return protocols.includes(APP_PROTOCOL) ? 'app' : undefined;
}

export function openTargetDoors(options: TargetDoorsOptions): TargetDoors {
  return new Doors(options);
}

class Doors implements TargetDoors {
  readonly router: TargetRouter;
  readonly #options: TargetDoorsOptions;
  readonly #doors: Readonly<Record<TargetService, MemberDoor>>;
  readonly #people: PeopleLimit;
  readonly #mostOfOne: number;
  readonly #cancels: RateLimit;
  /** Streams of people, and who they are. */
  readonly #live = new Map<Duplex, UserIdentity>();
  readonly #stopWatching: () => void;
  #following: Timer | undefined;

  constructor(options: TargetDoorsOptions) {
    const { clock, view, hostId, audit, maxUsers, maxConnections } = options;
    this.#options = options;
    const refusals = new ProxyRefusals({ clock, hostId, emit: (event) => audit.emit(event) });
    this.router = new TargetRouter({ ...options, refusals });
    const door = (protocols: readonly string[]): MemberDoor =>
      openMemberDoor({ ...options, protocols, takesTickets: true });
    this.#doors = { db: door([DB_PROTOCOL, POSTGRES_PROTOCOL]), app: door([APP_PROTOCOL]) };
    this.#people = new PeopleLimit(maxUsers);
    this.#mostOfOne = Math.max(1, Math.floor(maxConnections / 2));
    this.#cancels = new RateLimit({ clock, ...CANCELS });
    this.#stopWatching = view.onChange((kinds) => {
      if (kinds.has('lock')) this.#following ??= clock.after(FOLLOW_MS, () => this.#cutLocked());
    });
  }

  get count(): number {
    return this.#live.size;
  }

  tls(socket: Socket, origin: Origin, settled: () => void, service: TargetService): void {
    void this.#tls(socket, origin, settled, service);
  }

  postgres(socket: Socket, origin: Origin, settled: () => void, asks: PostgresAsks): void {
    switch (asks) {
      case 'tls':
        socket.read(REQUEST_BYTES);
        socket.write('S');
        this.tls(socket, origin, settled, 'db');
        return;
      case 'gss':
        socket.read(REQUEST_BYTES);
        socket.write('N');
        this.#askAgain(socket, origin, settled);
        return;
      case 'cancel':
        void this.#cancel(socket, readCancelKey(socket.read(CANCEL_BYTES) as Buffer), origin);
        return;
      case 'startup':
        answerAndEnd(socket, refusedInClear(), this.#options.clock);
    }
  }

  shown(stream: TLSSocket, origin: Origin, settled: () => void, app: string): void {
    void this.#serve(stream, 'app', origin, () => {
      const proven = this.#doors.app.identify(stream);
      settled();
      requireAppOf(proven.identity, app);
      return proven;
    });
  }

  close(): void {
    this.#stopWatching();
    this.#following?.cancel();
    for (const stream of this.#live.keys()) stream.destroy();
  }

  async #tls(socket: Socket, origin: Origin, settled: () => void, service: TargetService): Promise<void> {
    try {
      const { stream, identify } = await this.#doors[service].handshake(socket);
      await this.#serve(stream, service, origin, () => {
        const proven = identify();
        settled();
        return proven;
      });
    } catch (error) {
      this.#options.log.debug({ err: error, address: origin.remoteAddress }, 'a connection is refused');
      socket.destroy();
    }
  }

  async #serve(
    stream: Duplex,
    service: TargetService,
    origin: Origin,
    identify: () => Omit<TargetCaller, 'origin'>,
  ): Promise<void> {
    const { clock, log } = this.#options;
    try {
      const caller = { ...identify(), origin };
      this.#hold(stream, caller.identity);
      const key = service === 'db' ? await takeCancel(stream, clock) : undefined;
      if (key !== undefined) {
        await this.#cancel(stream, key, origin);
        return;
      }
      const link = await this.router.open(service, targetOf(caller.identity, service), caller);
      if (stream.destroyed) link.drop();
      else link.join(stream);
    } catch (error) {
      if (!isCode(error)) log.error({ err: error }, 'a connection to a target failed unexpectedly');
      log.debug({ err: error, address: origin.remoteAddress }, 'a connection to a target is refused');
      refuse(stream, service, explained(error), clock);
    }
  }

  /** LIMIT_EXCEEDED. */
  #hold(stream: Duplex, identity: UserIdentity): void {
    const leave = this.#people.take(identity.name, this.#mostOfOne);
    this.#live.set(stream, identity);
    stream.once('close', () => {
      leave();
      this.#live.delete(stream);
    });
  }

  /** After `N`: for TLS, or in clear. GSSAPI is asked for once at most. */
  #askAgain(socket: Socket, origin: Origin, settled: () => void): void {
    const { clock, log } = this.#options;
    readFirstBytes(
      socket,
      { clock, balancers: [], detects: true },
      ({ spoken }) => {
        if (spoken?.type === 'postgres' && spoken.asks !== 'gss') {
          this.postgres(socket, origin, settled, spoken.asks);
        } else socket.destroy();
      },
      (error) => {
        log.debug({ err: error, address: origin.remoteAddress }, 'a connection is refused');
        socket.destroy();
      },
    );
  }

  /** Nothing is answered, as by a server: the connection ends when the agents have it. */
  async #cancel(stream: Duplex, key: CancelKey, origin: Origin): Promise<void> {
    stream.on('error', () => stream.destroy());
    if (!this.#cancels.take(ipOf(origin))) {
      stream.destroy();
      return;
    }
    const timer = this.#options.clock.after(CANCEL_LINGER_MS, () => stream.destroy());
    stream.once('close', () => timer.cancel());
    const links = await this.router.cancel(key, origin);
    await Promise.all(links.map((link) => ended(link, stream)));
    stream.destroy();
  }

  #cutLocked(): void {
    this.#following = undefined;
    for (const [stream, identity] of this.#live) if (!this.router.isUnlocked(identity)) stream.destroy();
  }
}

/** The agent closes its end when it has cancelled. */
function ended(link: TargetLink, client: Duplex): Promise<void> {
  const far = link.stream();
  far.on('error', () => far.destroy());
  far.end();
  far.resume();
  client.once('close', () => far.destroy());
  return new Promise((resolve) => {
    far.once('end', () => far.destroy());
    far.once('close', () => resolve());
  });
}

/** ACCESS_DENIED for a certificate that is for another application than the one that is asked. */
function requireAppOf(identity: UserIdentity, app: string): void {
  const named = identity.route_to_app?.name;
  if (named === app) return;
  throw new GatehouseError(
    'ACCESS_DENIED',
    `this certificate is ${named === undefined ? 'for no application' : `for the application ${named}`}; get one with \`gate apps login\``,
  );
}

/** ACCESS_DENIED for a certificate that is for no target. */
function targetOf(identity: UserIdentity, service: TargetService): string {
  const named = service === 'db' ? identity.route_to_database?.service : identity.route_to_app?.name;
  if (identity.usage === service && named !== undefined) return named;
  const what = service === 'db' ? 'a database' : 'an application';
  throw new GatehouseError(
    'ACCESS_DENIED',
    `this certificate is not for ${what}; get one with \`gate ${service === 'db' ? 'db' : 'apps'} login NAME\``,
  );
}

/** What a person without a certificate needs to know. */
function explained(error: unknown): unknown {
  if (!isCode(error, 'UNAUTHENTICATED')) return error;
  return new GatehouseError(
    'UNAUTHENTICATED',
    'a client certificate is needed here; use `gate db connect`, or the files that `gate db config` names',
    { cause: error },
  );
}
