// The guard: decides about each connection to a target, and looks after those that were let in, until they are closed.
//
//   open ──(certificate, roles, locks, limits)──> watched ──(lock, role, label, end, idle)──> cut ──> closed
//     └───────────────(refused, on record)                    └──────────(close)────────────────────> closed
import { randomUUID } from 'node:crypto';
import type { ClusterView } from '#client/cluster-view.ts';
import { DENIED_MESSAGE } from '#core/access/reason.ts';
import type { MergedOptions } from '#core/access/options.ts';
import { SessionMonitor, type CutReason, type Watched } from '#core/access/session-monitor.ts';
import type { SessionGround } from '#core/access/session-ground.ts';
import {
  decideTargetAccess,
  type RoutedRequest,
  type TargetAdmission,
  type TargetQuestion,
  type TargetVerdict,
} from '#core/access/target-access.ts';
import type { Labels } from '#core/access/role.ts';
import type { Clock } from '#core/clock.ts';
import { isCode } from '#core/errors/error.ts';
import { parseIpPort } from '#core/ip-port.ts';
import type { Log } from '#core/log.ts';
import { PeopleLimit } from '#core/people-limit.ts';
import type { TargetConnection, TargetEvent } from './connection.ts';
import type { GuardHooks, OpenedTarget, OpenOptions, TargetGuard } from './guard.ts';
import { TargetRefusals, type RefusedClient } from './refusals.ts';

export interface GuardOptions {
  readonly clock: Clock;
  readonly log: Log;
  readonly hostId: string;
  readonly hostname: string;
  /** Ready. */
  readonly view: ClusterView;
  emit(event: TargetEvent): void;
  /** Labels of a target that is served, as they are now; undefined when it is served no more. */
  readonly labelsOf: (service: 'db' | 'app', name: string) => Labels | undefined;
  readonly limits: { readonly maxUsers: number };
}

export interface RunningGuard extends TargetGuard {
  readonly refusals: TargetRefusals;
  /** Different people. */
  readonly users: number;
  /** Connections that are open. */
  readonly connections: number;
  /** Targets or their labels are others now: asks about all connections again. */
  review(): void;
  close(): void;
}

export function openGuard(options: GuardOptions): RunningGuard {
  return new Guard(options);
}

class Guard implements RunningGuard {
  readonly refusals: TargetRefusals;
  readonly #options: GuardOptions;
  readonly #monitor: SessionMonitor<TargetAdmission>;
  readonly #people: PeopleLimit;

  constructor(options: GuardOptions) {
    const { clock, log, view } = options;
    this.#options = options;
    this.refusals = new TargetRefusals(options);
    this.#monitor = new SessionMonitor({ clock, log, onChange: (listener) => view.onChange(listener) });
    this.#people = new PeopleLimit(options.limits.maxUsers);
  }

  get users(): number {
    return this.#people.users;
  }

  get connections(): number {
    return this.#monitor.size;
  }

  open(
    connection: TargetConnection,
    request: RoutedRequest,
    hooks: GuardHooks,
    { sessionId = randomUUID() }: OpenOptions = {},
  ): OpenedTarget {
    const { identity, validBefore, client } = connection;
    const person = personOf(connection, request);
    const question = { identity, validBefore, request, remoteIp: parseIpPort(client)?.ip ?? '' };
    const verdict = this.#decide(question);
    if (!verdict.allowed) throw this.refusals.denied(person, verdict);
    const leave = this.#takeSeat(person, verdict);
    const opened = new Opened({
      id: sessionId,
      clock: this.#options.clock,
      verdict,
      review: () => this.#decide(question),
      hooks,
      onCut: (why, message) => this.#onCut(person, sessionId, why, message),
    });
    const unwatch = this.#monitor.watch(opened, verdict);
    opened.onClose = () => {
      unwatch();
      leave();
    };
    return opened;
  }

  review(): void {
    this.#monitor.review();
  }

  close(): void {
    this.#monitor.close();
  }

  #decide(question: TargetQuestion): TargetVerdict {
    const { request } = question;
    const { name } = request.target;
    const labels = this.#options.labelsOf(request.kind === 'db' ? 'db' : 'app', name);
    if (labels === undefined) {
      const reasons = [`this host does not serve ${request.kind} "${name}" any more`];
      return { allowed: false, code: 'ACCESS_DENIED', message: DENIED_MESSAGE, reasons };
    }
    const asked = { ...request, target: { name, labels } } as RoutedRequest;
    return decideTargetAccess({ ...question, request: asked }, this.#ground(question));
  }

  #ground({ identity }: TargetQuestion): SessionGround {
    const { view, hostId, clock } = this.#options;
    return {
      hostId,
      clusterName: view.clusterName(),
      now: clock.now(),
      access: this.#accessOf(identity),
      locks: view.locks(),
      locksAsOf: view.locksAsOf(),
      preference: view.preference(),
      networking: view.networking(),
    };
  }

  #accessOf(identity: TargetQuestion['identity']): SessionGround['access'] {
    try {
      return this.#options.view.accessSet(identity);
    } catch (error) {
      if (isCode(error, 'INVALID_RESOURCE')) return { unusable: error.message };
      throw error;
    }
  }

  #takeSeat(person: RefusedClient, { options }: TargetAdmission): () => void {
    try {
      return this.#people.take(person.identity.name, options.maxConnections);
    } catch (error) {
      if (isCode(error, 'LIMIT_EXCEEDED')) this.refusals.limited(person, error.message);
      throw error;
    }
  }

  #onCut(
    { identity, login, client, proto, resource }: RefusedClient,
    sid: string,
    why: CutReason,
    message: string,
  ): void {
    const { log, hostId, hostname, emit } = this.#options;
    log.info({ user: identity.name, resource, why }, 'a connection to a target was ended');
    emit({
      event: 'client.disconnect',
      user: identity.name,
      ...(identity.impersonator === undefined ? {} : { impersonator: identity.impersonator }),
      ...(login === undefined ? {} : { login }),
      sid,
      server_id: hostId,
      server_hostname: hostname,
      'addr.remote': client,
      proto,
      reason: message,
    });
  }
}

interface OpenedParts {
  readonly id: string;
  readonly clock: Clock;
  readonly verdict: TargetAdmission;
  review(): TargetVerdict;
  readonly hooks: GuardHooks;
  onCut(why: CutReason, message: string): void;
}

class Opened implements OpenedTarget, Watched<TargetAdmission> {
  readonly id: string;
  lastInputAt: number;
  onClose: () => void = () => {};
  readonly #parts: OpenedParts;
  #admission: TargetAdmission;
  #isClosed = false;

  constructor(parts: OpenedParts) {
    this.#parts = parts;
    this.id = parts.id;
    this.#admission = parts.verdict;
    this.lastInputAt = parts.clock.now();
  }

  get roles(): readonly string[] {
    return this.#admission.roles;
  }

  get options(): MergedOptions {
    return this.#admission.options;
  }

  touch(): void {
    this.lastInputAt = this.#parts.clock.now();
  }

  review(): TargetVerdict {
    return this.#parts.review();
  }

  changed(admission: TargetAdmission): void {
    this.#admission = admission;
    this.#parts.hooks.changed?.();
  }

  cut(why: CutReason, message: string): void {
    if (this.#isClosed) return;
    this.#parts.onCut(why, message);
    this.#parts.hooks.cut(why, message);
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.onClose();
  }
}

function personOf({ identity, client }: TargetConnection, request: RoutedRequest): RefusedClient {
  const proto = request.kind === 'db' ? 'db' : 'app';
  const login = request.kind === 'db' ? request.user : request.kind === 'aws' ? request.roleArn : undefined;
  return { identity, login, client, proto, resource: `${proto}/${request.target.name}` };
}
