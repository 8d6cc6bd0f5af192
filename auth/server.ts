// The HTTPS server of the auth API: one listener, and one hook that guards every route. What the calls do is in routes/;
// what a client can make it hold is bounded in server-app.ts.
import { Server as NetServer, type AddressInfo } from 'node:net';
import type { Server as HttpsServer } from 'node:https';
import type { TLSSocket } from 'node:tls';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { lockInForce } from '#core/access/locks.ts';
import { identityName } from '#core/identity.ts';
import { sleep } from '#core/clock.ts';
import { GatehouseError } from '#core/errors/error.ts';
import { newSockets, type ListeningSockets } from '#core/listening.ts';
import type { RouteAccess } from './guard/access.ts';
import type { Caller } from './guard/caller.ts';
import { observeCalls, type AuthObserver } from './observer.ts';
import { ROUTES } from './routes/all.ts';
import type { Route, ServerContext } from './routes/server-context.ts';
import { createApp, DEFAULT_LIMITS, type ServerLimits } from './server-app.ts';
import { namesOf, startServerCertificate } from './server-certificate.ts';
import { errorReply } from './server-errors.ts';
import { acceptRelays, type Relays } from './server-relay.ts';
import { mountRoute, type MountedRequest } from './server-routes.ts';

/** How long calls under way may take to end when the server closes. */
const CLOSE_MS = 5_000;
/** How long those who connected just now have to make their call before a server that drains is closed. */
const DRAIN_MS = 500;

export interface ServerOptions {
  readonly context: ServerContext;
  readonly host: string;
  /** 0 takes a free one. */
  readonly port: number;
  /** Further names and addresses under which clients dial, such as the advertised address. */
  readonly names: readonly string[];
  /** Name of this machine. */
  readonly machine: string;
  readonly limits?: Partial<ServerLimits> | undefined;
  /** All of routes/all.ts unless a test says otherwise. */
  readonly routes?: readonly Route[] | undefined;
  readonly observer?: AuthObserver | undefined;
  readonly sockets?: ListeningSockets | undefined;
}

export interface MountedRoute {
  readonly method: string;
  readonly path: string;
  readonly access: RouteAccess;
}

export interface AuthServer {
  /** `host:port`, as bound. */
  readonly address: string;
  /** `host:port` under which this machine itself reaches it. */
  readonly localAddress: string;
  readonly port: number;
  readonly routes: readonly MountedRoute[];
  /** Takes no more connections, ends idle ones, and lets calls that begin now end; then it may be closed. */
  drain(): Promise<void>;
  /** Ends streams, waits for calls under way for a while. Safe to call twice. */
  close(): Promise<void>;
}

/** Resolves when the server listens. UNAVAILABLE when the address is taken; INTERNAL for a route without access. */
export async function startServer(options: ServerOptions): Promise<AuthServer> {
  const { context, host, port, sockets = newSockets } = options;
  const limits = { ...DEFAULT_LIMITS, ...options.limits };
  const certificate = startServerCertificate(
    { ...context, names: namesOf(host, options.names, options.machine) },
    (secure) => (app.server as HttpsServer).setSecureContext(secure),
  );
  const addressOf: Relays['addressOf'] = (socket) => relays.addressOf(socket);
  const app = createApp(certificate.current(), limits, addressOf);
  const relays = acceptRelays(app.server as HttpsServer, {
    ...context,
    isLocked: (hostId) => isHostLocked(context, hostId),
    firstBytesMs: limits.handshakeMs,
    mostAtOnce: limits.maxStrangers,
  });
  if (options.observer !== undefined) observeCalls(app, options.observer);
  const mounted = mountAll(app, context, options.routes ?? ROUTES, addressOf);
  try {
    await app.listen(sockets.claim(SETTING, { host, port }));
    sockets.opened(SETTING, { host, port }, app.server);
  } catch (cause) {
    certificate.close();
    await app.close();
    if (cause instanceof GatehouseError) throw cause;
    throw new GatehouseError(
      'UNAVAILABLE',
      `cannot listen on ${host}:${port}; is another process using it?`,
      {
        cause,
        details: { remedy: 'Stop the other process, or set auth_service.listen_addr to another address.' },
      },
    );
  }
  const bound = app.server.address() as AddressInfo;
  let closing: Promise<void> | undefined;
  return {
    address: hostPort(bound.address, bound.port),
    localAddress: hostPort(LOOPBACK[bound.address] ?? bound.address, bound.port),
    port: bound.port,
    routes: mounted,
    drain: () => drainApp(app, context),
    close: () => (closing ??= closeApp(app, context, () => certificate.close())),
  };
}

const SETTING = 'auth_service.listen_addr';

/** A listener on every address is reached on loopback. */
const LOOPBACK: Readonly<Record<string, string>> = { '0.0.0.0': '127.0.0.1', '::': '::1' };

const hostPort = (host: string, port: number): string =>
  host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;

function mountAll(
  app: FastifyInstance,
  context: ServerContext,
  routes: readonly Route[],
  addressOf: Relays['addressOf'],
): MountedRoute[] {
  const mounted: MountedRoute[] = [];
  // Whatever registers a route, now or later, must say who may call it.
  app.addHook('onRoute', ({ method, url, config }) => {
    const access = (config as { access?: RouteAccess } | undefined)?.access;
    if (access === undefined)
      throw new GatehouseError('INTERNAL', `the route ${String(method)} ${url} declares no access`);
    mounted.push({ method: String(method), path: url, access });
  });
  app.addHook('onRequest', async (request, reply) => {
    const address = addressOf(request.raw.socket);
    admit(context, request as MountedRequest, reply, address);
  });
  app.addHook('onResponse', async (request, reply) => settle(context, request as MountedRequest, reply));
  app.setErrorHandler((error, request, reply) => refuse(context, error, request, reply));
  app.setNotFoundHandler(() => {
    throw new GatehouseError('NOT_FOUND', 'there is no such call; client and server versions may differ');
  });
  for (const route of routes) mountRoute(app, context, route);
  return mounted;
}

/** The one hook: before a byte of the body is read it is known who calls and that they may. */
function admit(context: ServerContext, request: MountedRequest, reply: FastifyReply, address: string): void {
  void reply.headers({
    'cache-control': 'no-store',
    'x-content-type-options': 'nosniff',
    'x-request-id': request.id,
  });
  const { access, guesses } = request.routeOptions.config;
  if (access === undefined) return;
  if (!context.state.isReady()) {
    throw new GatehouseError(
      'UNAVAILABLE',
      'the auth service is not ready: its copy of the store is not up to date',
    );
  }
  const caller = context.guard.callerOf(request.raw.socket as TLSSocket, request.id, address);
  request.caller = caller;
  if (guesses !== undefined) {
    if (!guesses.take(caller.address)) {
      throw new GatehouseError('LIMIT_EXCEEDED', 'too many failed attempts from this address; wait a minute');
    }
    request.hasTry = true;
  }
  context.guard.requireRoute(caller, access, actionOf(request));
  takeUpload(request);
}

/** After the guard, so that nobody takes the place of those who may. */
function takeUpload(request: MountedRequest): void {
  const { uploads } = request.routeOptions.config;
  if (uploads === undefined) return;
  if (uploads.now >= uploads.most) {
    throw new GatehouseError('UNAVAILABLE', 'too many uploads at once; try again shortly');
  }
  uploads.now += 1;
  request.isUpload = true;
}

const actionOf = (request: MountedRequest): string => `${request.method} ${request.routeOptions.url ?? ''}`;

/** Paths are logged as patterns: the names in them may be secrets. */
async function settle({ log }: ServerContext, request: MountedRequest, reply: FastifyReply): Promise<void> {
  const { caller, hasTry, isUpload } = request;
  const { uploads } = request.routeOptions.config;
  if (isUpload === true && uploads !== undefined) uploads.now -= 1;
  if (hasTry === true && reply.statusCode < 400) {
    request.routeOptions.config.guesses?.giveBack(caller?.address ?? '');
  }
  log.debug(
    { ...aboutCall(request, caller), status: reply.statusCode, ms: Math.round(reply.elapsedTime) },
    'call',
  );
}

function aboutCall(request: FastifyRequest, caller: Caller | undefined): object {
  return {
    requestId: request.id,
    call: actionOf(request as MountedRequest),
    caller: caller?.identity === undefined ? 'anonymous' : identityName(caller.identity),
    address: caller?.address,
  };
}

function refuse(
  context: ServerContext,
  error: unknown,
  request: FastifyRequest,
  reply: FastifyReply,
): FastifyReply {
  const { status, body, isOurs } = errorReply(error);
  if (!isOurs)
    context.log.error(
      { ...aboutCall(request, (request as MountedRequest).caller), err: error },
      'a call failed',
    );
  // Nothing more of a body that was not wanted is read.
  const isUpload = (request as MountedRequest).routeOptions.config.uploads !== undefined;
  if (status === 413 || status === 401 || (isUpload && status >= 400))
    void reply.header('connection', 'close');
  return reply.code(status).type('application/json').send(body);
}

function isHostLocked({ guard, clock }: ServerContext, serverId: string): boolean {
  return lockInForce(guard.standings.locks(), { serverId }, clock.now()) !== undefined;
}

/** The socket of the port is closed, not the HTTP server: that would refuse calls on connections it has. */
async function drainApp(app: FastifyInstance, { clock }: ServerContext): Promise<void> {
  NetServer.prototype.close.call(app.server);
  app.server.closeIdleConnections();
  await sleep(clock, DRAIN_MS);
}

async function closeApp(
  app: FastifyInstance,
  context: ServerContext,
  closeCertificate: () => void,
): Promise<void> {
  closeCertificate();
  context.guard.close();
  const force = context.clock.after(CLOSE_MS, () => app.server.closeAllConnections());
  await app.close();
  force.cancel();
}
