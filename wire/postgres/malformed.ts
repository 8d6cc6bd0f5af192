// The one way to say that bytes are not the PostgreSQL protocol. Callers end the session and put it on record.
import { GatehouseError } from '#core/errors/error.ts';

/** BAD_REQUEST; `what` is for admins and never quotes the bytes. */
export function malformed(what: string): GatehouseError {
  return new GatehouseError('BAD_REQUEST', `not understood as PostgreSQL protocol: ${what}`);
}
