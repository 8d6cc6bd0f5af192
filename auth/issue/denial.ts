// Refusals that only the handler can decide, in the form of the guard: an id for the caller, the reasons for admins.
import { randomUUID } from 'node:crypto';
import { DENIED_MESSAGE } from '#core/access/reason.ts';
import { GatehouseError } from '#core/errors/error.ts';
import { identityName } from '#core/identity.ts';
import type { Caller } from '../guard/caller.ts';
import type { IssueContext } from './context.ts';

export interface Refusal {
  /** What was asked for, such as `sign`. */
  readonly action: string;
  /** `kind/name`. */
  readonly resource: string;
  readonly reasons: readonly string[];
}

/** Emits `access.denied` and returns the error to throw. */
export function denial(
  { audit }: Pick<IssueContext, 'audit'>,
  { identity, address }: Pick<Caller, 'identity' | 'address'>,
  refusal: Refusal,
): GatehouseError {
  const denialId = randomUUID();
  audit.emit({
    event: 'access.denied',
    denial_id: denialId,
    user: identity === undefined ? '' : identityName(identity),
    ...refusal,
    ...(identity === undefined || identity.kind === 'admin' ? {} : { roles: identity.roles }),
    'addr.remote': address,
  });
  return new GatehouseError('ACCESS_DENIED', `${DENIED_MESSAGE} (denial ${denialId})`, {
    details: { denial_id: denialId },
  });
}
