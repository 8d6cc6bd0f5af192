// A port on this machine that is an application: plain HTTP here, the person's certificate on the way out. Requests of web
// pages of others are refused, for a browser would send them to any port of its machine.
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { GatehouseError } from '#core/errors/error.ts';
import { splice } from '#wire/splice.ts';
import { openHttpPool, type HttpPool } from './http-pool.ts';
import { headText, withoutHeaders } from './raw-http.ts';

export interface AppProxyOptions {
  /** On 127.0.0.1; 0: any. */
  readonly port: number;
  /** What the application is called outside: `grafana.example.com:3080`. */
  readonly host: string;
  open(): Promise<Duplex>;
  failed(error: unknown): void;
}

const LOOPBACK = '127.0.0.1';
const OWN_HOST = /^(?:localhost|127\.0\.0\.1|\[::1\])(?::\d+)?$/;
const OWN_ORIGIN = /^https?:\/\/(?:localhost|127\.0\.0\.1|\[::1\])(?::\d+)?$/;
const HOPS: ReadonlySet<string> = new Set([
  'host',
  'connection',
  'keep-alive',
  'proxy-connection',
  'upgrade',
]);

/** ALREADY_EXISTS when the port is taken. The caller closes it. */
export async function openAppProxy(
  options: AppProxyOptions,
): Promise<{ readonly port: number; close(): void }> {
  const pool = openHttpPool(() => options.open());
  const open = new Set<Duplex>();
  const server = createServer({ requestTimeout: 0 }, (request, response) => {
    void answer(request, response, pool, options);
  });
  server.on('checkContinue', (request, response) => void answer(request, response, pool, options));
  server.on('upgrade', (request, socket, head) => void upgrade({ request, socket, head, pool, options }));
  server.on('connection', (socket) => {
    open.add(socket);
    socket.once('close', () => open.delete(socket));
  });
  const port = await new Promise<number>((resolve, reject) => {
    server.once('error', (cause: NodeJS.ErrnoException) => {
      const isTaken = cause.code === 'EADDRINUSE';
      const why = isTaken ? 'something else does' : cause.code;
      reject(
        new GatehouseError(
          isTaken ? 'ALREADY_EXISTS' : 'BAD_REQUEST',
          `cannot listen on ${LOOPBACK}:${options.port}: ${why}`,
          {
            cause,
            details: { remedy: 'Choose another port with -p.' },
          },
        ),
      );
    });
    server.listen(options.port, LOOPBACK, () => resolve((server.address() as AddressInfo).port));
  });
  return {
    port,
    close() {
      server.close();
      for (const socket of open) socket.destroy();
      pool.close();
    },
  };
}

/** A page of somebody else, or a name of somebody else that leads here. */
function isForeign({ headers }: IncomingMessage): boolean {
  const { host, origin } = headers;
  const isLoadedElsewhere =
    headers['sec-fetch-site'] === 'cross-site' && headers['sec-fetch-mode'] !== 'navigate';
  if (isLoadedElsewhere) return true;
  return !OWN_HOST.test(host ?? '') || (origin !== undefined && !OWN_ORIGIN.test(origin));
}

async function answer(
  request: IncomingMessage,
  response: ServerResponse,
  pool: HttpPool,
  { host, failed }: AppProxyOptions,
): Promise<void> {
  if (isForeign(request)) {
    refuse(response, 403, 'requests of other web pages are not passed on');
    return;
  }
  const outgoing = pool.request({
    method: request.method ?? 'GET',
    path: request.url ?? '/',
    headers: ['host', host, ...passedOn(request)],
  });
  response.once('close', () => outgoing.destroy());
  try {
    const answered = new Promise<IncomingMessage>((resolve, reject) => {
      outgoing.once('response', resolve).once('error', reject);
    });
    outgoing.once('continue', () => response.writeContinue());
    const sent = pipeline(request, outgoing);
    sent.catch(() => undefined);
    const reply = await answered;
    response.writeHead(reply.statusCode ?? 502, reply.statusMessage, withoutHeaders(reply.rawHeaders, HOPS));
    await pipeline(reply, response);
  } catch (error) {
    failed(error);
    if (response.headersSent) response.destroy();
    else refuse(response, 502, (error as Error).message);
  }
}

async function upgrade(about: {
  readonly request: IncomingMessage;
  readonly socket: Duplex;
  readonly head: Buffer;
  readonly pool: HttpPool;
  readonly options: AppProxyOptions;
}): Promise<void> {
  const { request, socket, head, pool, options } = about;
  socket.on('error', () => {});
  if (isForeign(request)) {
    socket.end('HTTP/1.1 403 Forbidden\r\nconnection: close\r\ncontent-length: 0\r\n\r\n');
    return;
  }
  const outgoing = pool.request({
    method: request.method ?? 'GET',
    path: request.url ?? '/',
    headers: [
      'host',
      options.host,
      ...passedOn(request),
      'connection',
      'Upgrade',
      'upgrade',
      request.headers.upgrade ?? '',
    ],
    isAlone: true,
  });
  outgoing.once('upgrade', (reply, far, farHead) => {
    socket.write(headText(reply));
    if (farHead.length > 0) far.unshift(farHead);
    if (head.length > 0) socket.unshift(head);
    splice(socket, far);
  });
  outgoing.once('response', (reply) => {
    socket.write(headText(reply));
    pipeline(reply, socket).catch(options.failed);
  });
  outgoing.once('error', (error) => {
    options.failed(error);
    socket.destroy();
  });
  outgoing.end();
}

const passedOn = ({ rawHeaders }: IncomingMessage): string[] => withoutHeaders(rawHeaders, HOPS);

function refuse(response: ServerResponse, status: number, text: string): void {
  response.writeHead(status, { 'content-type': 'text/plain; charset=utf-8', connection: 'close' });
  response.end(`gate: ${text}\n`);
}
