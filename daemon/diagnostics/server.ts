// Health and metrics over plain HTTP, on an address of their own and nowhere else: three GET paths, no input, no
// secrets. Meant for loopback or a network of monitors.
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { formatAddress, type Address } from '#config/address.ts';
import { GatehouseError } from '#core/errors/error.ts';
import { newSockets, type ListeningSockets } from '#core/listening.ts';

export interface DiagnosticsOptions {
  readonly listen: Address;
  readonly sockets?: ListeningSockets | undefined;
  /** Why the process cannot serve at present; empty when it can. */
  readonly reasons: () => readonly string[];
  readonly metrics: () => string;
}

export interface Diagnostics {
  /** As bound. */
  readonly address: string;
  close(): Promise<void>;
}

const SETTING = 'gatehouse.diag_addr';
const MAX_CONNECTIONS = 100;
const TIMEOUT_MS = 10_000;
const MAX_HEADER_BYTES = 8 * 1024;

interface Page {
  readonly status: number;
  readonly type: string;
  readonly text: string;
}

/** Resolves when it listens. UNAVAILABLE when the address is taken. */
export async function startDiagnostics(options: DiagnosticsOptions): Promise<Diagnostics> {
  const server = createServer(
    {
      maxHeaderSize: MAX_HEADER_BYTES,
      headersTimeout: TIMEOUT_MS,
      requestTimeout: TIMEOUT_MS,
      keepAliveTimeout: TIMEOUT_MS,
      connectionsCheckingInterval: 1000,
    },
    (request, response) => answer(request, response, options),
  );
  server.maxConnections = MAX_CONNECTIONS;
  const { listen, sockets = newSockets } = options;
  await new Promise<void>((resolve, reject) => {
    server.once('error', (cause: NodeJS.ErrnoException) => reject(cannotListen(options.listen, cause)));
    server.listen(sockets.claim(SETTING, listen), resolve);
  });
  sockets.opened(SETTING, listen, server);
  const bound = server.address() as AddressInfo;
  return {
    address: formatAddress({ host: bound.address, port: bound.port }),
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

function answer(request: IncomingMessage, response: ServerResponse, options: DiagnosticsOptions): void {
  const { method = '', url = '' } = request;
  const isRead = method === 'GET' || method === 'HEAD';
  const page = isRead
    ? pageOf(url.split('?', 1)[0] ?? '', options)
    : problem(405, 'only GET is answered here');
  response.writeHead(page.status, {
    'content-type': page.type,
    'content-length': Buffer.byteLength(page.text),
    'cache-control': 'no-store',
    'x-content-type-options': 'nosniff',
    ...(isRead ? {} : { connection: 'close' }),
  });
  response.end(method === 'HEAD' ? undefined : page.text);
}

function pageOf(path: string, { reasons, metrics }: DiagnosticsOptions): Page {
  switch (path) {
    case '/healthz':
      return json(200, { status: 'ok' });
    case '/readyz': {
      const found = reasons();
      return found.length === 0
        ? json(200, { status: 'ok' })
        : json(503, { status: 'not ready', reasons: found });
    }
    case '/metrics':
      return { status: 200, type: 'text/plain; version=0.0.4; charset=utf-8', text: metrics() };
    default:
      return problem(404, 'there is /healthz, /readyz and /metrics');
  }
}

const json = (status: number, body: object): Page => ({
  status,
  type: 'application/json',
  text: JSON.stringify(body),
});
const problem = (status: number, message: string): Page => json(status, { status: 'error', message });

function cannotListen(listen: Address, cause: NodeJS.ErrnoException): GatehouseError {
  const why = cause.code === 'EADDRINUSE' ? 'the port is in use' : (cause.code ?? cause.message);
  return new GatehouseError(
    'UNAVAILABLE',
    `cannot listen on ${formatAddress(listen)} for health and metrics: ${why}; choose another address with --diag-addr`,
    { cause, details: { remedy: '' } },
  );
}
