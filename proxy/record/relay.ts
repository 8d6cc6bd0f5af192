// Ends the SSH of a person at this proxy and opens it again towards the server, for servers with a plain sshd and where the
// cluster records at proxies. The person is let in by the same decision as on a server with an agent, made here.
//
//   greeted ──(certificate proven and decided)──> server connected ──> relayed ──either side ends──> over
//                            └──(refused, server not reached or not itself)──> the person is told
import { duplexPair, type Duplex } from 'node:stream';
import type { ClusterView } from '#client/cluster-view.ts';
import {
  decideAccess,
  JOIN_LOGIN,
  type AccessGround,
  type AccessQuestion,
  type Admission,
  type Verdict,
} from '#core/access/ssh-access.ts';
import { SshMonitor } from '#core/access/ssh-monitor.ts';
import type { Clock } from '#core/clock.ts';
import { GatehouseError, isCode } from '#core/errors/error.ts';
import type { Log } from '#core/log.ts';
import { nodeLabels } from '#kinds/node/kind.ts';
import { offeredHostKeys } from '#wire/host-keys.ts';
import { acceptSsh } from '#wire/ssh/accept.ts';
import { connectSsh } from '#wire/ssh/connect.ts';
import type { AuthAnswer, PublicKeyOffer, SshConnection, SshLimits } from '#wire/ssh/ssh.ts';
import { ipOf, type Origin } from '../listen/origin.ts';
import { dropLink, joinStream, type Link } from '../route/link.ts';
import type { RouteNode } from '../route/resolve.ts';
import { readPerson } from '../ssh/authenticate.ts';
import type { ProxyEvent, ProxyRefusals } from '../ssh/refusals.ts';
import type { ProxyRecordings } from './recordings.ts';
import type { RelayHost } from './relayed-access.ts';
import { RelayedConnection } from './relayed-connection.ts';
import type { RelayKeys } from './relay-keys.ts';
import { requireServer } from './server-identity.ts';

export interface RelayOptions {
  readonly clock: Clock;
  readonly log: Log;
  readonly view: ClusterView;
  readonly keys: RelayKeys;
  readonly recordings: Pick<ProxyRecordings, 'record'>;
  readonly refusals: ProxyRefusals;
  readonly proxyId: () => string;
  readonly limits: () => Partial<SshLimits>;
  readonly emit: (event: ProxyEvent) => void;
}

export interface RelayTarget {
  readonly node: RouteNode;
  readonly link: Link;
  readonly origin: Origin;
}

/** Somebody who was let in, with the server that waits. */
interface Relaying {
  readonly relayed: RelayedConnection;
  readonly server: SshConnection;
  readonly admission: Admission;
}

const CANNOT_RELAY: Readonly<Record<string, string>> = {
  join: 'sessions that are recorded at the proxy cannot be joined',
  duties:
    'the roles require others to join the sessions (require_session_join), which a server without an agent cannot do',
};

export class SessionRelay {
  readonly #options: RelayOptions;
  readonly #monitor: SshMonitor;
  readonly #live = new Set<RelayedConnection>();
  readonly #stop: () => void;

  constructor(options: RelayOptions) {
    this.#options = options;
    const { clock, log, view, keys } = options;
    this.#monitor = new SshMonitor({ clock, log, onChange: (listener) => view.onChange(listener) });
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
   * UNAVAILABLE when auth gives no certificate for the name.
   */
  async open(target: RelayTarget): Promise<Link> {
    const { keys, clock, log, limits } = this.#options;
    const { node, link } = target;
    let hostKey;
    try {
      hostKey = await keys.host(node.metadata.name);
    } catch (error) {
      dropLink(link);
      if (!isCode(error)) throw error;
      throw new GatehouseError(
        'UNAVAILABLE',
        `sessions of ${node.spec.hostname} are recorded at the proxy, which has no certificate for it: ${error.message}`,
        { cause: error },
      );
    }
    const [outer, inner] = duplexPair();
    const attempt = new RelayAttempt(this.#options, target, this.#live);
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

/** One connection of a person until it is let in. */
class RelayAttempt {
  readonly #options: RelayOptions;
  readonly #target: RelayTarget;
  readonly #live: ReadonlySet<RelayedConnection>;
  #isDialed = false;
  #isDenied = false;
  #socket: Duplex | undefined;

  constructor(options: RelayOptions, target: RelayTarget, live: ReadonlySet<RelayedConnection>) {
    this.#options = options;
    this.#target = target;
    this.#live = live;
  }

  async authenticate(offer: PublicKeyOffer): Promise<AuthAnswer<Relaying | undefined>> {
    const { origin } = this.#target;
    let person;
    try {
      person = readPerson(offer, this.#certificateGround());
    } catch (error) {
      if (!isCode(error)) throw error;
      return offer.proven ? { accept: false, message: error.message } : { accept: false };
    }
    if (!offer.proven) return { accept: true, identity: undefined };
    const question: AccessQuestion = { ...person, login: offer.user, remoteIp: ipOf(origin) };
    const verdict = this.#decide(question);
    if (!verdict.allowed) return this.#deny(question, verdict.code, verdict.message, verdict.reasons);
    const misfit = this.#misfitOf(question, verdict);
    if (misfit !== undefined) return this.#deny(question, 'NOT_SUPPORTED', misfit, [misfit]);
    try {
      return { accept: true, identity: await this.#connect(question, verdict) };
    } catch (error) {
      return this.#failed(error);
    }
  }

  refused(error: GatehouseError, login: string | undefined): void {
    this.close();
    if (login === undefined || this.#isDenied) return;
    const { origin } = this.#target;
    this.#options.refusals.failed({ ...origin, error: error.message, login, remoteIp: ipOf(origin) });
  }

  /** The person is gone. */
  close(): void {
    this.#socket?.destroy();
    if (!this.#isDialed) dropLink(this.#target.link);
    this.#isDialed = true;
  }

  #certificateGround() {
    const { view, clock } = this.#options;
    return {
      authorities: view.sshAuthorities.bind(view),
      clusterName: view.clusterName(),
      now: clock.now(),
      remoteIp: ipOf(this.#target.origin),
    };
  }

  #decide(question: AccessQuestion): Verdict {
    const { view, clock } = this.#options;
    const { node } = this.#target;
    return decideAccess(question, {
      hostId: node.metadata.name,
      clusterName: view.clusterName(),
      labels: nodeLabels(view.node(node.metadata.name) ?? node),
      now: clock.now(),
      access: this.#accessOf(question),
      locks: view.locks(),
      locksAsOf: view.locksAsOf(),
      preference: view.preference(),
      networking: view.networking(),
    });
  }

  #accessOf({ identity }: AccessQuestion): AccessGround['access'] {
    try {
      return this.#options.view.accessSet(identity);
    } catch (error) {
      if (isCode(error, 'INVALID_RESOURCE')) return { unusable: error.message };
      throw error;
    }
  }

  /** What a relayed session cannot do, and the person must not be let in without. */
  #misfitOf({ login, identity }: AccessQuestion, { duties, options }: Admission): string | undefined {
    if (login === JOIN_LOGIN) return CANNOT_RELAY['join'];
    const { node } = this.#target;
    if (node.sub_kind === 'openssh' && duties.length > 0) return CANNOT_RELAY['duties'];
    const { maxConnections: most } = options;
    const count = [...this.#live].filter(
      ({ access, host }) => access.identity.name === identity.name && host.hostId === node.metadata.name,
    ).length;
    if (most === undefined || count < most) return undefined;
    return `you have ${count} connections to this server, and ${most} are allowed (max_connections)`;
  }

  async #connect(question: AccessQuestion, admission: Admission): Promise<Relaying> {
    const { keys, clock, log, view } = this.#options;
    const { node, link, origin } = this.#target;
    if (this.#isDialed) throw new GatehouseError('UNAVAILABLE', 'the server ended the connection');
    const { login, grant } = question;
    const key = await keys.user({
      nodeId: node.metadata.name,
      login,
      certificate: grant.certificate,
      address: ipOf(origin),
    });
    const relayed = new RelayedConnection({
      host: this.#hostOf(node),
      hasAgent: node.sub_kind !== 'openssh',
      recordings: this.#options.recordings,
      about: { ...question, ...origin },
      admission,
      review: () => this.#decide(question),
    });
    // Gone while the certificate was made.
    if (this.#isDialed) throw new GatehouseError('UNAVAILABLE', 'the client has gone');
    this.#isDialed = true;
    this.#socket = streamOf(link, clock);
    const server = await connectSsh({
      socket: this.#socket,
      clock,
      log,
      user: login,
      keys: [key],
      limits: this.#options.limits(),
      verifyHost: (shown) =>
        requireServer(shown, node, {
          authorities: view.sshAuthorities('host'),
          clusterName: view.clusterName(),
          now: clock.now(),
          checksHostKeys: view.recording().proxy_checks_host_keys,
        }),
      handlers: relayed.ofServer,
    });
    return { relayed, server, admission };
  }

  #hostOf(node: RouteNode): RelayHost {
    const { clock, log, view, proxyId, emit } = this.#options;
    const { name } = node.metadata;
    return {
      clock,
      log,
      clusterName: view.clusterName(),
      proxyId: proxyId(),
      hostId: name,
      hostname: node.spec.hostname,
      labels: () => nodeLabels(view.node(name) ?? node),
      emit,
    };
  }

  #deny(
    { identity }: AccessQuestion,
    code: 'ACCESS_DENIED' | 'LOCKED' | 'NOT_SUPPORTED' | 'UNAVAILABLE',
    message: string,
    reasons: readonly string[],
  ): AuthAnswer<never> {
    const { node, origin } = this.#target;
    this.#isDenied = true;
    const denied = this.#options.refusals.denied({
      identity,
      remoteAddress: origin.remoteAddress,
      remoteIp: ipOf(origin),
      resource: `node/${node.metadata.name}`,
      error: new GatehouseError(code, message),
      reasons,
    });
    return { accept: false, message: denied.message };
  }

  #failed(error: unknown): AuthAnswer<never> {
    const { log } = this.#options;
    const { node } = this.#target;
    const server = node.spec.hostname;
    if (!isCode(error)) log.error({ err: error, server }, 'a relayed connection failed unexpectedly');
    else log.warn({ server, why: error.message }, 'a server could not be reached for a relayed session');
    return { accept: false, message: textFor(error, server) };
  }
}

/** What the person is told: whose fault it is, and never what auth said in detail. */
function textFor(error: unknown, server: string): string {
  if (isCode(error, 'CERTIFICATE_INVALID')) return `${server} is not trusted: ${error.message}`;
  if (isCode(error, 'ACCESS_DENIED')) {
    return `${server} does not let this login in: ${error.message}`;
  }
  return isCode(error) ? `${server} cannot be reached: ${error.message}` : 'the proxy failed to connect';
}

function streamOf(link: Link, clock: Clock): Duplex {
  if (link.is === 'socket') return link.socket;
  const [near, far] = duplexPair();
  joinStream(far, link, clock);
  return near;
}
