// The few calls that an agent in a pod makes to the API server of its Kubernetes: one Secret, and its own pod. Apart from
// operator/kube, because an agent must start without any of the operator; and it dials only what its kubelet told it.
import { readFile } from 'node:fs/promises';
import type { IncomingMessage } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { isIPv6 } from 'node:net';
import { join } from 'node:path';
import { GatehouseError, isCode } from '#core/errors/error.ts';
import { ACCOUNT_DIR, requireAuthority } from '#core/pod.ts';
import { parseJson, readText } from './body.ts';
import {
  formatSecret,
  parsePod,
  parseSecret,
  parseStatus,
  readSubject,
  type KubeSecret,
  type OwnerReference,
  type TokenSubject,
} from './kube-secret-object.ts';

/**
 * What the ServiceAccount of an agent needs; `{replica}` stands for the name of each replica. RBAC cannot restrict
 * `create` to a name, because the object has none yet when it is decided.
 */
export const SECRET_RULES = [
  { apiGroups: [''], resources: ['secrets'], verbs: ['create'] },
  { apiGroups: [''], resources: ['secrets'], resourceNames: ['{replica}-state'], verbs: ['get', 'update'] },
  { apiGroups: [''], resources: ['pods'], resourceNames: ['{replica}'], verbs: ['get'] },
] as const;

const TIMEOUT_MS = 10_000;
/** A Secret has at most 1 MiB, in base64. */
const MAX_BYTES = 2 * 1024 * 1024;

/**
 * All calls reject with GatehouseError: ACCESS_DENIED (with the rule that is missing), LIMIT_EXCEEDED, INVALID_RESOURCE, and
 * UNAVAILABLE, after which nobody knows whether it took effect.
 */
export interface KubeSecrets {
  readonly namespace: string;
  /** Undefined when there is none. */
  get(name: string): Promise<KubeSecret | undefined>;
  /** ALREADY_EXISTS when there is one. */
  create(secret: KubeSecret): Promise<KubeSecret>;
  /** CONDITION_FAILED when it is not of this resourceVersion any more, NOT_FOUND when it is gone. */
  replace(secret: KubeSecret): Promise<KubeSecret>;
  /** The pod this process runs in, by its token; undefined for tokens that are bound to none. */
  subject(): Promise<TokenSubject | undefined>;
  /** What controls the pod of this name; undefined when nothing does, or the pod has another uid. */
  controllerOf(subject: TokenSubject): Promise<OwnerReference | undefined>;
}

export interface KubeSecretsOptions {
  readonly host: string;
  readonly port: number;
  readonly namespace: string;
  /** With `token` and `ca.crt`, read at each call because both rotate. */
  readonly accountDir?: string;
  readonly timeoutMs?: number;
}

interface Call {
  readonly method: 'GET' | 'POST' | 'PUT';
  readonly resource: 'secrets' | 'pods';
  readonly name?: string;
  readonly body?: object;
}

/** Opens nothing until the first call, and keeps nothing open. */
export function openKubeSecrets(options: KubeSecretsOptions): KubeSecrets {
  const { namespace } = options;
  return {
    namespace,
    async get(name) {
      try {
        return secretOf(await call(options, { method: 'GET', resource: 'secrets', name }));
      } catch (error) {
        if (isCode(error, 'NOT_FOUND')) return undefined;
        throw error;
      }
    },
    async create(secret) {
      const body = formatSecret(secret, namespace);
      return secretOf(await call(options, { method: 'POST', resource: 'secrets', body }));
    },
    async replace(secret) {
      const body = formatSecret(secret, namespace);
      return secretOf(await call(options, { method: 'PUT', resource: 'secrets', name: secret.name, body }));
    },
    subject: async () => readSubject(await accountFile(options, 'token')),
    async controllerOf({ podName, podUid }) {
      const pod = parsePod(await call(options, { method: 'GET', resource: 'pods', name: podName }));
      return pod?.uid === podUid ? pod.controller : undefined;
    },
  };
}

function secretOf(value: unknown): KubeSecret {
  const secret = parseSecret(value);
  if (secret !== undefined) return secret;
  throw new GatehouseError(
    'UNAVAILABLE',
    'the Kubernetes API server answered with something else than a Secret',
  );
}

async function call(options: KubeSecretsOptions, about: Call): Promise<unknown> {
  const answer = await send(options, about);
  const body = parseJson(await readText(answer, MAX_BYTES));
  const status = answer.statusCode ?? 0;
  if (status === 200 || status === 201) return body;
  throw refusal(options, about, status, parseStatus(body));
}

async function send(
  options: KubeSecretsOptions,
  { method, resource, name, body }: Call,
): Promise<IncomingMessage> {
  const { host, port, namespace, timeoutMs = TIMEOUT_MS } = options;
  const token = await accountFile(options, 'token');
  const ca = requireAuthority(await accountFile(options, 'ca.crt'));
  const path = ['api', 'v1', 'namespaces', namespace, resource, ...(name === undefined ? [] : [name])];
  const payload = body === undefined ? undefined : Buffer.from(JSON.stringify(body));
  return new Promise((resolve, reject) => {
    const request = httpsRequest(
      {
        host,
        port,
        method,
        path: `/${path.map(encodeURIComponent).join('/')}`,
        headers: {
          authorization: `Bearer ${token.trim()}`,
          accept: 'application/json',
          ...(payload === undefined
            ? {}
            : { 'content-type': 'application/json', 'content-length': payload.length }),
        },
        ca,
        // Said aloud: an environment variable can turn the default off.
        rejectUnauthorized: true,
        minVersion: 'TLSv1.2',
        agent: false,
        signal: AbortSignal.timeout(timeoutMs),
      },
      resolve,
    );
    request.once('error', (cause: NodeJS.ErrnoException) => reject(unreachable(options, cause)));
    request.end(payload);
  });
}

async function accountFile({ accountDir = ACCOUNT_DIR }: KubeSecretsOptions, name: string): Promise<string> {
  const path = join(accountDir, name);
  try {
    return await readFile(path, 'utf8');
  } catch (cause) {
    throw new GatehouseError(
      'ACCESS_DENIED',
      `${path} cannot be read: the pod needs its ServiceAccount's token (automountServiceAccountToken: true)`,
      { cause },
    );
  }
}

function unreachable({ host, port }: KubeSecretsOptions, cause: NodeJS.ErrnoException): GatehouseError {
  if (isCode(cause)) return cause;
  const address = `${isIPv6(host) ? `[${host}]` : host}:${port}`;
  const reason = cause.name === 'AbortError' ? 'no answer in time' : (cause.code ?? cause.message);
  return new GatehouseError('UNAVAILABLE', `the Kubernetes API server at ${address} failed (${reason})`, {
    cause,
  });
}

function refusal(
  { namespace }: KubeSecretsOptions,
  { method, resource, name }: Call,
  status: number,
  message: string | undefined,
): GatehouseError {
  const what = name === undefined ? `${resource} in ${namespace}` : `${resource} ${namespace}/${name}`;
  const said = message === undefined ? '' : `: ${message}`;
  const verb = { GET: 'get', POST: 'create', PUT: 'update' }[method];
  switch (status) {
    case 401:
    case 403:
      return new GatehouseError(
        'ACCESS_DENIED',
        `the ServiceAccount of this pod may not ${verb} ${what}; it needs a Role with verb ${verb} on ${resource} (HTTP ${status}${said})`,
      );
    case 404:
      return new GatehouseError('NOT_FOUND', `Kubernetes has no ${what}${said}`);
    case 409:
      return method === 'POST'
        ? new GatehouseError('ALREADY_EXISTS', `Kubernetes has it already: ${what}${said}`)
        : new GatehouseError('CONDITION_FAILED', `${what} was changed by another writer${said}`);
    case 429:
      return new GatehouseError('LIMIT_EXCEEDED', `Kubernetes asks to wait before: ${verb} ${what}${said}`);
    default:
      if (status >= 400 && status < 500)
        return new GatehouseError(
          'INVALID_RESOURCE',
          `Kubernetes refused to ${verb} ${what} (HTTP ${status}${said})`,
        );
      return new GatehouseError(
        'UNAVAILABLE',
        `Kubernetes failed to ${verb} ${what} (HTTP ${status}${said})`,
      );
  }
}
