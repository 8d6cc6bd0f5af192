// A proxy on loopback for programs that speak to AWS. Either they take it as their HTTPS proxy (CONNECT, then TLS with a
// certificate of the local authority), or as their endpoint (plain HTTP). It leads to endpoints of AWS and nowhere else, and
// what it takes is signed with keys that it gave out.
import { randomUUID } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { TLSSocket } from 'node:tls';
import { parseAwsHost } from '#core/aws/endpoints.ts';
import { awsErrorAnswer } from '#core/aws/error-answer.ts';
import { awsFault } from '#core/aws/fault.ts';
import type { Partition } from '#core/aws/partitions.ts';
import type { SigningCredentials } from '#core/aws/sigv4.ts';
import type { VerifiedSignature } from '#core/aws/sigv4-verify.ts';
import type { Clock } from '#core/clock.ts';
import { GatehouseError, isCode } from '#core/errors/error.ts';
import { openHttpPool } from '../target/http-pool.ts';
import { openServerContexts, type LocalAuthority } from './authority.ts';
import { endpointHost } from './endpoint-host.ts';
import { relayRequest, relayUpgrade } from './relay.ts';
import { awsRequestOf } from './verify.ts';

export interface AwsProxyOptions {
  /** On 127.0.0.1; 0: any. */
  readonly port: number;
  readonly clock: Clock;
  /** Of the application: others are refused before anything is sent. */
  readonly partition: Partition;
  readonly keys: SigningCredentials;
  /** The authority to show programs; asked for each connection, as a new login brings a new one. */
  authority(): Promise<LocalAuthority>;
  /** Opens a connection to the application. */
  open(): Promise<Duplex>;
  /** Hears of each request that got nowhere. */
  failed(error: unknown): void;
}

export interface AwsProxy {
  readonly port: number;
  close(): void;
}

const LOOPBACK = '127.0.0.1';
const HTTPS = '443';
const MAX_HEAD_BYTES = 64 * 1024;
const HANDSHAKE_MS = 30_000;
/** Programs that pause between two calls find their connection as they left it. */
const KEEP_ALIVE_MS = 120_000;

/** ALREADY_EXISTS when the port is taken. The caller closes it. */
export async function openAwsProxy(options: AwsProxyOptions): Promise<AwsProxy> {
  const proxy = new Proxy(options);
  return { port: await proxy.listen(options.port), close: () => proxy.close() };
}

class Proxy {
  readonly #options: AwsProxyOptions;
  readonly #server: Server;
  readonly #pool: ReturnType<typeof openHttpPool>;
  readonly #contexts = openServerContexts();
  /** The host that a program asked for, by the connection it then made. */
  readonly #hosts = new WeakMap<Duplex, string>();
  readonly #sockets = new Set<Duplex>();

  constructor(options: AwsProxyOptions) {
    this.#options = options;
    this.#pool = openHttpPool(options.open);
    this.#server = createServer({
      maxHeaderSize: MAX_HEAD_BYTES,
      // Bodies may take as long as they take.
      requestTimeout: 0,
      keepAliveTimeout: KEEP_ALIVE_MS,
    });
    const serve = (request: IncomingMessage, response: ServerResponse): void =>
      void this.#serve(request, response);
    this.#server.on('request', serve).on('checkContinue', serve);
    this.#server.on(
      'connect',
      (request, socket, head) => void this.#connect(request, socket as Socket, head),
    );
    this.#server.on('upgrade', (request, socket, head) => void this.#upgrade(request, socket, head));
    this.#server.on('connection', (socket) => this.#keep(socket));
    this.#server.on('clientError', (_, socket) => socket.destroy());
  }

  listen(port: number): Promise<number> {
    return new Promise((resolve, reject) => {
      this.#server.once('error', (cause: NodeJS.ErrnoException) => reject(cannotListen(port, cause)));
      this.#server.listen(port, LOOPBACK, () => resolve((this.#server.address() as AddressInfo).port));
    });
  }

  close(): void {
    this.#server.close();
    // TLS before what is under it: the other way round Node uses memory that is gone.
    for (const socket of [...this.#sockets].toReversed()) socket.destroy();
    this.#pool.close();
  }

  #keep(socket: Duplex): void {
    if (this.#sockets.has(socket)) return;
    this.#sockets.add(socket);
    socket.once('close', () => this.#sockets.delete(socket)).on('error', () => {});
  }

  /** `CONNECT host:443`: TLS with that host's name begins here. */
  async #connect(request: IncomingMessage, socket: Socket, head: Buffer): Promise<void> {
    this.#keep(socket);
    try {
      const host = this.#requireConnectHost(request.url ?? '');
      const context = this.#contexts.contextFor(await this.#options.authority(), host);
      if (socket.destroyed) return;
      socket.write('HTTP/1.1 200 Connection established\r\n\r\n');
      if (head.length > 0) socket.unshift(head);
      const tls = new TLSSocket(socket, {
        isServer: true,
        secureContext: context,
        ALPNProtocols: ['http/1.1'],
      });
      const timer = this.#options.clock.after(HANDSHAKE_MS, () => tls.destroy());
      this.#keep(tls);
      this.#hosts.set(tls, host);
      tls.once('close', () => timer.cancel());
      // HTTP reads from below the stream: it may only begin when the handshake is done.
      tls.once('secure', () => {
        timer.cancel();
        this.#server.emit('connection', tls);
      });
    } catch (error) {
      this.#options.failed(error);
      refuseConnect(socket, error);
    }
  }

  #requireConnectHost(target: string): string {
    const [, host = '', port = ''] = /^\[?([^\]]*?)\]?:(\d+)$/.exec(target) ?? [];
    const name = host.toLowerCase();
    const endpoint = port === HTTPS ? parseAwsHost(name) : undefined;
    if (endpoint === undefined) {
      throw new GatehouseError(
        'ACCESS_DENIED',
        `this proxy leads to endpoints of AWS only, and ${target.slice(0, 100)} is none; put other hosts into NO_PROXY`,
      );
    }
    this.#requirePartition(endpoint.partition, name);
    return name;
  }

  #requirePartition(partition: Partition, host: string): void {
    if (partition.id === this.#options.partition.id) return;
    throw new GatehouseError(
      'ACCESS_DENIED',
      `${host} is of the partition ${partition.id}, and this application of ${this.#options.partition.id}`,
    );
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { keys, clock } = this.#options;
    try {
      await relayRequest(request, response, {
        pool: this.#pool,
        verifier: { keys, now: () => clock.now() },
        hostOf: (_, signature) => this.#hostFor(request, signature),
      });
    } catch (error) {
      this.#answer(request, response, error);
    }
  }

  #hostFor(request: IncomingMessage, { scope }: VerifiedSignature): string {
    const named = (request.headers.host ?? '').toLowerCase().replace(/:443$/, '');
    const host = this.#hosts.get(request.socket);
    if (host !== undefined) {
      if (named === host) return host;
      throw awsFault(
        'BAD_REQUEST',
        'InvalidRequest',
        `the connection is for ${host}, and the request for another host`,
      );
    }
    const { partition } = this.#options;
    const found = endpointHost(partition, scope.service, scope.region);
    if (found !== undefined) return found;
    throw awsFault(
      'NOT_SUPPORTED',
      'InvalidRequest',
      `${scope.service} in ${scope.region} is no endpoint of the partition ${partition.id}`,
    );
  }

  #answer(request: IncomingMessage, response: ServerResponse, error: unknown): void {
    const found = asError(error);
    this.#options.failed(found);
    if (response.headersSent || response.destroyed) {
      response.destroy();
      return;
    }
    const host = this.#hosts.get(request.socket);
    const service = host === undefined ? undefined : parseAwsHost(host)?.service;
    const about = { requestId: randomUUID(), service };
    const { status, headers, body } = awsErrorAnswer(found, awsRequestOf(request), about);
    // What is left of the body is not read, so the connection is of no use any more.
    response.writeHead(status, [...headers.flat(), 'connection', 'close']);
    response.end(body);
  }

  async #upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): Promise<void> {
    const { keys, clock } = this.#options;
    try {
      const host = this.#hosts.get(request.socket);
      if (host === undefined || (request.headers.host ?? '').toLowerCase().replace(/:443$/, '') !== host) {
        throw new GatehouseError('BAD_REQUEST', 'WebSockets need the proxy as HTTPS_PROXY');
      }
      await relayUpgrade(request, socket, head, {
        pool: this.#pool,
        verifier: { keys, now: () => clock.now() },
        host,
      });
    } catch (error) {
      this.#options.failed(error);
      socket.end(`HTTP/1.1 502 Bad Gateway\r\nconnection: close\r\ncontent-length: 0\r\n\r\n`);
    }
  }
}

function refuseConnect(socket: Socket, error: unknown): void {
  const text = `${asError(error).message}\n`;
  const status = isCode(error, 'ACCESS_DENIED') ? '403 Forbidden' : '502 Bad Gateway';
  const head = [
    `HTTP/1.1 ${status}`,
    'connection: close',
    'content-type: text/plain; charset=utf-8',
    `content-length: ${Buffer.byteLength(text)}`,
  ];
  socket.end(`${head.join('\r\n')}\r\n\r\n${text}`);
}

const asError = (error: unknown): GatehouseError =>
  error instanceof GatehouseError
    ? error
    : new GatehouseError('UNAVAILABLE', error instanceof Error ? error.message : 'the request failed', {
        cause: error,
      });

function cannotListen(port: number, cause: NodeJS.ErrnoException): GatehouseError {
  const isTaken = cause.code === 'EADDRINUSE';
  const why = isTaken ? 'something else does' : (cause.code ?? cause.message);
  return new GatehouseError(
    isTaken ? 'ALREADY_EXISTS' : 'BAD_REQUEST',
    `cannot listen on ${LOOPBACK}:${port}: ${why}`,
    { cause, details: { remedy: 'Choose another port with -p.' } },
  );
}
