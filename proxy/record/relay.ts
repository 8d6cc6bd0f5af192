// Ends the SSH of a person at this proxy and opens it again towards the server, for servers with a plain sshd and where the
// cluster records at proxies. The person is let in by the same decision as on a server with an agent, made here.
//
//   greeted ──(certificate proven and decided)──> server connected, decided again ──> relayed ──either side ends──> over
//                            └──(refused, server not reached or not itself)──> the person is told
import { duplexPair } from 'node:stream';
import { SessionMonitor } from '#core/access/session-monitor.ts';
import type { Admission } from '#core/access/ssh-access.ts';
import { GatehouseError, isCode } from '#core/errors/error.ts';
import { NetworkPool } from '#core/network-pool.ts';
import { PeopleLimit } from '#core/people-limit.ts';
import { offeredHostKeys } from '#wire/host-keys.ts';
import { acceptSsh } from '#wire/ssh/accept.ts';
import type { SshConnection } from '#wire/ssh/ssh.ts';
import { ipOf } from '../listen/origin.ts';
import { dropLink, type Link } from '../route/link.ts';
import type { RouteNode } from '../route/resolve.ts';
import { RelayAttempt, type Relaying, type RelayOptions, type RelayTarget } from './relay-attempt.ts';
import type { RelayedConnection } from './relayed-connection.ts';

const MOST_WAITING = 32;

export class SessionRelay {
  readonly #options: RelayOptions;
  readonly #monitor: SessionMonitor<Admission>;
  readonly #live = new Set<RelayedConnection>();
  /** Of one person on one server: counted from before the server is asked, so that many at once count too. */
  readonly #seats = new PeopleLimit(Infinity);
  /** Servers that were dialed by one client, and wait for its login: a sshd takes ten or so at a time, of everybody. */
  readonly #waiting = new NetworkPool(MOST_WAITING);
  readonly #stop: () => void;

  constructor(options: RelayOptions) {
    this.#options = options;
    const { clock, log, view, keys } = options;
    this.#monitor = new SessionMonitor({ clock, log, onChange: (listener) => view.onChange(listener) });
    this.#stop = view.onChange((kinds) => {
      if (['lock', 'role', 'node', 'cert_authority'].some((kind) => kinds.has(kind))) keys.forget();
    });
  }

  /** True for servers whose sessions must end here. */
  isFor(node: RouteNode): boolean {
    return node.sub_kind === 'openssh' || this.#options.view.recording().mode.startsWith('proxy');
  }

  get size(): number {
    return this.#live.size;
  }

  /**
   * The person's side of the server: a stream that speaks SSH with the name of the server. The link is owned from now on.
   * UNAVAILABLE when auth gives no certificate for the name, LIMIT_EXCEEDED when too many of the client wait for a login.
   */
  async open(target: RelayTarget): Promise<Link> {
    const { keys, clock, log, limits } = this.#options;
    const { node, link } = target;
    const arrived = this.#waiting.take(`${node.metadata.name} ${ipOf(target.origin)}`);
    if (arrived === undefined) {
      dropLink(link);
      throw new GatehouseError(
        'LIMIT_EXCEEDED',
        `${MOST_WAITING} connections to ${node.spec.hostname} wait for a login`,
      );
    }
    let hostKey;
    try {
      hostKey = await keys.host(node.metadata.name);
    } catch (error) {
      arrived();
      dropLink(link);
      if (!isCode(error)) throw error;
      throw new GatehouseError(
        'UNAVAILABLE',
        `sessions of ${node.spec.hostname} are recorded at the proxy, which has no certificate for it: ${error.message}`,
        { cause: error },
      );
    }
    const [outer, inner] = duplexPair();
    const attempt = new RelayAttempt(this.#options, target, this.#seats, arrived);
    inner.once('close', () => attempt.close());
    acceptSsh<Relaying | undefined>({
      socket: inner,
      clock,
      log,
      limits: limits(),
      hostKeys: offeredHostKeys(hostKey),
      authenticate: (offer) => attempt.authenticate(offer),
      serve: (person, relaying) => this.#serve(person, relaying),
      onRefused: (error, login) => attempt.refused(error, login),
    });
    return { is: 'socket', socket: outer };
  }

  /** Ends everything at once. */
  close(): void {
    this.#stop();
    this.#monitor.close();
    for (const relayed of this.#live) relayed.end('the proxy is shutting down');
  }

  #serve(person: SshConnection, relaying: Relaying | undefined): ReturnType<RelayedConnection['begin']> {
    if (relaying === undefined) throw new GatehouseError('INTERNAL', 'nobody was let in');
    const { relayed, server, admission } = relaying;
    this.#live.add(relayed);
    const forget = this.#monitor.watch(relayed, admission);
    void this.#forgetWhenClosed(person, relayed, forget);
    return relayed.begin(person, server);
  }

  async #forgetWhenClosed(
    person: SshConnection,
    relayed: RelayedConnection,
    forget: () => void,
  ): Promise<void> {
    await person.closed;
    this.#live.delete(relayed);
    forget();
  }
}
