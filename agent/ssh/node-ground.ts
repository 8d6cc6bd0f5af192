// Questions of the SSH service to the cluster view: who may come in as things stand now, and which proxy may speak for
// others. Apart from the service, which knows connections and nothing of roles.
import type { ClusterView } from '#client/cluster-view.ts';
import { lockInForce } from '#core/access/locks.ts';
import { GatehouseError, isCode } from '#core/errors/error.ts';
import { readRelayHeader, SeenRelays, type RelayHeader } from '#core/relay-header.ts';
import type { CertificateGround } from './authenticate.ts';
import type { SshHost } from './context.ts';
import {
  decideAccess,
  type AccessGround,
  type AccessQuestion,
  type Verdict,
} from '#core/access/ssh-access.ts';

export interface NodeGroundOptions {
  readonly host: Pick<SshHost, 'clock' | 'hostId' | 'labels'>;
  readonly view: ClusterView;
  /** `ssh_file_copy` of the server, which roles cannot widen. */
  readonly fileCopy: boolean;
}

export class NodeGround {
  readonly #options: NodeGroundOptions;
  readonly #seen = new SeenRelays();

  constructor(options: NodeGroundOptions) {
    this.#options = options;
  }

  certificates(remoteIp: string): CertificateGround {
    const { view, host } = this.#options;
    return { hostId: host.hostId, authorities: view.sshAuthorities('user'), now: host.clock.now(), remoteIp };
  }

  decide(question: AccessQuestion): Verdict {
    const { host, view, fileCopy } = this.#options;
    const verdict = decideAccess(question, {
      hostId: host.hostId,
      clusterName: view.clusterName(),
      labels: host.labels(),
      now: host.clock.now(),
      access: this.#accessOf(question),
      locks: view.locks(),
      locksAsOf: view.locksAsOf(),
      preference: view.preference(),
      networking: view.networking(),
    });
    if (!verdict.allowed || fileCopy) return verdict;
    return { ...verdict, options: { ...verdict.options, fileCopy: false } };
  }

  /** LOCKED for a locked proxy; else as readRelayHeader. */
  readRelay(header: Uint8Array): RelayHeader {
    const { view, host } = this.#options;
    const now = host.clock.now();
    const read = readRelayHeader(header, {
      target: host.hostId,
      now,
      authorities: view.sshAuthorities('host'),
      clusterName: view.clusterName(),
      seen: this.#seen,
    });
    if (lockInForce(view.locks(), { serverId: read.proxyId }, now) === undefined) return read;
    throw new GatehouseError('LOCKED', 'the proxy that relays is locked');
  }

  #accessOf({ identity }: AccessQuestion): AccessGround['access'] {
    try {
      return this.#options.view.accessSet(identity);
    } catch (error) {
      if (isCode(error, 'INVALID_RESOURCE')) return { unusable: error.message };
      throw error;
    }
  }
}
