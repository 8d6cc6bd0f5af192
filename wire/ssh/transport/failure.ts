// Why a transport ends, as errors. `details.disconnect` is the number that the peer is told (RFC 4250 4.2.2), and only
// errors that carry one have their message told as well: it is ours and says nothing about this end.
import type { Refuse } from '#core/certs/refusal.ts';
import { GatehouseError } from '#core/errors/error.ts';
import type { Code } from '#core/errors/codes.ts';
import { DISCONNECT } from '../messages.ts';

/** The peer broke the protocol: BAD_REQUEST. */
export function protocolError(message: string, cause?: unknown): GatehouseError {
  return failure('BAD_REQUEST', DISCONNECT.protocolError, message, cause);
}

export function failure(code: Code, disconnect: number, message: string, cause?: unknown): GatehouseError {
  return new GatehouseError(code, message, { details: { disconnect }, cause });
}

/** What a WireReader throws on a malformed message. */
export const refuseMessage: Refuse = (reason, message, cause) =>
  new GatehouseError('BAD_REQUEST', message, {
    details: { reason, disconnect: DISCONNECT.protocolError },
    cause,
  });
