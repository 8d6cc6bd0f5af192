// Mounts one route value on the HTTP framework: request in its schema's form to the handler, its reply or stream out.
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { GatehouseError } from '#core/errors/error.ts';
import { check, formatProblem } from '#core/schema/check.ts';
import { hasSecrets } from '#core/schema/redact.ts';
import type { Schema } from '#core/schema/schema.ts';
import type { RouteAccess } from './guard/access.ts';
import type { Caller } from './guard/caller.ts';
import { RateLimit } from '#core/rate-limit.ts';
import type { Route, ServerContext } from './routes/server-context.ts';

export interface RouteConfig {
  readonly access?: RouteAccess;
  /** For routes that are open to anyone and answer whether a secret is right: failed tries by address. */
  readonly guesses?: RateLimit;
  /** For bodies that are large: how many are read now. */
  readonly uploads?: Uploads;
}

export interface Uploads {
  now: number;
  readonly most: number;
}

export type MountedRequest = FastifyRequest & {
  caller?: Caller;
  hasTry?: boolean;
  isUpload?: boolean;
  readonly routeOptions: { readonly config: RouteConfig; readonly url?: string };
};

/** Failed tries of one address at one call: 20 at once, then one every 3 s. */
const GUESSES = { burst: 20, refillMs: 3000 };

/** Bytes of a body, where a route does not say otherwise. Strangers have little to say. */
const BODY_LIMIT = { anyone: 64 * 1024, members: 1024 * 1024 };

export function mountRoute(app: FastifyInstance, context: ServerContext, route: Route): void {
  const { endpoint, access } = route;
  const isOpen = access.to === 'anyone';
  const isGuessable = isOpen && hasSecrets(endpoint.request);
  const config: RouteConfig = {
    access,
    ...(isGuessable ? { guesses: new RateLimit({ clock: context.clock, ...GUESSES }) } : {}),
    ...('upload' in route ? { uploads: { now: 0, most: route.mostAtOnce } } : {}),
  };
  app.route({
    method: endpoint.method,
    url: endpoint.path,
    bodyLimit:
      ('bodyLimit' in route ? route.bodyLimit : undefined) ?? BODY_LIMIT[isOpen ? 'anyone' : 'members'],
    config: config as object,
    handler: async (request: FastifyRequest, reply: FastifyReply) => {
      const { caller } = request as MountedRequest;
      if (caller === undefined)
        throw new GatehouseError('INTERNAL', 'a call reached its handler without the guard');
      const params = request.params as Readonly<Record<string, string>>;
      const bytes = request.body instanceof Uint8Array ? request.body : undefined;
      requireSort(bytes !== undefined, 'upload' in route);
      const isQuery = 'upload' in route || !hasBody(endpoint.method);
      const given = isQuery ? request.query : request.body;
      const value = requireRequest(endpoint.request, given === undefined ? {} : given);
      if ('stream' in route) {
        return reply.type(route.contentType).send(await route.stream(context, caller, value, params));
      }
      const answer =
        'upload' in route
          ? await route.upload(context, caller, value, params, bytes ?? new Uint8Array())
          : await route.handle(context, caller, value, params);
      return reply.code(200).type('application/json').send(JSON.stringify(answer));
    },
  });
}

/** What is not JSON is taken where bytes are wanted, and nowhere else. */
function requireSort(isBytes: boolean, wantsBytes: boolean): void {
  if (isBytes === wantsBytes) return;
  const type = wantsBytes ? 'application/octet-stream' : 'application/json';
  throw new GatehouseError('BAD_REQUEST', `the body must be of the type ${type}`);
}

const hasBody = (method: string): boolean => method === 'POST' || method === 'PUT';

function requireRequest<B>(schema: Schema<B>, value: unknown): B {
  const result = check(schema, value);
  if (result.ok) return result.value;
  const lines = result.problems.map(formatProblem);
  throw new GatehouseError('BAD_REQUEST', `the request is not valid: ${lines.slice(0, 5).join('; ')}`, {
    details: { problems: lines },
  });
}
