// Of several operators one acts: whoever holds the Lease. Times are measured here alone, from when a change was seen, so
// that clocks of machines may differ; and a holder gives up well before another one may take over.
import { randomBytes } from 'node:crypto';
import { jittered } from '#client/member/backoff.ts';
import { sleep, type Clock, type Timer } from '#core/clock.ts';
import { GatehouseError, isCode } from '#core/errors/error.ts';
import type { Log } from '#core/log.ts';
import type { Kube, KubeObject, ObjectKey } from '../kube/kube.ts';
import { LEASES } from '../kube/object-types.ts';

export interface LeaderOptions {
  readonly kube: Kube;
  readonly clock: Clock;
  readonly log: Log;
  readonly lease: ObjectKey;
  /** For people: the name of the pod. What makes it unique is added. */
  readonly holder: string;
}

export interface Leader {
  /** Resolves when this process may act; never when it is closed before. */
  readonly acquired: Promise<void>;
  /** Resolves with the reason when it may not act any more, after it was acquired. What acts must end within GRACE_MS. */
  readonly lost: Promise<GatehouseError>;
  isLeader(): boolean;
  /** Why it does not even know who leads; empty when it does. */
  problems(): readonly string[];
  /** Lets go of the lease, so that another need not wait. Call it when nothing acts any more. */
  close(): Promise<void>;
}

/** After so long without a change seen, others take the lease … */
export const LEASE_MS = 20_000;
/** … and a holder that could not renew it for this long gives up, */
export const GIVE_UP_MS = 13_000;
/** which leaves this much for what acts to end. */
export const GRACE_MS = LEASE_MS - GIVE_UP_MS;
const EVERY_MS = 5000;
const CALL_MS = 4000;

interface LeaseSpec {
  readonly holderIdentity?: string;
  readonly leaseDurationSeconds?: number;
  readonly acquireTime?: string;
  readonly renewTime?: string;
  readonly leaseTransitions?: number;
}

export function startLeader(options: LeaderOptions): Leader {
  return new LeaseHolder(options);
}

class LeaseHolder implements Leader {
  readonly #options: LeaderOptions;
  readonly #identity: string;
  readonly #acquired = Promise.withResolvers<void>();
  readonly #lost = Promise.withResolvers<GatehouseError>();
  readonly #end = new AbortController();
  readonly #done: Promise<void>;
  /** As it was after our last write. */
  #held: KubeObject | undefined;
  #problem: string | undefined = 'the lease of the leader was not read yet';
  #state: 'waiting' | 'leading' | 'over' = 'waiting';
  #giveUp: Timer | undefined;
  /** The lease as it was when it last changed, and whether it has stood still for as long as it lasts. */
  #seen: { readonly revision: string | undefined; hasExpired: boolean; readonly timer: Timer } | undefined;

  constructor(options: LeaderOptions) {
    this.#options = options;
    this.#identity = `${options.holder}_${randomBytes(8).toString('hex')}`;
    this.#done = this.#hold();
  }

  get acquired(): Promise<void> {
    return this.#acquired.promise;
  }

  get lost(): Promise<GatehouseError> {
    return this.#lost.promise;
  }

  isLeader(): boolean {
    return this.#state === 'leading';
  }

  problems(): readonly string[] {
    return this.#problem === undefined ? [] : [this.#problem];
  }

  async close(): Promise<void> {
    const wasLost = this.#state === 'over';
    this.#state = 'over';
    this.#end.abort();
    this.#giveUp?.cancel();
    this.#seen?.timer.cancel();
    await this.#done;
    // Also when it was only being taken: the answer may have been on its way.
    if (!wasLost) await this.#release();
  }

  async #hold(): Promise<void> {
    const { clock, log } = this.#options;
    const { signal } = this.#end;
    while (!signal.aborted) {
      try {
        await this.#round();
        this.#problem = undefined;
      } catch (error) {
        if (signal.aborted) return;
        this.#problem = `cannot read or write the lease "${this.#options.lease.name}": ${error instanceof Error ? error.message : 'unknown error'}`;
        log.warn(
          { err: error, isLeader: this.isLeader() },
          'the lease of the leader could not be read or written',
        );
      }
      await sleep(clock, jittered(EVERY_MS), signal).catch(() => undefined);
    }
  }

  async #round(): Promise<void> {
    const { clock } = this.#options;
    const calls = new AbortController();
    const timer = clock.after(CALL_MS, () => calls.abort(tooSlow()));
    const signal = AbortSignal.any([calls.signal, this.#end.signal]);
    try {
      // Who leads knows how the lease is, and a write of another one is a conflict.
      const found = this.#held ?? (await this.#read(signal));
      this.#held = undefined;
      if (!this.#mayTake(found)) return;
      // From before the call: the server may have written at once, or late.
      const heldUntil = clock.after(GIVE_UP_MS, () => this.#lose('it could not be renewed in time'));
      try {
        this.#held = await this.#write(found, signal);
      } catch (error) {
        heldUntil.cancel();
        throw error;
      }
      this.#giveUp?.cancel();
      this.#giveUp = heldUntil;
      this.#lead();
    } catch (error) {
      // Another one was faster; it is read whose name stands there.
      if (!isCode(error, 'CONDITION_FAILED', 'ALREADY_EXISTS')) throw error;
      this.#mayTake(await this.#read(signal));
    } finally {
      timer.cancel();
    }
  }

  #read(signal: AbortSignal): Promise<KubeObject | undefined> {
    const { kube, lease } = this.#options;
    return kube.get(LEASES, lease, signal).catch((error: unknown) => {
      if (isCode(error, 'NOT_FOUND')) return undefined;
      throw error;
    });
  }

  #mayTake(found: KubeObject | undefined): boolean {
    const { holderIdentity = '', leaseDurationSeconds = 0 } = specOf(found);
    if (holderIdentity === this.#identity) return true;
    if (this.#state === 'leading') {
      this.#lose(`${holderIdentity === '' ? 'nobody' : holderIdentity} holds it`);
      return false;
    }
    if (found === undefined || holderIdentity === '') return true;
    this.#observe(found, Math.max(leaseDurationSeconds * 1000, LEASE_MS));
    return this.#seen?.hasExpired === true;
  }

  /** Starts the time anew whenever the lease has changed. */
  #observe({ metadata }: KubeObject, durationMs: number): void {
    const revision = metadata.resourceVersion;
    if (this.#seen?.revision === revision && revision !== undefined) return;
    this.#seen?.timer.cancel();
    const seen = {
      revision,
      hasExpired: false,
      timer: this.#options.clock.after(durationMs, () => (seen.hasExpired = true)),
    };
    this.#seen = seen;
  }

  async #write(found: KubeObject | undefined, signal: AbortSignal): Promise<KubeObject> {
    const { kube, lease, clock } = this.#options;
    const before = specOf(found);
    const now = new Date(clock.now()).toISOString().replace('Z', '000Z');
    const isOurs = before.holderIdentity === this.#identity;
    const spec: LeaseSpec = {
      holderIdentity: this.#identity,
      leaseDurationSeconds: LEASE_MS / 1000,
      acquireTime: isOurs ? (before.acquireTime ?? now) : now,
      renewTime: now,
      leaseTransitions: (before.leaseTransitions ?? 0) + (isOurs ? 0 : 1),
    };
    if (found === undefined) {
      return kube.create(
        {
          apiVersion: 'coordination.k8s.io/v1',
          kind: 'Lease',
          metadata: { ...lease, namespace: lease.namespace ?? '' },
          spec,
        },
        signal,
      );
    }
    return kube.replace({ ...found, spec }, signal);
  }

  #lead(): void {
    if (this.#state !== 'waiting') return;
    this.#state = 'leading';
    this.#options.log.info(
      { lease: this.#options.lease.name, identity: this.#identity },
      'this operator leads',
    );
    this.#acquired.resolve();
  }

  #lose(why: string): void {
    if (this.#state !== 'leading') return;
    this.#state = 'over';
    this.#end.abort();
    this.#giveUp?.cancel();
    this.#lost.resolve(
      new GatehouseError(
        'UNAVAILABLE',
        `the lease "${this.#options.lease.name}" is lost: ${why}; this process ends so that another operator can act`,
      ),
    );
  }

  async #release(): Promise<void> {
    const { kube, lease, log, clock } = this.#options;
    const late = new AbortController();
    const timer = clock.after(CALL_MS, () => late.abort(tooSlow()));
    try {
      const found = await kube.get(LEASES, lease, late.signal);
      const spec = specOf(found);
      if (spec.holderIdentity !== this.#identity) return;
      await kube.replace(
        { ...found, spec: { ...spec, holderIdentity: '', leaseDurationSeconds: 1 } },
        late.signal,
      );
    } catch (error) {
      log.warn(
        { err: error },
        'the lease of the leader was not let go; another operator waits until it ends',
      );
    } finally {
      timer.cancel();
    }
  }
}

function specOf(lease: KubeObject | undefined): LeaseSpec {
  return (lease?.['spec'] ?? {}) as LeaseSpec;
}

function tooSlow(): GatehouseError {
  return new GatehouseError('UNAVAILABLE', `the Kubernetes API server took more than ${CALL_MS / 1000} s`);
}
