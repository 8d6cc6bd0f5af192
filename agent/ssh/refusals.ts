// What is put on record when somebody is refused at this machine, and what that person is told. The reasons go to the
// audit log under an id; the person gets the id. A flood from one address is recorded in part.
import { randomUUID } from 'node:crypto';
import type { Clock } from '#core/clock.ts';
import type { UserIdentity } from '#core/identity.ts';
import { RateLimit } from '#core/rate-limit.ts';
import type { Refusal } from '#core/access/session-ground.ts';
import type { AgentEvent } from './context.ts';

/** Refusals of one address that are recorded at once; then it is one every ten seconds. */
const QUIET_AFTER = 20;
const REFILL_MS = 10_000;

export interface RefusedContext {
  readonly clock: Clock;
  readonly hostId: string;
  readonly hostname: string;
  emit(event: AgentEvent): void;
}

/** Who was refused what. */
export interface RefusedPerson {
  readonly identity: UserIdentity;
  readonly login: string;
  /** `ip:port`. */
  readonly remoteAddress: string;
  readonly remoteIp: string;
}

/** What was refused, as events name it. */
export interface Asked {
  readonly action: string;
  /** kind/name. */
  readonly resource: string;
}

export class SshRefusals {
  readonly #context: RefusedContext;
  readonly #noise: RateLimit;
  readonly #strangers: RateLimit;

  constructor(context: RefusedContext) {
    this.#context = context;
    const { clock } = context;
    this.#noise = new RateLimit({ clock, burst: QUIET_AFTER, refillMs: REFILL_MS });
    this.#strangers = new RateLimit({ clock, burst: QUIET_AFTER, refillMs: REFILL_MS });
  }

  /** Emits session.rejected and access.denied; returns the text for the person. By default it was to connect here. */
  denied(person: RefusedPerson, refusal: Refusal, asked?: Asked): string {
    const denialId = this.#noise.take(person.remoteIp) ? randomUUID() : undefined;
    if (denialId === undefined) return refusal.message;
    const { identity } = person;
    const { action, resource } = asked ?? { action: 'connect', resource: `node/${this.#context.hostId}` };
    // Searches for the id begin with the newest event, and the reasons are in the one below.
    this.#reject(person, refusal.message, { denial_id: denialId, resource });
    this.#context.emit({
      event: 'access.denied',
      denial_id: denialId,
      ...this.#who(person),
      server_id: this.#context.hostId,
      ...(identity.impersonator === undefined ? {} : { impersonator: identity.impersonator }),
      roles: identity.roles,
      action,
      resource,
      reasons: refusal.reasons,
    });
    return `${refusal.message} (denial ${denialId})`;
  }

  /** A limit was reached: nobody was denied, but a session was. Returns the text for the person. */
  limited(person: RefusedPerson, reason: string): string {
    if (this.#noise.take(person.remoteIp)) this.#reject(person, reason, {});
    return reason;
  }

  /** Somebody who did not prove who they are. */
  failed(about: {
    readonly error: string;
    readonly login?: string | undefined;
    readonly remoteAddress: string;
    readonly remoteIp: string;
    readonly localAddress: string;
  }): void {
    if (!this.#strangers.take(about.remoteIp)) return;
    this.#context.emit({
      event: 'auth',
      success: false,
      error: about.error,
      ...(about.login === undefined ? {} : { login: about.login }),
      server_id: this.#context.hostId,
      'addr.remote': about.remoteAddress,
      'addr.local': about.localAddress,
      proto: 'ssh',
    });
  }

  #reject(person: RefusedPerson, reason: string, more: object): void {
    const { hostId, hostname } = this.#context;
    this.#context.emit({
      event: 'session.rejected',
      ...this.#who(person),
      reason,
      server_id: hostId,
      server_hostname: hostname,
      ...more,
    });
  }

  #who({ identity, login, remoteAddress }: RefusedPerson) {
    return { user: identity.name, login, 'addr.remote': remoteAddress, proto: 'ssh' };
  }
}
