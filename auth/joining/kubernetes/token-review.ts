// Asks the API server of the cluster that this auth service runs in whether it vouches for a token. Its own few lines of
// HTTPS: auth is no client of Kubernetes otherwise. Credentials are files that the kubelet replaces, so they are read anew.
import { readFile } from 'node:fs/promises';
import type { IncomingMessage } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { join } from 'node:path';
import { GatehouseError } from '#core/errors/error.ts';
import type { Log } from '#core/log.ts';
import { requireAuthority } from '#core/pod.ts';
import { isPlainObject } from '#core/schema/check.ts';
import type { Secret } from '#core/secret.ts';
import type { ReviewedToken } from '#join/kubernetes/reviews.ts';
import { readBody } from './read-body.ts';

export interface ApiServer {
  readonly host: string;
  readonly port: number;
  /** Holds `token` and `ca.crt` of this pod's ServiceAccount. */
  readonly credentialsDir: string;
}

const TIMEOUT_MS = 10_000;
const MAX_BYTES = 256 * 1024;
/** A flood of joins must not become a flood of reviews. */
const MAX_AT_ONCE = 32;

export class TokenReviews {
  readonly #server: ApiServer | undefined;
  readonly #log: Log;
  #running = 0;

  /** Without a server every review is UNAVAILABLE. */
  constructor(server: ApiServer | undefined, log: Log) {
    this.#server = server;
    this.#log = log;
  }

  /** As KubernetesReviews.reviewToken. */
  async review(token: Secret, audience: string): Promise<ReviewedToken | undefined> {
    if (this.#server === undefined) {
      throw new GatehouseError(
        'UNAVAILABLE',
        'tokens of type in_cluster need an auth service that runs in that cluster; use static_jwks or oidc',
      );
    }
    if (this.#running >= MAX_AT_ONCE) throw new GatehouseError('UNAVAILABLE', 'too many joins at once');
    this.#running += 1;
    try {
      return reviewedIn(await this.#ask(this.#server, token, audience), audience);
    } catch (error) {
      this.#log.warn({ err: error }, 'a join token could not be reviewed by the Kubernetes API server');
      throw error;
    } finally {
      this.#running -= 1;
    }
  }

  async #ask(server: ApiServer, token: Secret, audience: string): Promise<unknown> {
    const body = JSON.stringify({
      apiVersion: 'authentication.k8s.io/v1',
      kind: 'TokenReview',
      spec: { token: token.reveal(), audiences: [audience] },
    });
    const { status, text } = await post(server, body);
    if (status === 401 || status === 403) {
      throw new GatehouseError(
        'UNAVAILABLE',
        `the API server lets nobody review tokens here (${status}); bind system:auth-delegator to the ServiceAccount of auth`,
      );
    }
    if (status !== 200 && status !== 201) {
      throw new GatehouseError('UNAVAILABLE', `the API server answered a token review with status ${status}`);
    }
    return parse(text);
  }
}

/** Undefined when the server does not vouch for it; a server that knows nothing of audiences names none. */
function reviewedIn(review: unknown, audience: string): ReviewedToken | undefined {
  const status = fieldOf(review, 'status');
  const audiences = textsOf(fieldOf(status, 'audiences'));
  const user = fieldOf(status, 'user');
  const username = fieldOf(user, 'username');
  if (fieldOf(status, 'authenticated') !== true || !audiences.includes(audience)) return undefined;
  if (typeof username !== 'string') return undefined;
  const extra = fieldOf(user, 'extra');
  const [podName, podUid] = ['pod-name', 'pod-uid'].map((name) => {
    const values = textsOf(fieldOf(extra, `authentication.kubernetes.io/${name}`));
    return values.length === 1 ? values[0] : undefined;
  });
  return { username, audiences, podName, podUid };
}

function fieldOf(value: unknown, name: string): unknown {
  return isPlainObject(value) && Object.hasOwn(value, name) ? value[name] : undefined;
}

const textsOf = (value: unknown): readonly string[] =>
  Array.isArray(value) ? value.filter((entry): entry is string => typeof entry === 'string') : [];

async function post(
  server: ApiServer,
  body: string,
): Promise<{ readonly status: number; readonly text: string }> {
  try {
    const [token = '', authority = ''] = await Promise.all(
      ['token', 'ca.crt'].map((name) => readFile(join(server.credentialsDir, name), 'utf8')),
    );
    const answer = await send(server, {
      token: token.trim(),
      authority: requireAuthority(authority),
      body,
    });
    return { status: answer.statusCode ?? 0, text: await readBody(answer, MAX_BYTES) };
  } catch (cause) {
    if (cause instanceof GatehouseError) throw cause;
    const { code, name } = cause as NodeJS.ErrnoException;
    throw new GatehouseError('UNAVAILABLE', `the Kubernetes API server cannot be asked (${code ?? name})`, {
      cause,
    });
  }
}

interface Question {
  readonly token: string;
  readonly authority: string;
  readonly body: string;
}

function send({ host, port }: ApiServer, { token, authority, body }: Question): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const request = httpsRequest({
      host,
      port,
      method: 'POST',
      path: '/apis/authentication.k8s.io/v1/tokenreviews',
      agent: false,
      ca: authority,
      // Said aloud: an environment variable can turn the default off.
      rejectUnauthorized: true,
      headers: {
        authorization: `Bearer ${token}`,
        'content-type': 'application/json',
        'content-length': Buffer.byteLength(body),
        accept: 'application/json',
      },
      signal: AbortSignal.timeout(TIMEOUT_MS),
    });
    request.once('response', resolve);
    request.once('error', reject);
    request.end(body);
  });
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new GatehouseError('UNAVAILABLE', 'the API server answered a token review with no JSON');
  }
}
