// Calls to one API server over HTTPS: connections that stay open, a time for each call, and new tries where they cannot do
// a thing twice. It follows no redirect and knows no other address, so the token goes nowhere else (S37).
import type { IncomingMessage } from 'node:http';
import { Agent, request as httpsRequest } from 'node:https';
import { backoffMs } from '#client/member/backoff.ts';
import { parseJson, readText } from '#client/body.ts';
import { sleep, type Clock } from '#core/clock.ts';
import { GatehouseError, isCode } from '#core/errors/error.ts';
import type { ApiServer, CallCredentials } from './api-server.ts';
import { errorOfStatus, retryAfterMs } from './statuses.ts';

export interface ApiCall {
  /** For metrics: `get`, `list`, `apply`. */
  readonly verb: string;
  /** For metrics: the plural of the type. */
  readonly resource: string;
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  /** With its query. */
  readonly path: string;
  readonly accept?: string | undefined;
  readonly body?: unknown;
  readonly bodyType?: string | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** Told of each answer, new tries included; code 0: there was none. */
export type ObserveCall = (call: {
  readonly verb: string;
  readonly resource: string;
  readonly code: number;
}) => void;

export interface TransportOptions {
  readonly server: ApiServer;
  readonly clock: Clock;
  readonly userAgent: string;
  readonly observe: ObserveCall;
  /** Time until the head of an answer, and for a whole one. */
  readonly timeoutMs?: number;
}

const TIMEOUT_MS = 30_000;
const MAX_BODY_BYTES = 32 * 1024 * 1024;
const MAX_ERROR_BYTES = 64 * 1024;
const MAX_TRIES = 4;
const BACKOFF = { firstMs: 250, maxMs: 4000 };
/** A server that asks for more patience than this gets its answer as an error, and the queue waits. */
const MAX_RETRY_AFTER_MS = 10_000;
const AGAIN: readonly number[] = [429, 502, 503, 504];

/** An attempt that gave no good answer; status 0: no answer at all. */
interface Failed {
  readonly error: GatehouseError;
  readonly status: number;
  readonly retryAfterMs?: number | undefined;
}

export class Transport {
  readonly #options: TransportOptions;
  readonly #agent = new Agent({
    keepAlive: true,
    keepAliveMsecs: 30_000,
    maxFreeSockets: 8,
    minVersion: 'TLSv1.2',
  });

  constructor(options: TransportOptions) {
    this.#options = options;
  }

  /** The JSON of a good answer. Errors as Kube says. */
  async call(call: ApiCall): Promise<unknown> {
    const answer = await this.open(call);
    const body = parseJson(await this.#read(answer, MAX_BODY_BYTES));
    if (body !== undefined) return body;
    throw new GatehouseError(
      'UNAVAILABLE',
      'the Kubernetes API server answered with something that is not JSON',
    );
  }

  /** The answer, once its head is there and good; the caller reads or destroys it. */
  async open(call: ApiCall): Promise<IncomingMessage> {
    let isRefused = false;
    for (let tries = 1; ; tries++) {
      const answer = await this.#attempt(call, isRefused);
      if (!('error' in answer)) return answer;
      isRefused = answer.status === 401;
      const waitMs = waitBefore(call, answer, tries);
      if (waitMs === undefined) throw answer.error;
      if (waitMs > 0) await sleep(this.#options.clock, waitMs, call.signal);
    }
  }

  close(): void {
    this.#agent.destroy();
  }

  async #attempt(call: ApiCall, isRefused: boolean): Promise<IncomingMessage | Failed> {
    const { observe } = this.#options;
    const { verb, resource, signal } = call;
    try {
      const answer = await this.#send(call, await this.#options.server.credentials(isRefused));
      const { statusCode: status = 0, headers } = answer;
      observe({ verb, resource, code: status });
      if (status >= 200 && status < 300) return answer;
      const text = await this.#read(answer, MAX_ERROR_BYTES).catch(() => '');
      return {
        status,
        error: errorOfStatus(status, parseJson(text)),
        retryAfterMs: retryAfterMs(headers['retry-after']),
      };
    } catch (cause) {
      signal?.throwIfAborted();
      observe({ verb, resource, code: 0 });
      return { status: 0, error: isCode(cause) ? cause : notReached(this.#options.server, cause) };
    }
  }

  #send(call: ApiCall, credentials: CallCredentials): Promise<IncomingMessage> {
    const { server, clock, userAgent, timeoutMs = TIMEOUT_MS } = this.#options;
    const { method, path, accept = 'application/json', bodyType = 'application/json', signal } = call;
    const { authorization, ca, cert, key, serverName } = credentials;
    const body = call.body === undefined ? undefined : Buffer.from(textOf(call.body, bodyType));
    return new Promise((resolve, reject) => {
      const request = httpsRequest({
        agent: this.#agent,
        // Said aloud: an environment variable can turn the default off.
        rejectUnauthorized: true,
        host: server.host,
        port: server.port,
        method,
        path: `${server.basePath}${path}`,
        ...(serverName === undefined ? {} : { servername: serverName }),
        ...(ca === undefined ? {} : { ca }),
        ...(cert === undefined ? {} : { cert }),
        ...(key === undefined ? {} : { key: key.reveal() }),
        ...(signal === undefined ? {} : { signal }),
        headers: {
          accept,
          'user-agent': userAgent,
          ...(authorization === undefined ? {} : { authorization: authorization.reveal() }),
          ...(body === undefined ? {} : { 'content-type': bodyType, 'content-length': body.length }),
        },
      });
      const timer = clock.after(timeoutMs, () => request.destroy(timedOut(timeoutMs)));
      request.on('response', (answer) => {
        timer.cancel();
        resolve(answer);
      });
      request.on('error', (cause) => {
        timer.cancel();
        reject(cause);
      });
      request.end(body);
    });
  }

  async #read(answer: IncomingMessage, maxBytes: number): Promise<string> {
    const { clock, timeoutMs = TIMEOUT_MS } = this.#options;
    const timer = clock.after(timeoutMs, () => answer.destroy(timedOut(timeoutMs)));
    try {
      return await readText(answer, maxBytes);
    } finally {
      timer.cancel();
      answer.destroy();
    }
  }
}

/** Undefined: not again. A creation whose answer was lost may have happened; all else can be done twice. */
function waitBefore(call: ApiCall, failed: Failed, tries: number): number | undefined {
  const { status, retryAfterMs: asked = 0 } = failed;
  if (tries >= MAX_TRIES || asked > MAX_RETRY_AFTER_MS) return undefined;
  if (status === 401) return tries === 1 ? 0 : undefined;
  if (status !== 429 && call.method === 'POST') return undefined;
  if (status !== 0 && !AGAIN.includes(status)) return undefined;
  if (failed.error.code !== 'UNAVAILABLE' && failed.error.code !== 'LIMIT_EXCEEDED') return undefined;
  return Math.max(asked, backoffMs(BACKOFF, tries));
}

function notReached({ host, port }: ApiServer, cause: unknown): GatehouseError {
  const why =
    cause instanceof Error ? ((cause as NodeJS.ErrnoException).code ?? cause.message) : String(cause);
  return new GatehouseError(
    'UNAVAILABLE',
    `the Kubernetes API server at ${host}:${port} does not answer: ${why}`,
    { cause },
  );
}

function timedOut(timeoutMs: number): GatehouseError {
  return new GatehouseError(
    'UNAVAILABLE',
    `the Kubernetes API server did not answer within ${timeoutMs / 1000} s`,
  );
}

/** Bodies of server-side apply are read as YAML, which takes JSON but for control characters and halves of letters. */
function textOf(body: unknown, type: string): string {
  if (!type.endsWith('+yaml')) return JSON.stringify(body);
  const json = JSON.stringify(body, (_, value: unknown) =>
    typeof value === 'string' ? value.toWellFormed() : value,
  );
  return asYaml(json);
}

/** JSON as YAML: whatever is no plain letter is escaped. */
export const asYaml = (json: string): string =>
  json.replaceAll(/[^\x20-\x7e]/gu, (letter) => {
    const code = letter.codePointAt(0) ?? 0;
    return `\\U${code.toString(16).padStart(8, '0')}`;
  });
