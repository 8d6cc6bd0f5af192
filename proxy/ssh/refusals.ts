// What is put on record when the proxy refuses somebody, and what that person is told. The reasons go to the audit log
// under an id; the person gets the id. A flood from one address is recorded in part.
import { randomUUID } from 'node:crypto';
import type { Clock } from '#core/clock.ts';
import { GatehouseError } from '#core/errors/error.ts';
import type { UserIdentity } from '#core/identity.ts';
import { RateLimit } from '#core/rate-limit.ts';

/** Refusals of one address that are recorded at once; then it is one every ten seconds. */
const BURST = 20;
const REFILL_MS = 10_000;

/** An event as client/audit-sender.ts takes it. */
export type ProxyEvent = { readonly event: string } & Readonly<Record<string, unknown>>;

export interface Denied {
  readonly identity: UserIdentity;
  /** `ip:port`, and the address alone. */
  readonly remoteAddress: string;
  readonly remoteIp: string;
  /** What was asked for: `proxy`, or `node/NAME` as the user named it. */
  readonly resource: string;
  /** Of the target. Default: ssh. */
  readonly proto?: 'ssh' | 'db' | 'app';
  /** What the person is told. */
  readonly error: GatehouseError;
  /** For admins; never empty. */
  readonly reasons: readonly string[];
}

export interface FailedAuth {
  readonly error: string;
  readonly login?: string | undefined;
  readonly remoteAddress: string;
  readonly remoteIp: string;
  readonly localAddress: string;
}

export interface ProxyRefusalsOptions {
  readonly clock: Clock;
  readonly hostId: () => string | undefined;
  readonly emit: (event: ProxyEvent) => void;
}

export class ProxyRefusals {
  readonly #options: ProxyRefusalsOptions;
  readonly #denials: RateLimit;
  readonly #strangers: RateLimit;

  constructor(options: ProxyRefusalsOptions) {
    this.#options = options;
    const { clock } = options;
    this.#denials = new RateLimit({ clock, burst: BURST, refillMs: REFILL_MS });
    this.#strangers = new RateLimit({ clock, burst: BURST, refillMs: REFILL_MS });
  }

  /** Emits access.denied and session.rejected; returns the error for the person, with the id of the denial. */
  denied({
    identity,
    remoteAddress,
    remoteIp,
    resource,
    proto = 'ssh',
    error,
    reasons,
  }: Denied): GatehouseError {
    if (!this.#denials.take(remoteIp)) return error;
    const { hostId, emit } = this.#options;
    const id = randomUUID();
    const { name: user, roles, impersonator } = identity;
    const base = {
      user,
      'addr.remote': remoteAddress,
      proto,
      server_id: hostId(),
      denial_id: id,
      resource,
    };
    emit({
      event: 'access.denied',
      ...base,
      roles,
      ...(impersonator === undefined ? {} : { impersonator }),
      action: 'connect',
      reasons,
    });
    emit({ event: 'session.rejected', ...base, reason: error.message });
    return new GatehouseError(error.code, `${error.message} (denial ${id})`, {
      cause: error,
      details: { ...error.details, denialId: id },
    });
  }

  /** Somebody who did not prove who they are. */
  failed({ error, login, remoteAddress, remoteIp, localAddress }: FailedAuth): void {
    if (!this.#strangers.take(remoteIp)) return;
    this.#options.emit({
      event: 'auth',
      success: false,
      error,
      ...(login === undefined ? {} : { login }),
      server_id: this.#options.hostId(),
      'addr.remote': remoteAddress,
      'addr.local': localAddress,
      proto: 'ssh',
    });
  }
}
