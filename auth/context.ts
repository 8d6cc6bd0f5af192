// What routes are given: the open parts of the auth service, each by its contract.
import type { Clock } from '#core/clock.ts';
import type { Log } from '#core/log.ts';
import type { AuditLog } from '#events/audit-log.ts';
import type { CertificateAuthorities } from './authority/authority.ts';
import type { ClusterState } from './state/state.ts';

export interface AuthContext {
  readonly clock: Clock;
  readonly log: Log;
  readonly state: ClusterState;
  readonly authorities: CertificateAuthorities;
  readonly audit: AuditLog;
  readonly clusterName: string;
  /** Host id of this auth server. */
  readonly hostId: string;
  readonly serverVersion: string;
  /** `host:port` of the public proxy address for links in invites. */
  readonly publicAddress: string;
  /** Names and addresses under which this auth server is dialled, loopback among them. */
  readonly names: readonly string[];
}
