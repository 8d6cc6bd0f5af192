// What the parts of one relayed connection share: who it is of, what they may do on the server now, and where it is told.
// Contracts only.
import type { SshRights } from '#core/access/ssh-forwards.ts';
import type { Clock } from '#core/clock.ts';
import type { UserIdentity } from '#core/identity.ts';
import type { Log } from '#core/log.ts';
import type { SshConnection } from '#wire/ssh/ssh.ts';
import type { ProxyEvent } from '../ssh/refusals.ts';
import type { ProxyRecordings } from './recordings.ts';

/** The server that a connection goes to, as events name it. */
export interface RelayedServer {
  readonly hostId: string;
  readonly hostname: string;
  labels(): Readonly<Record<string, string>>;
}

export interface RelayHost extends RelayedServer {
  readonly clock: Clock;
  readonly log: Log;
  readonly clusterName: string;
  /** Id of this proxy. */
  readonly proxyId: string;
  emit(event: ProxyEvent): void;
}

/** As it is now. */
export interface RelayedAccess extends SshRights {
  readonly identity: UserIdentity;
  readonly login: string;
  /** `ip:port` of the person's client, and of what it reached. */
  readonly remoteAddress: string;
  readonly localAddress: string;
}

export interface Relayed {
  readonly host: RelayHost;
  readonly access: RelayedAccess;
  /** The server has an agent, which tells of what people do there: this proxy only records. */
  readonly hasAgent: boolean;
  readonly recordings: Pick<ProxyRecordings, 'record'>;
  /** Towards the server. */
  readonly server: SshConnection;
  /** A session may use the person's key agent or display from now on. */
  mayCallBack(what: 'agent' | 'x11'): boolean;
}
