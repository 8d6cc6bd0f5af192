// A route as a plain value: which call it answers, who may call it, and the function that does it. The server mounts
// these; no handler knows HTTP.
import type { Endpoint } from '#core/api/endpoint.ts';
import type { AuthContext } from '../context.ts';
import type { RouteAccess } from '../guard/access.ts';
import type { Caller } from '../guard/caller.ts';

export interface Handler<B, R> {
  readonly endpoint: Endpoint<B, R>;
  readonly access: RouteAccess;
  /** `request` has passed the endpoint's schema; `params` are the decoded `:name` parts of the path. */
  handle(
    context: AuthContext,
    caller: Caller,
    request: B,
    params: Readonly<Record<string, string>>,
  ): Promise<R>;
}
