// The road from the proxy to a target: is the certificate for it, which agents serve it, and a way to the first of them
// that answers. Whether the person may use it as they want is decided by the agent.
import type { Duplex } from 'node:stream';
import type { ClusterView } from '#client/cluster-view.ts';
import type { AccessSet } from '#core/access/compile.ts';
import { lockInForce, lockOnPerson, requireFreshLocks, type LockInForce } from '#core/access/locks.ts';
import { DENIED_MESSAGE, quote } from '#core/access/reason.ts';
import { targetMisuse } from '#core/access/target-access.ts';
import type { Clock } from '#core/clock.ts';
import { GatehouseError, isCode } from '#core/errors/error.ts';
import type { UserIdentity } from '#core/identity.ts';
import type { Log } from '#core/log.ts';
import { RateLimit } from '#core/rate-limit.ts';
import { appLabels } from '#kinds/app/kind.ts';
import { dbLabels } from '#kinds/db/kind.ts';
import { cancelProcessId } from '#wire/target/cancel-keys.ts';
import type { ConnectHeader, TargetHeader, TargetService } from '#wire/target/header.ts';
import { ipOf, type Origin } from '../listen/origin.ts';
import type { ProxyRefusals } from '../ssh/refusals.ts';
import type { AgentDialer } from '../tunnel/agents.ts';
import type { TunnelRequest } from '../tunnel/registry.ts';
import { ConflictWatch } from './conflicts.ts';
import { firstOpen } from './first-open.ts';
import { candidatesFor, type TargetServer } from './candidates.ts';
import { linkByChannel, linkByHand, type HandOver, type TargetLink } from './road.ts';

/** Somebody who was proven, by certificate or by a web session that has one. */
export interface TargetCaller {
  readonly identity: UserIdentity;
  /** DER. */
  readonly certificate: Uint8Array;
  /** The first millisecond at which the certificate is no longer valid. */
  readonly validBefore: number;
  readonly origin: Origin;
  /** Hash of the id of the web session. */
  readonly session?: string;
}

export interface CancelKey {
  readonly processId: number;
  readonly secret: number;
}

export type TargetRouteView = Pick<
  ClusterView,
  | 'clusterName'
  | 'locks'
  | 'locksAsOf'
  | 'preference'
  | 'accessSet'
  | 'dbServersOf'
  | 'dbServers'
  | 'appServersOf'
>;

export interface TargetRouterOptions {
  readonly clock: Clock;
  readonly log: Log;
  /** Ready. */
  readonly view: TargetRouteView;
  readonly agents: AgentDialer;
  /** This host, and its agent where one runs in this process and serves by now. */
  readonly hostId: () => string;
  readonly ownAgent: () => HandOver | undefined;
  readonly refusals: Pick<ProxyRefusals, 'denied'>;
}

/** An agent that has not answered for so long is not waited for alone: with two of them the third is asked within 2 s. */
const NEXT_MS = 700;
/** Targets that one person may name in vain: each is on record. */
const MISSES = { burst: 200, refillMs: 100 };
const CANCEL_AGENTS = 4;

export class TargetRouter {
  readonly #options: TargetRouterOptions;
  readonly #misses: RateLimit;
  readonly #conflicts: ConflictWatch;

  constructor(options: TargetRouterOptions) {
    this.#options = options;
    this.#conflicts = new ConflictWatch(options);
    this.#misses = new RateLimit({ clock: options.clock, ...MISSES });
  }

  /**
   * NOT_FOUND when there is no such target that this person may see, ACCESS_DENIED when the certificate is not for it,
   * LOCKED, CERTIFICATE_INVALID: on record, with the id of the denial. UNAVAILABLE says which agents were tried.
   */
  async open(service: TargetService, target: string, caller: TargetCaller): Promise<TargetLink> {
    const servers = this.#admit(service, target, caller);
    const header: ConnectHeader = {
      service,
      target,
      client: caller.origin.remoteAddress,
      certificate: Buffer.from(caller.certificate).toString('base64'),
      ...(caller.session === undefined ? {} : { session: caller.session }),
    };
    return this.#reach(target, servers, header);
  }

  /** Hands a request to cancel to the agents that can be meant; resolves when they have it. Never rejects. */
  async cancel({ processId, secret }: CancelKey, origin: Origin): Promise<readonly TargetLink[]> {
    const { view } = this.#options;
    const meant = new Map(
      view
        .dbServers()
        .filter(({ spec }) => cancelProcessId(spec.host_id) === processId && !this.#isLocked(spec.host_id))
        .map(({ spec }) => [spec.host_id, spec.proxy_ids] as const),
    );
    const header: TargetHeader = {
      service: 'db',
      client: origin.remoteAddress,
      cancel: { process_id: processId, secret },
    };
    const opening = [...meant]
      .slice(0, CANCEL_AGENTS)
      .map(([hostId, proxyIds]) =>
        this.#link({ hostId, proxyIds, labels: {} }, header).catch(() => undefined),
      );
    return (await Promise.all(opening)).filter((link) => link !== undefined);
  }

  /** False while a lock is in force on the person; puts nothing on record. */
  isUnlocked(identity: UserIdentity): boolean {
    return this.#lockOn(identity) === undefined;
  }

  // Who may

  #admit(service: TargetService, target: string, caller: TargetCaller): readonly TargetServer[] {
    const { identity } = caller;
    const access = this.#accessOf(service, target, caller);
    const { open, reasons, isLocked } = candidatesFor({
      service,
      target,
      servers: this.#serversOf(service, target),
      access,
      isLocked: (hostId) => this.#isLocked(hostId),
      isNear: (hostId) => this.#isNear(hostId),
    });
    if (open.length > 0) return open;
    if (!this.#misses.take(identity.name)) {
      throw new GatehouseError('LIMIT_EXCEEDED', 'too many targets that do not exist; wait a minute');
    }
    const error = isLocked
      ? new GatehouseError('LOCKED', 'a lock is in force')
      : new GatehouseError(
          'NOT_FOUND',
          `no such ${service === 'db' ? 'database' : 'application'}, or no access to it: ${target}`,
        );
    throw this.#onRecord(service, target, caller, error, reasons);
  }

  #accessOf(service: TargetService, target: string, caller: TargetCaller): AccessSet {
    const { view, clock } = this.#options;
    const { identity, validBefore, origin } = caller;
    const now = clock.now();
    if (now >= validBefore) {
      throw new GatehouseError('CERTIFICATE_INVALID', 'the certificate has expired; get a new one');
    }
    const deny = (reason: string): never => {
      const error = new GatehouseError('ACCESS_DENIED', DENIED_MESSAGE);
      throw this.#onRecord(service, target, caller, error, [reason]);
    };
    const misuse = misuseOf(identity, service, target, view.clusterName(), ipOf(origin));
    if (misuse !== undefined) return deny(misuse);
    const locked = this.#lockOn(identity);
    if (locked !== undefined) {
      const error = new GatehouseError('LOCKED', locked.message);
      throw this.#onRecord(service, target, caller, error, [
        `the lock ${quote(locked.lock.name)} is in force`,
      ]);
    }
    try {
      const access = view.accessSet(identity);
      requireFreshLocks(access.options.lockMode ?? view.preference().locking_mode, view.locksAsOf(), now);
      return access;
    } catch (error) {
      if (isCode(error, 'INVALID_RESOURCE')) return deny(error.message);
      throw error;
    }
  }

  #serversOf(service: TargetService, target: string): readonly TargetServer[] {
    const { view } = this.#options;
    if (service === 'db') {
      const servers = view.dbServersOf(target);
      this.#conflicts.look(target, servers);
      return servers.map(({ spec }) => ({
        hostId: spec.host_id,
        proxyIds: spec.proxy_ids,
        labels: dbLabels(spec.database),
      }));
    }
    const servers = view.appServersOf(target);
    this.#conflicts.look(target, servers);
    return servers.map(({ spec }) => ({
      hostId: spec.host_id,
      proxyIds: spec.proxy_ids,
      labels: appLabels(spec.app),
    }));
  }

  #lockOn(identity: UserIdentity): LockInForce | undefined {
    const { view, clock } = this.#options;
    return lockOnPerson(view.locks(), identity, {}, clock.now());
  }

  #isLocked(serverId: string): boolean {
    const { view, clock } = this.#options;
    return lockInForce(view.locks(), { serverId }, clock.now()) !== undefined;
  }

  #onRecord(
    service: TargetService,
    target: string,
    { identity, origin }: TargetCaller,
    error: GatehouseError,
    reasons: readonly string[],
  ): GatehouseError {
    return this.#options.refusals.denied({
      identity,
      remoteAddress: origin.remoteAddress,
      remoteIp: ipOf(origin),
      resource: `${service}/${target}`,
      proto: service,
      error,
      reasons,
    });
  }

  // How

  #isNear(hostId: string): boolean {
    const { agents, hostId: own } = this.#options;
    return hostId === own() || agents.has(hostId);
  }

  async #reach(target: string, servers: readonly TargetServer[], header: ConnectHeader): Promise<TargetLink> {
    const { clock, log } = this.#options;
    const tried: string[] = [];
    const ways = servers.map((server) => async (): Promise<TargetLink> => {
      try {
        return await this.#link(server, header);
      } catch (error) {
        if (!isCode(error)) log.error({ err: error, hostId: server.hostId }, 'a dial failed unexpectedly');
        tried.push(`${server.hostId}: ${isCode(error) ? error.message : 'failed'}`);
        throw error;
      }
    });
    const discard = (late: TargetLink): void => late.drop();
    const opened = await firstOpen(ways, { clock, nextMs: NEXT_MS, discard }).catch(() => undefined);
    if (opened !== undefined) return opened;
    log.warn({ target, tried }, 'no agent of a target could be reached');
    throw new GatehouseError(
      'UNAVAILABLE',
      `no agent that serves ${target} can be reached: ${tried.slice(0, 5).join('; ')}`,
    );
  }

  async #link({ hostId, proxyIds }: TargetServer, header: TargetHeader): Promise<TargetLink> {
    const { clock, agents, hostId: own, ownAgent } = this.#options;
    const beside = hostId === own() ? ownAgent() : undefined;
    if (beside !== undefined) return linkByHand(hostId, beside, header);
    const request: TunnelRequest = { service: header.service, client: header.client };
    return linkByChannel(hostId, await agents.dial(hostId, proxyIds, request), header, clock);
  }
}

/** As TargetRouter.open, for those who want a stream. */
export async function reachTarget(
  router: TargetRouter,
  request: TargetCaller & { readonly service: TargetService; readonly target: string },
): Promise<Duplex> {
  const link = await router.open(request.service, request.target, request);
  return link.stream();
}

/** A certificate that is good, but not here. */
function misuseOf(
  identity: UserIdentity,
  service: TargetService,
  target: string,
  clusterName: string,
  remoteIp: string,
): string | undefined {
  if (identity.cluster !== clusterName) return `the certificate is of the cluster ${quote(identity.cluster)}`;
  const { pinned_ip: pinned } = identity;
  if (pinned !== undefined && pinned !== remoteIp) {
    return `the certificate is pinned to ${quote(pinned)} and came from ${quote(remoteIp)}`;
  }
  return targetMisuse(identity, service, target);
}
