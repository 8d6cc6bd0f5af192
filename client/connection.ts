// One HTTPS connection pool to the auth API: mutual TLS, the server proven by the cluster's host authority.
// The server is not known by its host name (it moves) but by its certificate: issued by the host authority, for a
// host with the role auth. So any address works, and no other member of the cluster can pose as auth.
import { Agent, request as httpsRequest, type RequestOptions } from 'node:https';
import type { IncomingMessage } from 'node:http';
import type { PeerCertificate } from 'node:tls';
import { identityOfCertificate } from '#core/certs/x509/identity.ts';
import { fromErrorBody, GatehouseError } from '#core/errors/error.ts';
import { parseIdentity } from '#core/identity.ts';

/** Certificate chain and key of the caller, PEM. */
export interface ClientCertificate {
  readonly certificate: string;
  readonly privateKey: string;
}

export interface ConnectionOptions {
  /** `host:port`, tried in order when one cannot be reached. */
  readonly addresses: readonly string[];
  /** PEM certificates of the host authority. */
  readonly authorities: readonly string[];
  /** Left out for calls that need no identity. */
  readonly identity?: ClientCertificate | undefined;
  /** How long to wait for the head of an answer; default 30 s. */
  readonly timeoutMs?: number;
}

export interface Answer {
  readonly status: number;
  readonly body: IncomingMessage;
}

/** Answers to plain calls are at most this large; streams are read piecewise and have no such limit. */
const MAX_BODY_BYTES = 64 * 1024 * 1024;
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
  readonly #addresses: readonly string[];
  readonly #timeoutMs: number;

  constructor(options: ConnectionOptions) {
    this.#addresses = options.addresses;
    this.#timeoutMs = options.timeoutMs ?? 30_000;
    this.#agent = new Agent({
      keepAlive: true,
      maxSockets: 64,
      ca: [...options.authorities],
      ...(options.identity === undefined
        ? {}
        : { cert: options.identity.certificate, key: options.identity.privateKey }),
      minVersion: 'TLSv1.2',
      checkServerIdentity: (_host, certificate) => requireAuthServer(certificate),
    });
  }

  /** The head of the answer; an error answer throws as the error it carries. The caller reads or destroys the body. */
  async send(method: string, path: string, body?: unknown, signal?: AbortSignal): Promise<Answer> {
    const payload = body === undefined ? undefined : Buffer.from(JSON.stringify(body));
    let failure: unknown;
    for (const address of this.#addresses) {
      try {
        return await this.#sendTo(address, method, path, payload, signal);
      } catch (error) {
        failure = error;
        if (!isConnectError(error)) throw error;
      }
    }
    throw new GatehouseError(
      'UNAVAILABLE',
      `cannot reach the auth service at ${this.#addresses.join(', ')}`,
      {
        cause: failure,
      },
    );
  }

  close(): void {
    this.#agent.destroy();
  }

  async #sendTo(
    address: string,
    method: string,
    path: string,
    payload: Buffer | undefined,
    signal: AbortSignal | undefined,
  ): Promise<Answer> {
    const response = await this.#head(address, method, path, payload, signal);
    const status = response.statusCode ?? 0;
    if (status >= 200 && status < 300) return { status, body: response };
    throw fromErrorBody(parseJson(await readText(response)));
  }

  #head(
    address: string,
    method: string,
    path: string,
    payload: Buffer | undefined,
    signal: AbortSignal | undefined,
  ): Promise<IncomingMessage> {
    const target = new URL(`https://${address}${path}`);
    const options: RequestOptions = { method, agent: this.#agent, timeout: this.#timeoutMs };
    if (signal !== undefined) options.signal = signal;
    if (payload !== undefined) {
      options.headers = { 'content-type': 'application/json', 'content-length': payload.length };
    }
    return new Promise((resolve, reject) => {
      const request = httpsRequest(target, options, (response) => {
        request.setTimeout(0);
        resolve(response);
      });
      request.on('timeout', () => {
        request.destroy(
          new GatehouseError('UNAVAILABLE', `${address} did not answer within ${this.#timeoutMs / 1000} s`),
        );
      });
      request.on('error', (error) => reject(explain(address, error)));
      request.end(payload);
    });
  }
}

/** Reads a whole answer as text; TOO_LARGE past the limit. */
export async function readText(body: IncomingMessage): Promise<string> {
  const parts: Buffer[] = [];
  let size = 0;
  for await (const part of body as AsyncIterable<Buffer>) {
    size += part.length;
    if (size > MAX_BODY_BYTES) {
      body.destroy();
      throw new GatehouseError('TOO_LARGE', 'the answer of the server is larger than 64 MiB');
    }
    parts.push(part);
  }
  return Buffer.concat(parts).toString('utf8');
}

/** Undefined when the text is not JSON, as the answer of something that is not a Gatehouse may be. */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
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
  if (error instanceof GatehouseError) return error;
  const code = error.code ?? '';
  if (code === 'ABORT_ERR') return error;
  if (/CERT|SELF_SIGNED|UNABLE_TO/.test(code)) {
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
  return new GatehouseError('UNAVAILABLE', `cannot reach ${address} (${code || error.message})`, {
    cause: error,
  });
}
