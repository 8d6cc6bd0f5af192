// What every call of a page of the proxy is checked for: that it comes from the page itself, and that its body is what
// the call takes.
import type { FastifyRequest } from 'fastify';
import { GatehouseError } from '#core/errors/error.ts';
import { check, formatProblem } from '#core/schema/check.ts';
import type { Schema } from '#core/schema/schema.ts';

/** Pages of others may not act here in the name of who reads them: ACCESS_DENIED. */
export function requireSameOrigin({ headers }: FastifyRequest): void {
  const site = headers['sec-fetch-site'];
  const isForeign = site !== undefined && site !== 'same-origin' && site !== 'none';
  if (
    !isForeign &&
    (headers.origin === undefined || hostOf(headers.origin) === headers.host?.toLowerCase())
  ) {
    return;
  }
  throw new GatehouseError('ACCESS_DENIED', 'this call is for the page of this proxy only');
}

/** ACCESS_DENIED for what a page loads by itself: images and calls of others would use up what a person may have. */
export function requireNavigation({ headers }: FastifyRequest): void {
  const mode = headers['sec-fetch-mode'];
  if (mode === undefined || mode === 'navigate') return;
  throw new GatehouseError('ACCESS_DENIED', 'this address is to be gone to, not to be loaded by a page');
}

/** As the host header has it: without the port that the scheme implies. */
function hostOf(origin: string): string | undefined {
  try {
    return new URL(origin).host;
  } catch {
    return undefined;
  }
}

/** BAD_REQUEST names the first field that does not fit. */
export function requireBody<T>(schema: Schema<T>, body: unknown): T {
  const result = check(schema, body);
  if (result.ok) return result.value;
  const [first] = result.problems;
  throw new GatehouseError('BAD_REQUEST', first === undefined ? 'malformed body' : formatProblem(first));
}
