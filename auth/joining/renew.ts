// New certificates for a host that is a member: for the id and roles of the certificate it calls with, whatever it
// says of itself in the request.
import type { HostCertificates } from '#core/api/join.ts';
import type { HostIdentity } from '#core/identity.ts';
import type { Caller } from '../guard/caller.ts';
import type { IssueContext } from '../issue/context.ts';
import { issueHost } from '../issue/host.ts';
import type { KeyTexts } from '../issue/subject-keys.ts';
import type { OwnHost } from './join.ts';

export interface RenewRequest extends KeyTexts {
  readonly node_name: string;
  readonly addresses: readonly string[];
}

/** LOCKED when the host is locked, BAD_REQUEST for names and keys that are not good. */
export function renewHostCertificates(
  context: IssueContext,
  identity: HostIdentity,
  { address }: Pick<Caller, 'address'>,
  request: RenewRequest,
  ownHost?: Pick<OwnHost, 'id'>,
): Promise<HostCertificates> {
  return issueHost(context, {
    hostId: identity.host_id,
    nodeName: request.node_name,
    roles: identity.roles,
    addresses: request.addresses,
    keys: request,
    isOwn: ownHost !== undefined && ownHost.id() === identity.host_id,
    address,
    method: 'renew',
  });
}
