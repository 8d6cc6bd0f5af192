// The HTTP side of the web port: a server that does not listen but is given connections, with its bounds in bytes and
// time, and the headers that every answer has. What it answers is in routes.ts.
import { randomUUID } from 'node:crypto';
import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { Socket } from 'node:net';
import fastify, { type FastifyInstance, type FastifyReply } from 'fastify';
import { CODES } from '#core/errors/codes.ts';
import { GatehouseError, isCode, toErrorBody } from '#core/errors/error.ts';
import type { Log } from '#core/log.ts';

export interface HttpLimits {
  readonly headersMs: number;
  /** For a whole request, its body included. */
  readonly requestMs: number;
  readonly keepAliveMs: number;
  /** A connection on which nothing moves for so long is ended. */
  readonly stallMs: number;
}

export const HTTP_LIMITS: HttpLimits = {
  headersMs: 10_000,
  requestMs: 30_000,
  keepAliveMs: 15_000,
  stallMs: 60_000,
};

export interface HttpOptions {
  readonly log: Log;
  readonly limits?: HttpLimits;
  /** Says that only HTTPS is to be used; false where something in front ends TLS and may say so itself. */
  readonly endsTls: boolean;
  /** Requests to change the protocol; must answer, or destroy the socket. */
  readonly onUpgrade: (request: IncomingMessage, socket: Socket, head: Buffer) => void;
}

export interface HttpServer {
  readonly app: FastifyInstance;
  /** To be called when all routes are mounted. */
  ready(): Promise<void>;
  /** Serves HTTP/1.1 on a connection, which may be TLS already. */
  accept(socket: Socket): void;
  close(): Promise<void>;
}

const MAX_HEADER_BYTES = 16 * 1024;
const MAX_BODY_BYTES = 16 * 1024;
const MAX_REQUESTS_PER_SOCKET = 1000;

/** Nothing may be loaded, framed or kept unless a page says otherwise. */
export const BARE_POLICY = "default-src 'none'; frame-ancestors 'none'";

export function createHttpServer(options: HttpOptions): HttpServer {
  const limits = options.limits ?? HTTP_LIMITS;
  let server: Server | undefined;
  const app = fastify({
    serverFactory: (handler) => (server = makeServer(handler, limits, options.onUpgrade)),
    logger: false,
    bodyLimit: MAX_BODY_BYTES,
    genReqId: () => randomUUID(),
    requestIdHeader: false,
    trustProxy: false,
    exposeHeadRoutes: false,
    return503OnClosing: true,
    onProtoPoisoning: 'error',
    onConstructorPoisoning: 'error',
    routerOptions: { caseSensitive: true, ignoreTrailingSlash: false, maxParamLength: 256 },
    // No hook runs for these.
    frameworkErrors: (error, request, reply) =>
      void sendError(reply.headers(headersOf(options.endsTls, request.id)) as unknown as FastifyReply, error),
  });
  app.removeContentTypeParser('text/plain');
  app.addHook('onRequest', async (request, reply) => {
    void reply.headers(headersOf(options.endsTls, request.id));
  });
  app.setErrorHandler((error, request, reply) => {
    if (!isKnown(error)) {
      options.log.error({ requestId: request.id, err: error }, 'a request failed');
    }
    return sendError(reply, error);
  });
  app.setNotFoundHandler((_request, reply) =>
    sendError(reply, new GatehouseError('NOT_FOUND', 'there is no such page')),
  );
  return {
    app: app as unknown as FastifyInstance,
    async ready() {
      await app.ready();
      // Its clocks start with this event, and it never listens.
      server?.emit('listening');
    },
    accept(socket) {
      server?.emit('connection', socket);
      // It came paused, with its first bytes put back.
      socket.resume();
    },
    async close() {
      await app.close();
      server?.closeAllConnections();
      server?.close();
    },
  };
}

function makeServer(
  handler: (request: IncomingMessage, reply: never) => void,
  limits: HttpLimits,
  onUpgrade: HttpOptions['onUpgrade'],
): Server {
  const server = createServer(
    {
      maxHeaderSize: MAX_HEADER_BYTES,
      headersTimeout: limits.headersMs,
      requestTimeout: limits.requestMs,
      keepAliveTimeout: limits.keepAliveMs,
      connectionsCheckingInterval: Math.max(50, Math.min(limits.headersMs, limits.requestMs) / 4),
      insecureHTTPParser: false,
      requireHostHeader: true,
    },
    handler as never,
  );
  server.timeout = limits.stallMs;
  server.maxRequestsPerSocket = MAX_REQUESTS_PER_SOCKET;
  server.on('upgrade', onUpgrade);
  server.on('clientError', answerBrokenRequest);
  return server;
}

function headersOf(endsTls: boolean, requestId: string): Record<string, string> {
  return {
    'cache-control': 'no-store',
    'content-security-policy': BARE_POLICY,
    'cross-origin-opener-policy': 'same-origin',
    'cross-origin-resource-policy': 'same-origin',
    'referrer-policy': 'no-referrer',
    'x-content-type-options': 'nosniff',
    'x-frame-options': 'DENY',
    'x-request-id': requestId,
    ...(endsTls ? { 'strict-transport-security': 'max-age=31536000' } : {}),
  };
}

/** The framework's own refusals, by its codes. */
const FRAMEWORK: Readonly<Record<string, () => GatehouseError>> = {
  FST_ERR_CTP_BODY_TOO_LARGE: () => new GatehouseError('TOO_LARGE', 'the body is too large'),
  FST_ERR_CTP_INVALID_MEDIA_TYPE: () =>
    new GatehouseError('BAD_REQUEST', 'the body must be sent as content-type application/json'),
  FST_ERR_CTP_EMPTY_JSON_BODY: () => new GatehouseError('BAD_REQUEST', 'the body must not be empty'),
  FST_ERR_CTP_INVALID_JSON_BODY: () => new GatehouseError('BAD_REQUEST', 'the body is not JSON'),
  FST_ERR_CTP_INVALID_CONTENT_LENGTH: () =>
    new GatehouseError('BAD_REQUEST', 'the body is not as long as content-length says'),
  FST_ERR_BAD_URL: () => new GatehouseError('BAD_REQUEST', 'the path of the request is malformed'),
  FST_ERR_MAX_PARAM_LENGTH: () => new GatehouseError('BAD_REQUEST', 'the path of the request is too long'),
};

const ownError = (error: unknown): GatehouseError | undefined =>
  isCode(error) ? error : FRAMEWORK[String((error as { code?: unknown } | null)?.code)]?.();

const isKnown = (error: unknown): boolean => ownError(error) !== undefined && !isCode(error, 'INTERNAL');

function sendError(reply: FastifyReply, error: unknown): FastifyReply {
  const body = toErrorBody(ownError(error) ?? error);
  const { status } = CODES[body.code];
  if (status === 413) void reply.header('connection', 'close');
  return reply.code(status).type('application/json').send(body);
}

/** Bytes that are no HTTP, or came too slowly: a bare answer where one can be read, and the end. */
function answerBrokenRequest(error: NodeJS.ErrnoException, socket: Socket): void {
  const isHttp = error.code?.startsWith('HPE_') === true || error.code === 'ERR_HTTP_REQUEST_TIMEOUT';
  if (!isHttp || !socket.writable) {
    socket.destroy();
    return;
  }
  const status = error.code === 'ERR_HTTP_REQUEST_TIMEOUT' ? '408 Request Timeout' : '400 Bad Request';
  socket.end(`HTTP/1.1 ${status}\r\nconnection: close\r\ncontent-length: 0\r\n\r\n`, () => socket.destroy());
}
