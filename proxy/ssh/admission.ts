// May this person use the proxy now, and which node may they go to? Asked when a connection is authenticated, at every
// channel, and again when locks change. The node decides about the login; here it is about the person, the certificate,
// and which nodes there are for them.
import type { AccessSet } from '#core/access/compile.ts';
import {
  lockInForce,
  lockOnPerson,
  requireFreshLocks,
  requireUnlocked,
  type LockInForce,
} from '#core/access/locks.ts';
import { DENIED_MESSAGE, quote } from '#core/access/reason.ts';
import type { Clock } from '#core/clock.ts';
import { GatehouseError, isCode } from '#core/errors/error.ts';
import type { HostIdentity, UserIdentity } from '#core/identity.ts';
import { RateLimit } from '#core/rate-limit.ts';
import type { ClusterView } from '#client/cluster-view.ts';
import { ipOf, type Origin } from '../listen/origin.ts';
import type { RouteRequest } from '../route/request.ts';
import { HiddenNodes, type Route, type Router } from '../route/router.ts';
import type { SessionRelay } from '../record/relay.ts';
import type { ProxyRefusals } from './refusals.ts';

/** Of one person at once; then it is ten a second. */
const MISSES = { burst: 200, refillMs: 100 };
const TOO_MANY_MISSES = 'too many names that lead to no server; wait a minute';

export interface ProxyUser {
  readonly identity: UserIdentity;
  /** When the certificate ends, milliseconds since the epoch. */
  readonly validBefore: number;
  readonly origin: Origin;
}

export type AdmissionView = Pick<
  ClusterView,
  'clusterName' | 'locks' | 'locksAsOf' | 'preference' | 'accessSet'
>;

export interface AdmissionOptions {
  readonly clock: Clock;
  readonly view: AdmissionView;
  readonly router: Router;
  readonly refusals: ProxyRefusals;
  /** Ends sessions of servers that must be recorded here; everything else is spliced. */
  readonly relay: Pick<SessionRelay, 'isFor' | 'open'>;
}

/** What is wrong; the reasons are for admins. */
class Problem extends Error {
  readonly error: GatehouseError;
  readonly reasons: readonly string[];

  constructor(error: GatehouseError, reasons: readonly string[]) {
    super(error.message, { cause: error });
    this.error = error;
    this.reasons = reasons;
  }
}

export class Admission {
  readonly #options: AdmissionOptions;
  /** Names of one person that lead nowhere: each is looked for among all nodes. */
  readonly #misses: RateLimit;

  constructor(options: AdmissionOptions) {
    this.#options = options;
    this.#misses = new RateLimit({ clock: options.clock, ...MISSES });
  }

  /** ACCESS_DENIED, LOCKED, CERTIFICATE_INVALID or UNAVAILABLE, on record, with the id of the denial in its message. */
  admit(user: ProxyUser): AccessSet {
    try {
      return this.#judge(user);
    } catch (error) {
      throw this.#onRecord(user, 'proxy', error);
    }
  }

  /** False while a lock is in force on the person; puts nothing on record. */
  isUnlocked({ identity }: ProxyUser): boolean {
    return this.#lockOn(identity) === undefined;
  }

  /** The same for an agent or another proxy, of which only locks and time are asked. */
  isHostFine({ host_id: serverId }: HostIdentity): boolean {
    const { view, clock } = this.#options;
    return lockInForce(view.locks(), { serverId }, clock.now()) === undefined;
  }

  /** LOCKED or CERTIFICATE_INVALID. */
  requireHost(identity: HostIdentity, validBefore: number): void {
    const { view, clock } = this.#options;
    requireUnlocked(view.locks(), { serverId: identity.host_id }, clock.now());
    if (clock.now() >= validBefore)
      throw new GatehouseError('CERTIFICATE_INVALID', 'the certificate has expired');
  }

  /** An open way to the node that is meant; as `admit`, what Router throws, and LIMIT_EXCEEDED after too many misses. */
  async open(user: ProxyUser, request: RouteRequest): Promise<Route> {
    const { router, relay } = this.#options;
    const node = this.#resolve(user, request);
    const route = await router.reach(node, user.origin.remoteAddress);
    if (!relay.isFor(node)) return route;
    return { node, link: await relay.open({ ...route, origin: user.origin }) };
  }

  #resolve(user: ProxyUser, request: RouteRequest): Route['node'] {
    const { name } = user.identity;
    try {
      const access = this.#judge(user);
      if (!this.#misses.take(name)) throw new GatehouseError('LIMIT_EXCEEDED', TOO_MANY_MISSES);
      const node = this.#options.router.resolve(request, access);
      this.#misses.giveBack(name);
      return node;
    } catch (error) {
      throw this.#onRecord(user, `node/${request.host}`, error);
    }
  }

  #judge({ identity, validBefore, origin }: ProxyUser): AccessSet {
    const { view, clock } = this.#options;
    const now = clock.now();
    if (now >= validBefore) {
      throw new GatehouseError(
        'CERTIFICATE_INVALID',
        'the certificate has expired; log in again with `gate login`',
      );
    }
    const misuse = misuseOf(identity, view.clusterName(), ipOf(origin));
    if (misuse !== undefined)
      throw new Problem(new GatehouseError('ACCESS_DENIED', DENIED_MESSAGE), [misuse]);
    const locked = this.#lockOn(identity);
    if (locked !== undefined) {
      const reasons = [`the lock ${quote(locked.lock.name)} is in force`];
      throw new Problem(new GatehouseError('LOCKED', locked.message), reasons);
    }
    const access = this.#accessOf(identity);
    requireFreshLocks(access.options.lockMode ?? view.preference().locking_mode, view.locksAsOf(), now);
    return access;
  }

  #lockOn(identity: UserIdentity): LockInForce | undefined {
    const { view, clock } = this.#options;
    return lockOnPerson(view.locks(), identity, {}, clock.now());
  }

  #accessOf(identity: UserIdentity): AccessSet {
    try {
      return this.#options.view.accessSet(identity);
    } catch (error) {
      if (!isCode(error, 'INVALID_RESOURCE')) throw error;
      throw new Problem(new GatehouseError('ACCESS_DENIED', DENIED_MESSAGE, { cause: error }), [
        error.message,
      ]);
    }
  }

  #onRecord(user: ProxyUser, resource: string, thrown: unknown): unknown {
    const problem = problemOf(thrown);
    if (problem === undefined) return thrown;
    const { remoteAddress } = user.origin;
    return this.#options.refusals.denied({
      identity: user.identity,
      remoteAddress,
      remoteIp: ipOf(user.origin),
      resource,
      error: problem.error,
      reasons: problem.reasons,
    });
  }
}

/** Undefined for what is no denial: bad input, a name that fits several, what this version cannot do. */
function problemOf(thrown: unknown): Problem | undefined {
  if (thrown instanceof Problem) return thrown;
  if (isCode(thrown, 'LOCKED')) return new Problem(thrown, ['a lock on the server is in force']);
  if (isCode(thrown, 'UNAVAILABLE')) return new Problem(thrown, [thrown.message]);
  if (!isCode(thrown, 'NOT_FOUND')) return undefined;
  const ids = thrown.cause instanceof HiddenNodes ? thrown.cause.ids : [];
  return new Problem(thrown, [
    ids.length === 0
      ? 'no server has this name, id, address or labels'
      : `no role of the user selects the labels of what fits: ${ids.slice(0, 5).join(', ')}`,
  ]);
}

/** A certificate that is good, but not here. */
function misuseOf(identity: UserIdentity, clusterName: string, remoteIp: string): string | undefined {
  const { cluster, usage, pinned_ip: pinned } = identity;
  if (cluster !== clusterName) return `the certificate is of the cluster ${quote(cluster)}`;
  if (usage !== undefined) return `the certificate may only be used for ${usage}`;
  if (pinned === undefined || pinned === remoteIp) return undefined;
  return `the certificate is pinned to ${quote(pinned)} and came from ${quote(remoteIp)}`;
}
