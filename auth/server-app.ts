// The HTTP framework as the auth server uses it: what one client, and all of them, can make it hold is bounded here.
// Apart from server.ts because it is about bytes and time, and knows no routes.
import { randomUUID } from 'node:crypto';
import type { Server as HttpsServer } from 'node:https';
import type { Socket } from 'node:net';
import fastify, { type FastifyInstance, type FastifyReply } from 'fastify';
import { API_PROTOCOLS } from '#core/api/protocols.ts';
import { parseJsonBody } from './server-body.ts';
import { answerBrokenRequest, errorReply } from './server-errors.ts';
import { boundStrangers } from './server-strangers.ts';

export interface ServerLimits {
  /** Connections at once; more are dropped. */
  readonly maxConnections: number;
  /** Of these, from one address (of IPv6: one /64) without a certificate of the cluster. */
  readonly maxStrangers: number;
  readonly handshakeMs: number;
  readonly headersMs: number;
  /** For a whole request, its body included. Replies may take as long as they like. */
  readonly requestMs: number;
  readonly keepAliveMs: number;
  /** A connection on which nothing moves in either direction for so long is ended. */
  readonly stallMs: number;
}

export const DEFAULT_LIMITS: ServerLimits = {
  maxConnections: 15_000,
  maxStrangers: 500,
  handshakeMs: 10_000,
  headersMs: 10_000,
  requestMs: 60_000,
  keepAliveMs: 75_000,
  stallMs: 600_000,
};
const MAX_HEADER_BYTES = 16 * 1024;
const DEFAULT_BODY_LIMIT = 64 * 1024;

/**
 * `secure` holds key, certificate and authorities; `addressOf` says whose a connection is. The caller adds routes,
 * listens and closes it.
 */
export function createApp(
  secure: object,
  limits: ServerLimits,
  addressOf: (socket: Socket) => string,
): FastifyInstance {
  const app = fastify({
    https: {
      ...secure,
      requestCert: true,
      // A bad certificate must be answered, not just hung up on; the guard refuses it.
      rejectUnauthorized: false,
      ALPNProtocols: [...API_PROTOCOLS],
      handshakeTimeout: limits.handshakeMs,
      maxHeaderSize: MAX_HEADER_BYTES,
      headersTimeout: limits.headersMs,
      requestTimeout: limits.requestMs,
      connectionsCheckingInterval: Math.max(50, Math.min(limits.headersMs, limits.requestMs) / 4),
      insecureHTTPParser: false,
    },
    logger: false,
    connectionTimeout: limits.stallMs,
    keepAliveTimeout: limits.keepAliveMs,
    requestTimeout: limits.requestMs,
    bodyLimit: DEFAULT_BODY_LIMIT,
    genReqId: () => randomUUID(),
    requestIdHeader: false,
    trustProxy: false,
    exposeHeadRoutes: false,
    forceCloseConnections: 'idle',
    return503OnClosing: true,
    routerOptions: { caseSensitive: true, ignoreTrailingSlash: false, maxParamLength: 4096 },
    clientErrorHandler: answerBrokenRequest,
    frameworkErrors: (error, _request, reply) => {
      const { status, body } = errorReply(error);
      const plain = reply as unknown as FastifyReply;
      void plain.code(status).header('cache-control', 'no-store').send(body);
    },
  });
  app.server.maxConnections = limits.maxConnections;
  boundStrangers(app.server as unknown as HttpsServer, limits.maxStrangers, addressOf);
  app.server.headersTimeout = limits.headersMs;
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('application/json', { parseAs: 'buffer' }, (_request, body, done) => {
    try {
      done(null, parseJsonBody(body as Buffer));
    } catch (error) {
      done(error as Error);
    }
  });
  // Only routes that say so take it: server-routes.ts.
  app.addContentTypeParser('application/octet-stream', { parseAs: 'buffer' }, (_request, body, done) =>
    done(null, body),
  );
  return app as unknown as FastifyInstance;
}
