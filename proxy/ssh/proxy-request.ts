// The way to a node for a client that came over TLS with its certificate: one line says where, one line answers, and then
// the bytes between client and node are passed on as they are. See wire/proxy-request.ts.
import type { Duplex } from 'node:stream';
import type { Clock } from '#core/clock.ts';
import { isCode } from '#core/errors/error.ts';
import type { Log } from '#core/log.ts';
import { takeLine } from '#wire/line.ts';
import {
  encodeProxyRefusal,
  MAX_PROXY_REQUEST_BYTES,
  parseProxyRequest,
  PROXY_READY,
} from '#wire/proxy-request.ts';
import { dropLink, joinStream, type Link } from '../route/link.ts';
import { parseRouteRequest, routeRequest, type RouteRequest } from '../route/request.ts';
import type { Admission, ProxyUser } from './admission.ts';

const REQUEST_MS = 5000;
const LINGER_MS = 2000;

export interface ProxyRequestContext {
  readonly clock: Clock;
  readonly log: Log;
  readonly admission: Pick<Admission, 'open'>;
  /** Throws when this person may not use the proxy now. */
  readonly admit: () => void;
  readonly clusterName: () => string;
  readonly user: ProxyUser;
}

/** Owns the stream. Never rejects. */
export async function serveProxyRequest(stream: Duplex, context: ProxyRequestContext): Promise<void> {
  const { clock, log } = context;
  stream.on('error', () => stream.destroy());
  let link: Link;
  try {
    link = await open(stream, context);
  } catch (error) {
    if (!isCode(error)) log.error({ err: error }, 'a connection to a server failed unexpectedly');
    refuse(stream, clock, error);
    return;
  }
  if (stream.destroyed || !stream.writable) {
    dropLink(link);
    return;
  }
  stream.write(PROXY_READY);
  joinStream(stream, link, clock);
}

async function open(
  stream: Duplex,
  { clock, admit, admission, user, clusterName }: ProxyRequestContext,
): Promise<Link> {
  admit();
  const line = await takeLine(stream, { clock, maxBytes: MAX_PROXY_REQUEST_BYTES, timeoutMs: REQUEST_MS });
  const { target, port, cluster } = parseProxyRequest(line);
  const { link } = await admission.open(user, requestOf(target, port, cluster, clusterName()));
  return link;
}

function requestOf(
  target: string,
  port: number | undefined,
  cluster: string | undefined,
  clusterName: string,
): RouteRequest {
  if (cluster !== undefined) parseRouteRequest(`x@${cluster}`, clusterName);
  return routeRequest(target, port);
}

function refuse(stream: Duplex, clock: Clock, error: unknown): void {
  if (!stream.writable) {
    stream.destroy();
    return;
  }
  const timer = clock.after(LINGER_MS, () => stream.destroy());
  stream.once('close', () => timer.cancel());
  stream.end(encodeProxyRefusal(error), () => stream.destroy());
}
