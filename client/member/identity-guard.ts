// Looks after the identity while it is used: whether another process took it over, whether somebody removed it, and
// whether another cluster answers in place of its own. Only stores that others can reach are asked; the cluster is compared
// only while it does not answer.
import { sleep, type Clock } from '#core/clock.ts';
import { GatehouseError, isCode } from '#core/errors/error.ts';
import type { Log } from '#core/log.ts';
import type { CredentialStore, HostRecord } from '../credentials.ts';
import { restoreIdentity } from '../identity.ts';
import { findOtherCluster, otherCluster, type ClusterAddresses } from '../other-cluster.ts';
import { jittered } from './backoff.ts';

export const LOOK_MS = 60_000;
/** Heartbeats come more often. */
const SILENT_MS = 150_000;

export interface IdentityGuardOptions extends ClusterAddresses {
  readonly clock: Clock;
  readonly log: Log;
  readonly store: CredentialStore;
  readonly rejoin?: boolean | undefined;
  /** The identity in force. */
  readonly record: () => HostRecord;
  /** When the auth service answered last, in time of `clock`. */
  readonly heardAt: () => number;
  /** Why the identity is of no use at present; undefined again when it is. */
  readonly report: (problem: string | undefined) => void;
}

/**
 * Runs until `signal`. Rejects with NAME_CONFLICT when another process holds the identity, and with OTHER_CLUSTER when the
 * cluster was replaced and the host may join the new one: a start does that.
 */
export async function guardIdentity(options: IdentityGuardOptions, signal: AbortSignal): Promise<never> {
  const { clock, log, heardAt } = options;
  let isOther = false;
  for (;;) {
    await sleep(clock, jittered(LOOK_MS), signal);
    await lookAtStore(options);
    if (clock.now() - heardAt() <= SILENT_MS) {
      if (isOther) options.report(undefined);
      isOther = false;
      continue;
    }
    const problem = await lookAtCluster(options);
    signal.throwIfAborted();
    if (problem !== undefined && !isOther) log.error({ err: problem }, 'another cluster answers');
    isOther = problem !== undefined;
    options.report(problem?.message);
  }
}

/** NAME_CONFLICT when the stored identity is another's; restores one that was removed. Other failures are logged. */
export async function lookAtStore({
  store,
  record,
  log,
}: Pick<IdentityGuardOptions, 'store' | 'record' | 'log'>): Promise<void> {
  if (store.check === undefined) return;
  try {
    const inForce = record();
    if ((await store.check(inForce.certificates.host_id)) === 'gone')
      await restoreIdentity(store, inForce, log);
  } catch (error) {
    if (isCode(error, 'NAME_CONFLICT')) throw error;
    log.warn({ err: error, place: store.place }, 'the stored identity of this host cannot be looked at');
  }
}

async function lookAtCluster(options: IdentityGuardOptions): Promise<Error | undefined> {
  const record = options.record();
  const other = await findOtherCluster(record, options);
  if (other === undefined) return undefined;
  if (options.rejoin !== true) return otherCluster(record, other, options.store.place);
  throw new GatehouseError(
    'OTHER_CLUSTER',
    `the cluster at ${other.address} was replaced; this process ends, and joins it anew when it is started again`,
  );
}
