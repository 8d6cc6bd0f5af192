// The errors and audit events of refusals: the caller learns an id, an admin the reasons. Apart from the guard because
// others who refuse a known caller for reasons of their own say it in the same way.
import { randomUUID } from 'node:crypto';
import { DENIED_MESSAGE } from '#core/access/reason.ts';
import type { Clock } from '#core/clock.ts';
import type { Code } from '#core/errors/codes.ts';
import { GatehouseError } from '#core/errors/error.ts';
import type { AuditLog } from '#events/audit-log.ts';
import { actorOf, type Caller } from './caller.ts';
import { RateLimit } from '#core/rate-limit.ts';

/** How many anonymous refusals of one address are put in the audit log before it is one every ten seconds. */
const QUIET_AFTER = 20;

export interface Refused {
  readonly code?: Extract<Code, 'ACCESS_DENIED' | 'LOCKED'>;
  readonly message?: string;
  /** For admins only. */
  readonly reasons: readonly string[];
  /** What was asked for, such as `sign`. */
  readonly action: string;
  /** `kind/name`. */
  readonly resource: string;
}

/** Emits `access.denied` and returns the error to throw: ACCESS_DENIED and nothing more, unless said otherwise. */
export function denial(
  { audit }: { readonly audit: Pick<AuditLog, 'emit'> },
  caller: Pick<Caller, 'identity' | 'address'>,
  { code = 'ACCESS_DENIED', message = DENIED_MESSAGE, reasons, action, resource }: Refused,
): GatehouseError {
  const denialId = randomUUID();
  const { identity } = caller;
  audit.emit({
    event: 'access.denied',
    denial_id: denialId,
    ...actorOf(caller),
    action,
    resource,
    reasons,
    ...(identity === undefined || identity.kind === 'admin' ? {} : { roles: identity.roles }),
  });
  return new GatehouseError(code, `${message} (denial ${denialId})`, { details: { denial_id: denialId } });
}

/** Refusals of callers who are not known: of a flood from one address only some are put on record. */
export class StrangerRefusals {
  readonly #audit: Pick<AuditLog, 'emit'>;
  readonly #noise: RateLimit;

  constructor({ audit, clock }: { readonly audit: Pick<AuditLog, 'emit'>; readonly clock: Clock }) {
    this.#audit = audit;
    this.#noise = new RateLimit({ clock, burst: QUIET_AFTER, refillMs: 10_000 });
  }

  unknown(caller: Caller, action: string): GatehouseError {
    const error = new GatehouseError(
      'UNAUTHENTICATED',
      'this call needs a client certificate of the cluster',
    );
    this.#failure(caller.address, error.message, action);
    return error;
  }

  badCertificate(address: string, error: unknown): void {
    this.#failure(address, error instanceof Error ? error.message : String(error));
  }

  #failure(address: string, error: string, action?: string): void {
    if (!this.#noise.take(address)) return;
    this.#audit.emit({
      event: 'auth.failure',
      error,
      'addr.remote': address,
      ...(action === undefined ? {} : { method: action }),
    });
  }
}
