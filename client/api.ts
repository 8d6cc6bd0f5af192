// The typed calls of the auth API over one connection.
import { GatehouseError } from '#core/errors/error.ts';
import type { Endpoint } from '#core/api/endpoint.ts';
import { listReply } from '#core/api/resources.ts';
import type { Kind } from '#core/kind.ts';
import type { Resource } from '#core/resource.ts';
import { check, formatProblem } from '#core/schema/check.ts';
import type { Schema } from '#core/schema/schema.ts';
import { parseJson, readParts, readText } from './body.ts';
import { Connection, type ConnectionOptions } from './connection.ts';
import { readLines } from './lines.ts';

export interface Api {
  /** Params fill the `:name` parts of the path. Throws the server's error, or UNAVAILABLE. */
  call<B, R>(endpoint: Endpoint<B, R>, request: B, params?: Readonly<Record<string, string>>): Promise<R>;
  /** For endpoints whose body is bytes; `request` goes into the query. */
  upload<B, R>(
    endpoint: Endpoint<B, R>,
    request: B,
    params: Readonly<Record<string, string>>,
    bytes: Uint8Array,
  ): Promise<R>;
  list<S>(kind: Kind<S>, options?: { withSecrets?: boolean }): Promise<Resource<S>[]>;
  get<S>(kind: Kind<S>, name: string, options?: { withSecrets?: boolean }): Promise<Resource<S>>;
  remove(kind: Kind, name: string): Promise<void>;
  /** One JSON value per line of the answer; ends when the server ends it, and throws when `signal` fires. */
  stream(path: string, signal: AbortSignal): AsyncIterable<unknown>;
  /** The raw body, for downloads; UNAVAILABLE when it breaks off or falls silent. */
  download(path: string): Promise<AsyncIterable<Uint8Array>>;
  close(): void;
}

/** Opens nothing until the first call; the caller closes it. */
export function openApi(options: ConnectionOptions): Api {
  const connection = new Connection(options);
  return {
    call: (endpoint, request, params = {}) => call(connection, endpoint, request, params),
    async upload({ method, path, reply }, request, params, bytes) {
      const target = `${pathOf(path, params)}${queryOf(request as object)}`;
      const { body } = await connection.send(method, target, { bytes });
      return requireReply(reply, parseJson(await readText(body)));
    },
    list: (kind, about = {}) => list(connection, kind, about.withSecrets ?? false),
    get: (kind, name, about = {}) => get(connection, kind, name, about.withSecrets ?? false),
    async remove(kind, name) {
      const { body } = await connection.send('DELETE', resourcePath(kind, name));
      await readText(body);
    },
    async *stream(path, signal) {
      const { body } = await connection.send('GET', path, { signal, isStream: true });
      yield* readLines(body);
    },
    async download(path) {
      return readParts((await connection.send('GET', path)).body);
    },
    close: () => connection.close(),
  };
}

async function call<B, R>(
  connection: Connection,
  endpoint: Endpoint<B, R>,
  request: B,
  params: Readonly<Record<string, string>>,
): Promise<R> {
  const path = pathOf(endpoint.path, params);
  const { body } =
    endpoint.method === 'GET' || endpoint.method === 'DELETE'
      ? await connection.send(endpoint.method, `${path}${queryOf(request as object)}`)
      : await connection.send(endpoint.method, path, { body: request });
  return requireReply(endpoint.reply, parseJson(await readText(body)));
}

/** The path with its `:name` parts filled in. */
export function pathOf(path: string, params: Readonly<Record<string, string>>): string {
  return path.replace(/:(\w+)/g, (_, name: string) => encodeURIComponent(params[name] ?? ''));
}

async function list<S>(connection: Connection, kind: Kind<S>, withSecrets: boolean): Promise<Resource<S>[]> {
  const all: Resource<S>[] = [];
  let after: string | undefined;
  do {
    const query = queryOf({ with_secrets: withSecrets, ...(after === undefined ? {} : { after }) });
    const { body } = await connection.send('GET', `${resourcePath(kind)}${query}`);
    const page = requireReply(listReply, parseJson(await readText(body)));
    all.push(...(page.resources as Resource<S>[]));
    after = page.next;
  } while (after !== undefined);
  return all;
}

async function get<S>(
  connection: Connection,
  kind: Kind<S>,
  name: string,
  withSecrets: boolean,
): Promise<Resource<S>> {
  const { body } = await connection.send(
    'GET',
    `${resourcePath(kind, name)}${queryOf({ with_secrets: withSecrets })}`,
  );
  return parseJson(await readText(body)) as Resource<S>;
}

function resourcePath(kind: Kind<never> | Kind, name?: string): string {
  return `/v1/resources/${kind.plural}${name === undefined ? '' : `/${encodeURIComponent(name)}`}`;
}

function queryOf(values: object): string {
  const query = new URLSearchParams();
  for (const [key, value] of Object.entries(values)) {
    if (value !== undefined) query.set(key, String(value));
  }
  return query.size === 0 ? '' : `?${query.toString()}`;
}

function requireReply<R>(schema: Schema<R>, value: unknown): R {
  const result = check(schema, value);
  if (result.ok) return result.value;
  const first = result.problems[0];
  throw new GatehouseError(
    'UNAVAILABLE',
    `the server's answer is not understood (${first === undefined ? '' : formatProblem(first)}); client and server versions may differ too much`,
  );
}
