// Which identity a host has, decided over its store: the stored one, a new one where there is none, or a new one in its
// place where that is allowed. Apart from join.ts, which gets identities over the network, so that every order of
// failures can be tried here without one.
import { GatehouseError, isCode } from '#core/errors/error.ts';
import type { Log } from '#core/log.ts';
import type { CredentialStore, HostRecord } from './credentials.ts';

export interface Issuer {
  /** A new identity, generation 1; the cluster knows it from then on. */
  join(): Promise<HostRecord>;
  /** Why the stored identity is to give way, for the log; undefined to keep it. Throws where it can do neither. */
  reasonToReplace(stored: HostRecord): Promise<string | undefined>;
}

/** A store where others create at the same moment settles after one more look. */
const MAX_LOOKS = 3;

/**
 * The identity in `store`, held by this process from here on. What is returned is what is stored: an identity that was
 * issued and could not be stored is never used. Errors of the store and of the issuer; what is retryable may be tried
 * again from the start.
 */
export async function takeIdentity(store: CredentialStore, issuer: Issuer, log: Log): Promise<HostRecord> {
  for (let look = 0; look < MAX_LOOKS; look++) {
    const stored = await (store.claim === undefined ? store.load() : store.claim());
    if (stored === undefined) {
      const fresh = await issuer.join();
      if (!(await created(store, fresh, log))) continue;
      log.info(
        { hostId: fresh.certificates.host_id, cluster: fresh.certificates.cluster_name },
        'joined the cluster',
      );
      return fresh;
    }
    const why = await issuer.reasonToReplace(stored);
    if (why === undefined) return stored;
    const fresh = { ...(await issuer.join()), generation: stored.generation + 1 };
    await store.replace(fresh);
    log.warn(
      { hostId: fresh.certificates.host_id, was: stored.certificates.host_id, why },
      'joined the cluster anew; the identity of before is gone',
    );
    return fresh;
  }
  throw new GatehouseError('UNAVAILABLE', `the identity in ${store.place} is changed by others all the time`);
}

/** False when another process was first: its identity is the one to use. */
async function created(store: CredentialStore, fresh: HostRecord, log: Log): Promise<boolean> {
  try {
    await store.create(fresh);
    return true;
  } catch (error) {
    if (!isCode(error, 'ALREADY_EXISTS')) throw error;
    const unused = fresh.certificates.host_id;
    log.warn({ unused, place: store.place }, 'another process stored an identity first; that one is used');
    return false;
  }
}

/**
 * Stores the renewed form of `record`, the identity in force. Where the store has a later one of the same host already
 * (an answer that was lost, or the process that took over from this one), that one counts and is returned. Where it was
 * put back to an earlier one, or taken away, the identity in force goes on.
 */
export async function storeRenewed(
  store: CredentialStore,
  record: HostRecord,
  renewed: HostRecord,
  log: Log,
): Promise<HostRecord> {
  try {
    await store.replace(renewed);
    return renewed;
  } catch (error) {
    if (!isCode(error, 'CONDITION_FAILED')) throw error;
    const stored = await store.load();
    if (stored === undefined) return await restoreIdentity(store, renewed, log);
    if (stored.certificates.host_id !== record.certificates.host_id) throw error;
    if (stored.generation > record.generation) return stored;
    const next = { ...renewed, generation: stored.generation + 1 };
    await store.replace(next);
    return next;
  }
}

/** Stores the identity in force again after somebody removed it from under the process. ALREADY_EXISTS as `create`. */
export async function restoreIdentity(
  store: CredentialStore,
  record: HostRecord,
  log: Log,
): Promise<HostRecord> {
  await store.create(record);
  log.warn(
    { hostId: record.certificates.host_id, place: store.place },
    'the identity of this host was removed while it is in use; it is stored again',
  );
  return record;
}
