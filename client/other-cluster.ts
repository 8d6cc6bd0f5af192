// Whether the cluster that answers is the one that a stored identity belongs to. What decides is its host authority: the
// address may change as it likes, and an authority in rotation states its old key beside the new one.
import { derFromPem } from '#core/certs/x509/pem.ts';
import { caPin } from '#core/certs/x509/pin.ts';
import { GatehouseError, isCode } from '#core/errors/error.ts';
import type { Dial } from './connection.ts';
import type { HostRecord } from './credentials.ts';
import { learnAuthorities } from './trust.ts';

/** Per address; a host starts without the answer when it does not come. */
const ASK_MS = 5000;

export interface OtherCluster {
  /** Where it answered. */
  readonly address: string;
  readonly caPins: readonly string[];
}

export interface ClusterAddresses {
  /** `host:port` each. */
  readonly authServers: readonly string[];
  readonly dial?: Dial | undefined;
}

/**
 * The cluster that answers instead of the record's own; undefined when it is the same, and when none answers, because
 * an absent cluster proves nothing. Nothing secret is sent, and nothing that is learned here is trusted: who states a false
 * authority only keeps the host away from it.
 */
export async function findOtherCluster(
  record: HostRecord,
  { authServers, dial }: ClusterAddresses,
): Promise<OtherCluster | undefined> {
  const own = clusterPins(record);
  let other: OtherCluster | undefined;
  for (const address of authServers) {
    const served = await pinsOf(address, dial);
    if (served?.some((pin) => own.includes(pin)) === true) return undefined;
    if (served !== undefined) other ??= { address, caPins: served };
  }
  return other;
}

/** What the error OTHER_CLUSTER says of it. */
export function otherCluster(
  { certificates }: HostRecord,
  { address, caPins }: OtherCluster,
  place: string,
): GatehouseError {
  return new GatehouseError(
    'OTHER_CLUSTER',
    `${address} is another cluster (${caPins.join(', ')}) than ${certificates.cluster_name}, which the identity in ${place} belongs to; correct the address, or allow re-joining (join_params.rejoin: true)`,
  );
}

/** The pins of the host authority that the record trusts, sorted. */
export function clusterPins({ certificates }: HostRecord): readonly string[] {
  return certificates.tls_authorities.host.map(pinOf).sort();
}

async function pinsOf(address: string, dial: Dial | undefined): Promise<readonly string[] | undefined> {
  try {
    return (await learnAuthorities(address, [], dial, ASK_MS)).map(pinOf);
  } catch (error) {
    if (isCode(error)) return undefined;
    throw error;
  }
}

const pinOf = (pem: string): string => caPin(derFromPem(pem));
