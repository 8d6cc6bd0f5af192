// What is put on record when somebody is refused at a target, and what that person is told. The reasons go to the audit log
// under an id; the person gets the id. A flood from one address is recorded in part.
import { randomUUID } from 'node:crypto';
import type { Clock } from '#core/clock.ts';
import { GatehouseError } from '#core/errors/error.ts';
import type { UserIdentity } from '#core/identity.ts';
import { parseIpPort } from '#core/ip-port.ts';
import { RateLimit } from '#core/rate-limit.ts';
import type { Refusal } from '#core/access/session-ground.ts';
import type { TargetEvent } from './connection.ts';

/** Refusals of one address that are recorded at once; then it is one every ten seconds. */
const QUIET_AFTER = 20;
const REFILL_MS = 10_000;

export interface TargetRefusalsOptions {
  readonly clock: Clock;
  readonly hostId: string;
  readonly hostname: string;
  emit(event: TargetEvent): void;
}

/** Who was refused what. */
export interface RefusedClient {
  readonly identity: UserIdentity;
  /** Account at the target, where it has one. */
  readonly login?: string | undefined;
  /** `ip:port`. */
  readonly client: string;
  /** db/NAME or app/NAME. */
  readonly resource: string;
  readonly proto: 'db' | 'app';
}

export class TargetRefusals {
  readonly #options: TargetRefusalsOptions;
  readonly #noise: RateLimit;

  constructor(options: TargetRefusalsOptions) {
    this.#options = options;
    this.#noise = new RateLimit({ clock: options.clock, burst: QUIET_AFTER, refillMs: REFILL_MS });
  }

  /** Emits session.rejected and access.denied; returns the error for the person, with the id of the denial. */
  denied(person: RefusedClient, { code, message, reasons }: Refusal): GatehouseError {
    if (!this.#takesNote(person)) return new GatehouseError(code, message);
    const id = randomUUID();
    const { identity, resource } = person;
    // Searches for the id begin with the newest event, and the reasons are in the one below.
    this.#reject(person, message, { denial_id: id });
    this.#options.emit({
      event: 'access.denied',
      denial_id: id,
      ...this.#who(person),
      ...(identity.impersonator === undefined ? {} : { impersonator: identity.impersonator }),
      roles: identity.roles,
      action: 'connect',
      resource,
      reasons,
    });
    return new GatehouseError(code, `${message} (denial ${id})`, { details: { denialId: id } });
  }

  /** A limit was reached: nobody was denied, but a session was. */
  limited(person: RefusedClient, reason: string): void {
    if (this.#takesNote(person)) this.#reject(person, reason, {});
  }

  #takesNote({ client }: RefusedClient): boolean {
    return this.#noise.take(parseIpPort(client)?.ip ?? '');
  }

  #reject(person: RefusedClient, reason: string, more: object): void {
    const { hostname } = this.#options;
    const { resource } = person;
    this.#options.emit({
      event: 'session.rejected',
      ...this.#who(person),
      reason,
      server_hostname: hostname,
      resource,
      ...more,
    });
  }

  #who({ identity, login, client, proto }: RefusedClient) {
    return {
      user: identity.name,
      ...(login === undefined ? {} : { login }),
      server_id: this.#options.hostId,
      'addr.remote': client,
      proto,
    };
  }
}
