// What the API server's refusals are in the house's codes. Pure.
import { GatehouseError } from '#core/errors/error.ts';
import type { Code } from '#core/errors/codes.ts';

const CODES: Readonly<Record<number, Code>> = {
  400: 'BAD_REQUEST',
  401: 'ACCESS_DENIED',
  403: 'ACCESS_DENIED',
  404: 'NOT_FOUND',
  409: 'CONDITION_FAILED',
  410: 'REVISION_COMPACTED',
  413: 'TOO_LARGE',
  415: 'BAD_REQUEST',
  422: 'INVALID_RESOURCE',
  429: 'LIMIT_EXCEEDED',
};
const MAX_MESSAGE = 2000;

/** The error of an answer. `body` is a Status object when the API server itself said it. */
export function errorOfStatus(status: number, body: unknown): GatehouseError {
  const { message, reason } = (typeof body === 'object' && body !== null ? body : {}) as Readonly<
    Record<string, unknown>
  >;
  const code =
    reason === 'AlreadyExists'
      ? 'ALREADY_EXISTS'
      : reason === 'Expired'
        ? 'REVISION_COMPACTED'
        : CODES[status];
  const said =
    typeof message === 'string' && message !== '' ? message.slice(0, MAX_MESSAGE) : `status ${status}`;
  return new GatehouseError(code ?? 'UNAVAILABLE', `the Kubernetes API server: ${said}`, {
    details: { status, ...(typeof reason === 'string' ? { reason: reason.slice(0, 100) } : {}) },
  });
}

/** Milliseconds of a Retry-After header in seconds; undefined for anything else. */
export function retryAfterMs(header: string | undefined): number | undefined {
  return header !== undefined && /^\d{1,6}$/.test(header) ? Number(header) * 1000 : undefined;
}
