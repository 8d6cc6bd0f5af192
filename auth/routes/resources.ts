// The routes of single resources, made from the kinds: list, read, create, replace, delete. Which of them a kind has
// follows from who works with it; what they do is the same for all.
import { endpoint } from '#core/api/endpoint.ts';
import { listQuery, listReply } from '#core/api/resources.ts';
import { GatehouseError } from '#core/errors/error.ts';
import { withoutSecrets, type Kind } from '#core/kind.ts';
import type { Resource } from '#core/resource.ts';
import { isPlainObject } from '#core/schema/check.ts';
import * as s from '#core/schema/schema.ts';
import { KINDS } from '#kinds/all.ts';
import type { Verb } from '../guard/access.ts';
import type { Caller } from '../guard/caller.ts';
import { applyChanges, isAlwaysRefused } from './changes.ts';
import { handler, type Handler } from './handler.ts';
import type { Route, ServerContext } from './server-context.ts';

/** A page stops growing at this size, so that no list makes an answer that does not fit in memory. */
const MAX_PAGE_BYTES = 16 * 1024 * 1024;
/** A stored resource has at most 1 MiB; its text may be longer by escapes. */
export const RESOURCE_BODY_LIMIT = 2 * 1024 * 1024;

const readQuery = s.object({ with_secrets: s.withDefault(s.boolean(), false) });
const deleteQuery = s.object({ revision: s.optional(s.string({ maxLength: 64 })) });

/** All routes under /v1/resources. */
export function resourceRoutes(kinds: readonly Kind[] = KINDS): readonly Route[] {
  return kinds.flatMap((kind) => [
    listRoute(kind),
    readRoute(kind),
    ...(isWritten(kind) ? [createRoute(kind), replaceRoute(kind)] : []),
    ...(isDeleted(kind) ? [deleteRoute(kind)] : []),
  ]);
}

const isWritten = (kind: Kind): boolean => !isAlwaysRefused(kind);
const isDeleted = (kind: Kind): boolean => isWritten(kind) || kind.audience === 'presence';
const accessTo = (kind: Kind, ...verbs: readonly Verb[]): Handler['access'] => ({
  to: 'resource',
  kind: kind.name,
  verbs,
});

function listRoute(kind: Kind): Route {
  return handler({
    endpoint: endpoint({
      method: 'GET',
      path: `/v1/resources/${kind.plural}`,
      says: `One page of all resources of kind ${kind.name}, in the order of names.`,
      request: listQuery,
      reply: listReply,
    }),
    access: accessTo(kind, 'list', 'read'),
    async handle(context: ServerContext, caller, query) {
      requireSecretsAllowed(context, caller, kind, query.with_secrets);
      const all =
        kind.audience === 'internal' ? await readInternal(context, kind) : context.state.list(kind.name);
      const page = pageOf(context.guard.visible(caller, kind.name, all), query.limit, query.after);
      const resources = page.resources.map((resource) => present(kind, resource, query.with_secrets));
      return { resources, ...(page.next === undefined ? {} : { next: page.next }) };
    },
  });
}

function readRoute(kind: Kind): Route {
  return handler({
    endpoint: endpoint({
      method: 'GET',
      path: `/v1/resources/${kind.plural}/:name`,
      says: `One resource of kind ${kind.name}.`,
      request: readQuery,
      reply: s.json() as s.Schema<unknown>,
    }),
    access: accessTo(kind, 'read'),
    async handle(context: ServerContext, caller, query, params) {
      requireSecretsAllowed(context, caller, kind, query.with_secrets);
      const name = params['name'] ?? '';
      const resource =
        kind.audience === 'internal'
          ? await context.state.read(kind, name)
          : context.state.get(kind.name, name);
      // To those who may not read it, a resource that exists looks like one that does not.
      if (resource === undefined || !context.guard.mayResource(caller, kind.name, 'read', resource)) {
        throw new GatehouseError('NOT_FOUND', `there is no ${kind.name} of this name`);
      }
      return present(kind, resource, query.with_secrets);
    },
  });
}

function createRoute(kind: Kind): Route {
  return handler({
    endpoint: endpoint({
      method: 'POST',
      path: `/v1/resources/${kind.plural}`,
      says: `Creates a resource of kind ${kind.name}; refuses one that exists.`,
      request: s.json() as s.Schema<unknown>,
      reply: s.json() as s.Schema<unknown>,
    }),
    access: accessTo(kind, 'create'),
    bodyLimit: RESOURCE_BODY_LIMIT,
    handle: (context: ServerContext, caller, document) => writeOne(context, caller, kind, 'create', document),
  });
}

function replaceRoute(kind: Kind): Route {
  return handler({
    endpoint: endpoint({
      method: 'PUT',
      path: `/v1/resources/${kind.plural}/:name`,
      says: `Creates or replaces a resource of kind ${kind.name}; metadata.revision guards against lost updates.`,
      request: s.json() as s.Schema<unknown>,
      reply: s.json() as s.Schema<unknown>,
    }),
    access: accessTo(kind, 'create', 'update'),
    bodyLimit: RESOURCE_BODY_LIMIT,
    async handle(context: ServerContext, caller, document, params) {
      const metadata = isPlainObject(document) ? document['metadata'] : undefined;
      const name = isPlainObject(metadata) ? metadata['name'] : undefined;
      if (name !== params['name'] && !(name === undefined && kind.singleton === params['name'])) {
        throw new GatehouseError('BAD_REQUEST', 'metadata.name must be the name in the path', {
          details: { field: 'metadata.name' },
        });
      }
      return writeOne(context, caller, kind, 'replace', document);
    },
  });
}

function deleteRoute(kind: Kind): Route {
  return handler({
    endpoint: endpoint({
      method: 'DELETE',
      path: `/v1/resources/${kind.plural}/:name`,
      says:
        kind.singleton === undefined
          ? `Deletes a resource of kind ${kind.name}.`
          : `Puts ${kind.name} back to its defaults.`,
      request: deleteQuery,
      reply: s.object({}),
    }),
    access: accessTo(kind, 'delete'),
    async handle(context: ServerContext, caller, { revision }, params) {
      const removal = { kind: kind.name, name: params['name'] ?? '' };
      const remove = [revision === undefined ? removal : { ...removal, revision }];
      await applyChanges(context, caller, { mode: 'replace', documents: [], remove, dryRun: false });
      return {};
    },
  });
}

async function writeOne(
  context: ServerContext,
  caller: Caller,
  kind: Kind,
  mode: 'create' | 'replace',
  document: unknown,
): Promise<unknown> {
  if (!isPlainObject(document) || document['kind'] !== kind.name) {
    throw new GatehouseError('BAD_REQUEST', `kind: must be ${kind.name} on this path`, {
      details: { field: 'kind' },
    });
  }
  const request = { mode, documents: [document], remove: [], dryRun: false };
  const [result] = await applyChanges(context, caller, request);
  const stored = result?.after;
  return stored === undefined ? {} : present(kind, stored, false);
}

/** Secrets leave the server for the local admin only; internal kinds are nothing but secrets. */
function requireSecretsAllowed(context: ServerContext, caller: Caller, kind: Kind, isAsked: boolean): void {
  if (isAsked) {
    context.guard.requireRoute(caller, { to: 'local-admin' }, `read ${kind.name} with secrets`);
  } else if (kind.audience === 'internal') {
    throw new GatehouseError('BAD_REQUEST', `${kind.name} is internal: ask with with_secrets=true`);
  }
}

async function readInternal(context: ServerContext, kind: Kind): Promise<readonly Resource[]> {
  const all: Resource[] = [];
  for await (const resource of context.state.readAll(kind)) all.push(resource);
  return all.sort((one, other) => (one.metadata.name < other.metadata.name ? -1 : 1));
}

function present(kind: Kind, resource: Resource, withSecrets: boolean): Resource {
  return withSecrets ? resource : withoutSecrets(kind, resource);
}

function pageOf(
  resources: Iterable<Resource>,
  limit: number,
  after: string | undefined,
): { readonly resources: readonly Resource[]; readonly next?: string } {
  const page: Resource[] = [];
  let bytes = 0;
  for (const resource of resources) {
    if (after !== undefined && resource.metadata.name <= after) continue;
    const last = page.at(-1);
    if (last !== undefined && (page.length >= limit || bytes > MAX_PAGE_BYTES)) {
      return { resources: page, next: last.metadata.name };
    }
    page.push(resource);
    bytes += JSON.stringify(resource).length;
  }
  return { resources: page };
}
