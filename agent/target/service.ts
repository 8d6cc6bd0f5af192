// Takes connections to databases and applications from proxies: reads who it is and what for, verifies the certificate
// again, finds what is served under that name, and hands it to the engine that speaks the protocol.
//
//   accept ─ header ─ certificate ─ served? ─▶ engine (which asks the guard)
//     └────────┴──────────┴───────────┴──────▶ refused by the engine, in its protocol
import type { Duplex } from 'node:stream';
import type { ClusterView } from '#client/cluster-view.ts';
import { lockInForce } from '#core/access/locks.ts';
import { targetMisuse } from '#core/access/target-access.ts';
import type { Clock } from '#core/clock.ts';
import { GatehouseError, isCode } from '#core/errors/error.ts';
import type { UserIdentity } from '#core/identity.ts';
import type { Log } from '#core/log.ts';
import type { Resource } from '#core/resource.ts';
import { UserCertificates } from '#core/user-certificates.ts';
import type { AppSpec } from '#kinds/app/kind.ts';
import type { DbSpec } from '#kinds/db/kind.ts';
import {
  isCancel,
  readTargetHeader,
  type ConnectHeader,
  type TargetHeader,
  type TargetService as Service,
} from '#wire/target/header.ts';
import type { AppEngine, DbEngine, TargetConnection, TargetRefusal } from './connection.ts';

export interface TargetServiceOptions {
  readonly clock: Clock;
  readonly log: Log;
  /** Ready. */
  readonly view: Pick<ClusterView, 'clusterName' | 'x509Authorities' | 'locks'>;
  /** Each with what it serves; left out where the service is not configured. */
  readonly db?: { readonly engine: DbEngine; find(name: string): Resource<DbSpec> | undefined };
  readonly app?: { readonly engine: AppEngine; find(name: string): Resource<AppSpec> | undefined };
  readonly maxConnections: number;
}

export interface TargetService {
  /** A stream from a proxy, its header still in it. Owns it; never throws. */
  accept(stream: Duplex, proxyId: string): void;
  /** The same where the header was handed over. */
  take(header: TargetHeader, stream: Duplex, proxyId: string): void;
  /** Connections, those included whose header is awaited. */
  readonly connections: number;
  /** What runs goes on; resolves when nothing is left. */
  drained(): Promise<void>;
}

const HEADER_MS = 10_000;
const MAX_CANCELS = 1000;

export function openTargetService(options: TargetServiceOptions): TargetService {
  return new Accepting(options);
}

class Accepting implements TargetService {
  readonly #options: TargetServiceOptions;
  readonly #streams = new Set<Duplex>();
  readonly #certificates = new UserCertificates();
  #onEmpty: (() => void) | undefined;

  constructor(options: TargetServiceOptions) {
    this.#options = options;
  }

  get connections(): number {
    return this.#streams.size;
  }

  accept(stream: Duplex, proxyId: string): void {
    void this.#accept(stream, proxyId);
  }

  take(header: TargetHeader, stream: Duplex, proxyId: string): void {
    if (this.#hold(stream)) this.#dispatch(header, stream, proxyId);
  }

  async drained(): Promise<void> {
    if (this.#streams.size > 0) await new Promise<void>((resolve) => (this.#onEmpty = resolve));
  }

  async #accept(stream: Duplex, proxyId: string): Promise<void> {
    const { clock, log } = this.#options;
    if (!this.#hold(stream)) return;
    try {
      const header = await readTargetHeader(stream, { clock, timeoutMs: HEADER_MS });
      this.#dispatch(header, stream, proxyId);
    } catch (error) {
      log.warn({ err: error, proxyId }, 'a connection of a proxy is not understood');
      stream.destroy();
    }
  }

  /** False for one too many, which is destroyed. */
  #hold(stream: Duplex): boolean {
    const { log, maxConnections } = this.#options;
    // Until somebody takes it, an error must not end the process.
    stream.on('error', () => {});
    if (this.#streams.size >= maxConnections + MAX_CANCELS) {
      log.warn({}, 'a connection is dropped: connection_limits.max_connections is reached');
      stream.destroy();
    }
    if (stream.destroyed) return false;
    this.#streams.add(stream);
    stream.once('close', () => {
      this.#streams.delete(stream);
      if (this.#streams.size === 0) this.#onEmpty?.();
    });
    return true;
  }

  #dispatch(header: TargetHeader, stream: Duplex, proxyId: string): void {
    const { db, log } = this.#options;
    if (isCancel(header)) {
      db?.engine.cancel({ processId: header.cancel.process_id, secret: header.cancel.secret });
      stream.destroy();
      return;
    }
    try {
      this.#serve(header, stream, proxyId);
    } catch (error) {
      if (!isCode(error)) log.error({ err: error }, 'a connection to a target failed unexpectedly');
      log.info({ err: error, target: header.target, client: header.client }, 'a connection is refused');
      this.#refuse(header.service, stream, refusalOf(error));
    }
  }

  #serve(header: ConnectHeader, stream: Duplex, proxyId: string): void {
    const { db, app, maxConnections } = this.#options;
    const { service, target, client, session } = header;
    this.#requireProxy(proxyId);
    const proven = this.#verify(header);
    if (this.#streams.size > maxConnections) {
      throw new GatehouseError('LIMIT_EXCEEDED', 'this agent has as many connections as it takes');
    }
    const connection: TargetConnection = {
      stream,
      ...proven,
      client,
      target,
      proxyId,
      ...(session === undefined ? {} : { session }),
    };
    if (service === 'db') {
      const document = db?.find(target);
      if (db === undefined || document === undefined) throw notServed(service, target);
      db.engine.serve(connection, document);
    } else {
      const document = app?.find(target);
      if (app === undefined || document === undefined) throw notServed(service, target);
      app.engine.serve(connection, document);
    }
  }

  /** Its tunnel ends when a lock comes; one that is quicker gets no further than this. */
  #requireProxy(proxyId: string): void {
    const { view, clock } = this.#options;
    if (lockInForce(view.locks(), { serverId: proxyId }, clock.now()) === undefined) return;
    throw new GatehouseError('LOCKED', 'the proxy is locked');
  }

  #verify({ certificate, service, target }: ConnectHeader): {
    readonly identity: UserIdentity;
    readonly certificate: Uint8Array;
    readonly validBefore: number;
  } {
    const { view, clock } = this.#options;
    const der = new Uint8Array(Buffer.from(certificate, 'base64'));
    const { identity, validBefore } = this.#certificates.verify(der, {
      authorities: view.x509Authorities('user'),
      clusterName: view.clusterName(),
      now: clock.now(),
    });
    const misuse = targetMisuse(identity, service, target);
    if (misuse !== undefined) throw new GatehouseError('CERTIFICATE_INVALID', misuse);
    return { identity, certificate: der, validBefore };
  }

  #refuse(service: Service, stream: Duplex, refusal: TargetRefusal): void {
    const engine = service === 'db' ? this.#options.db?.engine : this.#options.app?.engine;
    if (engine === undefined) stream.destroy();
    else engine.refuse(stream, refusal);
  }
}

function notServed(service: Service, target: string): GatehouseError {
  const what = service === 'db' ? 'database' : 'application';
  return new GatehouseError('NOT_FOUND', `this agent serves no ${what} ${target} any more; try again`);
}

function refusalOf(error: unknown): TargetRefusal {
  const known = ['ACCESS_DENIED', 'CERTIFICATE_INVALID', 'LIMIT_EXCEEDED', 'LOCKED', 'NOT_FOUND'] as const;
  if (!isCode(error)) return { code: 'UNAVAILABLE', message: 'the agent failed to serve the connection' };
  return { code: known.find((code) => code === error.code) ?? 'UNAVAILABLE', message: error.message };
}
