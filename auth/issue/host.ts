// Certificates for machines: the same names and roles in SSH and X.509, so that a member is known by one id.
import type { HostCertificates } from '#core/api/join.ts';
import type { HostIdentity, SystemRole } from '#core/identity.ts';
import type { IssueContext } from './context.ts';
import { isDoorName } from './door-names.ts';
import { requireHostUnlocked } from './holder.ts';
import { hostNames } from './host-names.ts';
import { forHost, validUntil, withSshIdentity } from './modifiers.ts';
import { makePlan, startPlan } from './plan.ts';
import { signPlan } from './sign.ts';
import { readSubjectKeys, type KeyTexts } from './subject-keys.ts';
import {
  requireFittingAuthority,
  requireForeignKey,
  requirePrincipals,
  requireTtlWithin,
} from './validators.ts';

/** Agents renew when two thirds are over; one that was off for longer joins again. A lock works at once. */
export const HOST_TTL_MS = 30 * 24 * 3_600_000;

export interface HostRequest {
  readonly hostId: string;
  readonly nodeName: string;
  readonly roles: readonly SystemRole[];
  /** Names and addresses under which others dial it, without ports. */
  readonly addresses: readonly string[];
  readonly keys: KeyTexts;
  /** The machine of this auth service itself: it may have the names of its doors, whatever it joined as. */
  readonly isOwn?: boolean | undefined;
  /** Where the request came from, and how: for the audit log. */
  readonly address?: string | undefined;
  readonly method: string;
}

/**
 * Certificates for a host whose right to the id and roles has been established by the caller. LOCKED when a lock is
 * in force on it; BAD_REQUEST for names and keys that are not good.
 */
export async function issueHost(context: IssueContext, request: HostRequest): Promise<HostCertificates> {
  const { authorities, clusterName, clock } = context;
  const { hostId, nodeName, roles } = request;
  requireHostUnlocked(context, hostId);
  const identity: HostIdentity = {
    kind: 'host',
    cluster: clusterName,
    host_id: hostId,
    name: nodeName,
    roles,
  };
  const isDoor = request.isOwn === true ? undefined : (name: string) => isDoorName(context, name);
  const names = hostNames({ ...request, clusterName, isDoor });
  const end = Math.floor((clock.now() + HOST_TTL_MS) / 1000) * 1000;
  const plan = makePlan(
    startPlan('host', readSubjectKeys(request.keys), clock.now()),
    [forHost(identity, names), validUntil(end), withSshIdentity(identity)],
    [
      requireTtlWithin(HOST_TTL_MS),
      requirePrincipals,
      requireForeignKey(authorities),
      requireFittingAuthority,
    ],
  );
  const signed = await signPlan(context, plan, {
    type: 'host',
    method: request.method,
    hostId,
    roles,
    ...(request.address === undefined ? {} : { address: request.address }),
  });
  const [host, user] = [authorities.publicPart('host'), authorities.publicPart('user')];
  return {
    host_id: hostId,
    cluster_name: clusterName,
    ssh_certificate: signed.ssh,
    tls_certificate: signed.tls,
    tls_authorities: { host: host.tlsCertificates, user: user.tlsCertificates },
    ssh_authorities: { host: host.sshPublicKeys, user: user.sshPublicKeys },
  };
}
