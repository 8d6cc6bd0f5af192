// One HTTPS connection pool to the auth API: mutual TLS, the server proven by the cluster's host authority.
// The server is not known by its host name (it moves) but by its certificate: issued by the host authority, for a
// host with the role auth. So any address works, and no other member of the cluster can pose as auth.
import { Agent, request as httpsRequest, type RequestOptions } from 'node:https';
import type { ClientRequest, IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import { connect as connectTls, type ConnectionOptions as TlsOptions, type PeerCertificate } from 'node:tls';
import { API_PROTOCOLS } from '#core/api/protocols.ts';
import { identityOfCertificate } from '#core/certs/x509/identity.ts';
import { fromErrorBody, GatehouseError, isCode } from '#core/errors/error.ts';
import { parseIdentity } from '#core/identity.ts';
import { parseJson, readText } from './body.ts';

/** Certificate chain and key of the caller, PEM. */
export interface ClientCertificate {
  readonly certificate: string;
  readonly privateKey: string;
}

/** Makes a connection to `host:port`; see client/outbound/auth-dial.ts. */
export type Dial = (address: string) => Promise<Socket>;

export interface ConnectionOptions {
  /** `host:port`, tried in order when one cannot be reached; the one that answered last is tried first. */
  readonly addresses: readonly string[];
  /** PEM certificates of the host authority. */
  readonly authorities: readonly string[];
  /** Left out for calls that need no identity. */
  readonly identity?: ClientCertificate | undefined;
  /** How long the server may be silent before its answer, and within the answer of a plain call; default 30 s. */
  readonly timeoutMs?: number;
  /** How long a server may take until it is proven; then the next one is tried. Default 10 s. */
  readonly connectTimeoutMs?: number;
  /** How an address is reached; the connection it gives is spoken TLS on. Left out: directly, by TCP. */
  readonly dial?: Dial | undefined;
  /** Told what time the server has (milliseconds since the epoch, exact to the second), once per answer. */
  readonly onServerTime?: ((time: number) => void) | undefined;
}

export interface Answer {
  readonly status: number;
  readonly body: IncomingMessage;
}

export interface SendOptions {
  /** Sent as JSON … */
  readonly body?: unknown;
  /** … or as they are. */
  readonly bytes?: Uint8Array;
  readonly signal?: AbortSignal | undefined;
  /** The answer goes on for as long as it likes, with silences as long; its reader watches for them. */
  readonly isStream?: boolean;
}

const CONNECT_ERRORS = new Set([
  'ECONNREFUSED',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ENOTFOUND',
  'ETIMEDOUT',
  'EAI_AGAIN',
]);

export class Connection {
  readonly #agent: Agent;
  readonly #timeoutMs: number;
  readonly #connectTimeoutMs: number;
  readonly #onServerTime: ((time: number) => void) | undefined;
  #addresses: readonly string[];

  constructor(options: ConnectionOptions) {
    this.#addresses = options.addresses;
    this.#timeoutMs = options.timeoutMs ?? 30_000;
    this.#connectTimeoutMs = options.connectTimeoutMs ?? 10_000;
    this.#onServerTime = options.onServerTime;
    const { dial } = options;
    this.#agent = new (dial === undefined ? Agent : dialingAgent(dial))({
      keepAlive: true,
      maxSockets: 64,
      // A resumed session would skip the check of the server's identity.
      maxCachedSessions: 0,
      ca: [...options.authorities],
      ...(options.identity === undefined
        ? {}
        : { cert: options.identity.certificate, key: options.identity.privateKey }),
      minVersion: 'TLSv1.2',
      // By the first of them a proxy knows that the bytes are for the auth service, and passes them on unread.
      ALPNProtocols: [...API_PROTOCOLS],
      // Said aloud: an environment variable can turn the default off.
      rejectUnauthorized: true,
      checkServerIdentity: (_host, certificate) => requireAuthServer(certificate),
    });
  }

  /**
   * The head of the answer; an error answer throws as the error it carries. The caller reads or destroys the body.
   * UNAVAILABLE when no address answers, CERTIFICATE_INVALID when one shows what this cluster's authority did not
   * issue to an auth service: then nothing has been sent to it.
   */
  async send(method: string, path: string, options: SendOptions = {}): Promise<Answer> {
    let failure: unknown;
    for (const address of this.#addresses) {
      try {
        const answer = await this.#sendTo(address, method, path, options);
        this.#prefer(address);
        return answer;
      } catch (error) {
        failure = error;
        if (!isConnectError(error)) throw error;
      }
    }
    if (this.#addresses.length === 1) throw failure;
    throw new GatehouseError(
      'UNAVAILABLE',
      `cannot reach the auth service at ${this.#addresses.join(', ')}`,
      { cause: failure },
    );
  }

  close(): void {
    this.#agent.destroy();
  }

  #prefer(address: string): void {
    if (this.#addresses[0] !== address) {
      this.#addresses = [address, ...this.#addresses.filter((other) => other !== address)];
    }
  }

  async #sendTo(address: string, method: string, path: string, options: SendOptions): Promise<Answer> {
    const response = await this.#head(address, method, path, options);
    const time = Date.parse(response.headers.date ?? '');
    if (!Number.isNaN(time)) this.#onServerTime?.(time);
    const status = response.statusCode ?? 0;
    if (status >= 200 && status < 300) return { status, body: response };
    throw fromErrorBody(parseJson(await readText(response)));
  }

  #head(address: string, method: string, path: string, options: SendOptions): Promise<IncomingMessage> {
    const { body, bytes } = options;
    const payload = bytes ?? (body === undefined ? undefined : Buffer.from(JSON.stringify(body)));
    const about: RequestOptions = { method, agent: this.#agent, timeout: this.#connectTimeoutMs };
    if (options.signal !== undefined) about.signal = options.signal;
    if (payload !== undefined) {
      const type = bytes === undefined ? 'application/json' : 'application/octet-stream';
      about.headers = { 'content-type': type, 'content-length': payload.length };
    }
    return new Promise((resolve, reject) => {
      let hasAnswer = false;
      const request = httpsRequest(new URL(`https://${address}${path}`), about, (response) => {
        hasAnswer = true;
        if (options.isStream === true) request.setTimeout(0);
        resolve(response);
      });
      this.#watchSilence(request, address);
      request.on('error', (error: NodeJS.ErrnoException) => {
        // An idle connection that the server closed just now; what only reads may simply be asked again.
        const isStale = !hasAnswer && method === 'GET' && request.reusedSocket && error.code === 'ECONNRESET';
        if (isStale) resolve(this.#head(address, method, path, options));
        else reject(explain(address, error));
      });
      request.end(payload);
    });
  }

  /** Until the server is proven nothing was sent, so another one may be tried: the error says that it is of that kind. */
  #watchSilence(request: ClientRequest, address: string): void {
    let isProven = false;
    const proven = (): void => {
      isProven = true;
      request.setTimeout(this.#timeoutMs);
    };
    request.once('socket', (socket) => {
      if (request.reusedSocket) proven();
      else socket.once('secureConnect', proven);
    });
    request.on('timeout', () => {
      const ms = isProven ? this.#timeoutMs : this.#connectTimeoutMs;
      const message = `${address} was silent for ${ms / 1000} s`;
      const cause = isProven ? undefined : { code: 'ETIMEDOUT' };
      request.destroy(new GatehouseError('UNAVAILABLE', message, { cause }));
    });
  }
}

/** Agents that reach their servers by `dial`. */
export function dialingAgent(dial: Dial): typeof Agent {
  return class extends Agent {
    override createConnection(
      options: TlsOptions,
      done?: (error: Error | null, socket: Socket) => void,
    ): undefined {
      const host = options.host ?? '';
      const address = `${host.includes(':') ? `[${host}]` : host}:${options.port ?? 0}`;
      void (async () => {
        try {
          done?.(null, connectTls({ ...options, socket: await dial(address) }));
        } catch (error) {
          done?.(error as Error, undefined as never);
        }
      })();
      return undefined;
    }
  };
}

function requireAuthServer(certificate: PeerCertificate): Error | undefined {
  try {
    const identity = parseIdentity(identityOfCertificate(certificate.raw));
    if (identity.kind === 'host' && identity.roles.includes('auth')) return undefined;
  } catch (error) {
    return new GatehouseError('CERTIFICATE_INVALID', 'the server showed a certificate without an identity', {
      cause: error,
    });
  }
  return new GatehouseError(
    'CERTIFICATE_INVALID',
    'the server is a member of the cluster but not an auth service',
  );
}

function isConnectError(error: unknown): boolean {
  const cause = error instanceof GatehouseError ? error.cause : error;
  const code = (cause as NodeJS.ErrnoException | undefined)?.code;
  return code !== undefined && CONNECT_ERRORS.has(code);
}

function explain(address: string, error: NodeJS.ErrnoException): Error {
  if (isCode(error)) return error;
  const code = error.code ?? '';
  if (code === 'ABORT_ERR') return error;
  if (/CERT|SELF_SIGNED|UNABLE_TO|INVALID_(?:CA|PURPOSE)|PATH_LENGTH/.test(code)) {
    return new GatehouseError(
      'CERTIFICATE_INVALID',
      `${address} showed a certificate that this cluster's host authority did not issue (${code})`,
      { cause: error },
    );
  }
  if (/SSL|TLS|EPROTO/.test(code)) {
    return new GatehouseError('UNAUTHENTICATED', `${address} ended the TLS handshake (${code})`, {
      cause: error,
    });
  }
  return new GatehouseError(
    'UNAVAILABLE',
    `cannot reach ${address} (${code === '' ? error.message : code})`,
    {
      cause: error,
    },
  );
}
