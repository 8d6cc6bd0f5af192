// Kube over HTTPS: each verb of the contract as the calls that make it.
import { randomInt } from 'node:crypto';
import { readLines } from '#client/lines.ts';
import type { Clock, Timer } from '#core/clock.ts';
import { GatehouseError, isCode } from '#core/errors/error.ts';
import { Secret } from '#core/secret.ts';
import type {
  ApplyOptions,
  Kube,
  KubeObject,
  ObjectList,
  ObjectType,
  Selection,
  WatchEvent,
} from './kube.ts';
import { apiVersionOf, SERVICE_ACCOUNTS, typeTable, type TypeOf } from './object-types.ts';
import { acceptOf, pathOfObject, pathOfType, queryOf, selectionQuery } from './paths.ts';
import { errorOfStatus } from './statuses.ts';
import type { ApiCall, Transport } from './transport.ts';

const FIELD_MANAGER = 'gatehouse-operator';
const APPLY = 'application/apply-patch+yaml';
const MERGE = 'application/merge-patch+json';
/** Objects per page, and when such a page is too large. */
const PAGE = 500;
const SMALL_PAGE = 20;
const MAX_LISTS = 3;
/** The server ends a watch after so many seconds, each at another time. */
const WATCH_SECONDS = [300, 600] as const;
/** Bookmarks come every minute; a watch that is silent for longer has lost its server. */
const SILENCE_MS = 150_000;

type Json = Readonly<Record<string, unknown>>;

export class HttpKube implements Kube {
  readonly #transport: Transport;
  readonly #clock: Clock;
  readonly #typeOf: TypeOf;

  constructor(transport: Transport, clock: Clock, types: readonly ObjectType[]) {
    this.#transport = transport;
    this.#clock = clock;
    this.#typeOf = typeTable(types);
  }

  readonly get: Kube['get'] = async (type, key, signal) =>
    objectOf(
      await this.#call(type, { verb: 'get', method: 'GET', path: pathOfObject(type, key), signal }),
      type,
    );

  readonly list: Kube['list'] = async (type, selection, signal) => {
    for (let tries = 1, limit = PAGE; ; tries++) {
      try {
        return await this.#listAll(type, selection, limit, signal);
      } catch (error) {
        // Pages of a list that took too long are forgotten; pages that are too large are asked for in smaller ones.
        if (!isCode(error, 'REVISION_COMPACTED', 'TOO_LARGE') || tries >= MAX_LISTS) throw error;
        if (error.code === 'TOO_LARGE') limit = SMALL_PAGE;
      }
    }
  };

  async *watch(...[type, selection, signal]: Parameters<Kube['watch']>): AsyncGenerator<WatchEvent> {
    const query = queryOf({
      ...selectionQuery(selection),
      watch: '1',
      allowWatchBookmarks: 'true',
      resourceVersion: selection.resourceVersion,
      timeoutSeconds: String(randomInt(...WATCH_SECONDS)),
    });
    const path = `${pathOfType(type, selection.namespace)}${query}`;
    const call = {
      verb: 'watch',
      method: 'GET',
      path,
      accept: acceptOf(selection, 'watch'),
      signal,
    } as const;
    const answer = await this.#transport.open({ ...call, resource: type.plural });
    let isSilent = false;
    const listen = (): Timer =>
      this.#clock.after(SILENCE_MS, () => {
        isSilent = true;
        answer.destroy();
      });
    let timer = listen();
    try {
      for await (const line of readLines(answer)) {
        timer.cancel();
        const event = eventOf(line, type);
        if (event !== undefined) yield event;
        timer = listen();
      }
    } catch (error) {
      signal.throwIfAborted();
      if (!isSilent) throw error;
    } finally {
      timer.cancel();
      answer.destroy();
    }
  }

  readonly create: Kube['create'] = async (object, signal) => {
    const type = this.#typeOf(object);
    const path = `${pathOfType(type, object.metadata.namespace)}${queryOf({ fieldManager: FIELD_MANAGER })}`;
    return objectOf(
      await this.#call(type, { verb: 'create', method: 'POST', path, body: object, signal }),
      type,
    );
  };

  readonly replace: Kube['replace'] = async (object, signal) => {
    const type = this.#typeOf(object);
    const path = `${pathOfObject(type, object.metadata)}${queryOf({ fieldManager: FIELD_MANAGER })}`;
    return objectOf(
      await this.#call(type, { verb: 'update', method: 'PUT', path, body: object, signal }),
      type,
    );
  };

  readonly apply: Kube['apply'] = (object, options = {}) => {
    const { status: _status, ...body } = object;
    return this.#apply('apply', body as KubeObject, '', options);
  };

  readonly applyStatus: Kube['applyStatus'] = (object, options = {}) => {
    const { apiVersion, kind, metadata, status } = object;
    const { name, namespace, uid, resourceVersion } = metadata;
    const body = {
      apiVersion,
      kind,
      metadata: { name, namespace, uid, resourceVersion },
      status,
    } as KubeObject;
    return this.#apply('apply-status', body, '/status', options);
  };

  readonly patch: Kube['patch'] = async (type, key, patch) => {
    const path = `${pathOfObject(type, key)}${queryOf({ fieldManager: FIELD_MANAGER })}`;
    const call = { verb: 'patch', method: 'PATCH', path, body: patch, bodyType: MERGE } as const;
    return objectOf(await this.#call(type, call), type);
  };

  readonly delete: Kube['delete'] = async (type, key, { uid, propagation } = {}) => {
    const body = {
      apiVersion: 'v1',
      kind: 'DeleteOptions',
      ...(uid === undefined ? {} : { preconditions: { uid } }),
      propagationPolicy: propagation ?? 'Background',
    };
    try {
      await this.#call(type, { verb: 'delete', method: 'DELETE', path: pathOfObject(type, key), body });
    } catch (error) {
      if (!isCode(error, 'NOT_FOUND')) throw error;
    }
  };

  readonly requestToken: Kube['requestToken'] = async (serviceAccount, request, signal) => {
    const { audience, lifeSeconds, podName } = request;
    const type = SERVICE_ACCOUNTS;
    const path = `${pathOfObject(type, serviceAccount)}/token`;
    const body = {
      apiVersion: 'authentication.k8s.io/v1',
      kind: 'TokenRequest',
      spec: {
        audiences: [audience],
        expirationSeconds: lifeSeconds,
        ...(podName === undefined
          ? {}
          : { boundObjectRef: { apiVersion: 'v1', kind: 'Pod', name: podName } }),
      },
    };
    const answer = await this.#call(type, { verb: 'token', method: 'POST', path, body, signal });
    const { token } = recordOf(recordOf(answer)['status']);
    if (typeof token === 'string' && token !== '') return new Secret(token);
    throw notUnderstood('TokenRequest');
  };

  #call(type: ObjectType, call: Omit<ApiCall, 'resource'>): Promise<unknown> {
    return this.#transport.call({ ...call, resource: type.plural });
  }

  async #apply(verb: string, object: KubeObject, part: string, options: ApplyOptions): Promise<KubeObject> {
    const { fieldManager = FIELD_MANAGER, force = false, dryRun = false, signal } = options;
    const type = this.#typeOf(object);
    const query = queryOf({ fieldManager, force: String(force), dryRun: dryRun ? 'All' : undefined });
    const path = `${pathOfObject(type, object.metadata)}${part}${query}`;
    // Fields that the server writes may not be sent; whoever read an object may send it as it was.
    const {
      managedFields: _fields,
      creationTimestamp: _time,
      generation: _generation,
      ...metadata
    } = object.metadata;
    const body = { ...object, metadata };
    return objectOf(
      await this.#call(type, { verb, method: 'PATCH', path, body, bodyType: APPLY, signal }),
      type,
    );
  }

  async #listAll(
    type: ObjectType,
    selection: Selection,
    limit: number,
    signal: AbortSignal | undefined,
  ): Promise<ObjectList> {
    const items: KubeObject[] = [];
    for (let next: string | undefined; ;) {
      const query = queryOf({ ...selectionQuery(selection), limit: String(limit), continue: next });
      const path = `${pathOfType(type, selection.namespace)}${query}`;
      const call = {
        verb: 'list',
        method: 'GET',
        path,
        accept: acceptOf(selection, 'list'),
        signal,
      } as const;
      const page = recordOf(await this.#call(type, call));
      const { resourceVersion, continue: more } = recordOf(page['metadata']);
      // An empty list of metadata is null.
      const found = page['items'] ?? [];
      if (!Array.isArray(found) || typeof resourceVersion !== 'string') {
        throw notUnderstood(`list of ${type.plural}`);
      }
      for (const item of found as readonly unknown[]) items.push(objectOf(item, type));
      if (typeof more !== 'string' || more === '') return { items, resourceVersion };
      next = more;
    }
  }
}

/** Undefined: of no interest. Throws the error that the server sends in place of an event. */
export function eventOf(line: unknown, type: ObjectType): WatchEvent | undefined {
  const { type: event, object } = recordOf(line);
  if (event === 'ADDED' || event === 'MODIFIED' || event === 'DELETED')
    return { type: event, object: objectOf(object, type) };
  if (event === 'BOOKMARK') {
    const { resourceVersion } = recordOf(recordOf(object)['metadata']);
    return typeof resourceVersion === 'string' ? { type: 'BOOKMARK', resourceVersion } : undefined;
  }
  if (event !== 'ERROR') throw notUnderstood('watch event');
  const { code } = recordOf(object);
  throw errorOfStatus(typeof code === 'number' ? code : 500, object);
}

/** With the words of its type: items of lists have none, and metadata alone has others. */
function objectOf(value: unknown, type: ObjectType): KubeObject {
  const object = recordOf(value);
  const { name, namespace } = recordOf(object['metadata']);
  if (typeof name !== 'string' || (type.isNamespaced && typeof namespace !== 'string'))
    throw notUnderstood(type.kind);
  return { ...object, apiVersion: apiVersionOf(type), kind: type.kind } as KubeObject;
}

function recordOf(value: unknown): Json {
  return typeof value === 'object' && value !== null ? (value as Json) : {};
}

function notUnderstood(what: string): GatehouseError {
  return new GatehouseError('UNAVAILABLE', `the Kubernetes API server sent a ${what} that is not understood`);
}
