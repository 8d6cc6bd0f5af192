// One connection of a person to a server whose sessions end at this proxy, until it is let in: the same decision as on a
// server with an agent, then the way to the server, then the decision again. Apart from relay.ts, which looks after those
// that were let in.
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
import type { Refusal } from '#core/access/session-ground.ts';
import type { Clock } from '#core/clock.ts';
import type { Code } from '#core/errors/codes.ts';
import { GatehouseError, isCode } from '#core/errors/error.ts';
import type { Log } from '#core/log.ts';
import type { PeopleLimit } from '#core/people-limit.ts';
import { nodeLabels } from '#kinds/node/kind.ts';
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
  readonly keys: Pick<RelayKeys, 'host' | 'user' | 'forget'>;
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
export interface Relaying {
  readonly relayed: RelayedConnection;
  readonly server: SshConnection;
  readonly admission: Admission;
}

const CANNOT_JOIN = 'sessions that are recorded at the proxy cannot be joined';
const CANNOT_WATCH =
  'the roles require others to join the sessions (require_session_join), which a server without an agent cannot do';
/** RFC 4253 11.1. */
const BY_APPLICATION = 11;

/** What the person is told, and what admins read. */
type Denial = { readonly code: Code } & Pick<Refusal, 'message' | 'reasons'>;

/** One connection of a person until it is let in. */
export class RelayAttempt {
  readonly #options: RelayOptions;
  readonly #target: RelayTarget;
  readonly #seats: PeopleLimit;
  readonly #arrived: () => void;
  #isDialed = false;
  #isDenied = false;
  #isOver = false;
  #socket: Duplex | undefined;
  #leave: (() => void) | undefined;

  /** `arrived` is called, perhaps more than once, when the server waits for nobody's login any more. */
  constructor(options: RelayOptions, target: RelayTarget, seats: PeopleLimit, arrived: () => void) {
    this.#options = options;
    this.#target = target;
    this.#seats = seats;
    this.#arrived = arrived;
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
    if (!verdict.allowed) return this.#deny(question, verdict);
    const full = this.#sit(question, verdict);
    if (full !== undefined) return this.#deny(question, full);
    try {
      return await this.#letIn(question, verdict);
    } catch (error) {
      this.#leave?.();
      return this.#failed(error);
    }
  }

  async #letIn(question: AccessQuestion, verdict: Admission): Promise<AuthAnswer<Relaying>> {
    const { relayed, server } = await this.#connect(question, verdict);
    this.#arrived();
    // Locks and roles may have changed meanwhile, and the monitor only tells of changes that are still to come.
    const now = this.#decide(question);
    if (now.allowed) {
      relayed.changed(now);
      return { accept: true, identity: { relayed, server, admission: now } };
    }
    this.#leave?.();
    server.disconnect(BY_APPLICATION, 'the access has ended');
    return this.#deny(question, now);
  }

  refused(error: GatehouseError, login: string | undefined): void {
    this.close();
    if (login === undefined || this.#isDenied) return;
    const { origin } = this.#target;
    this.#options.refusals.failed({ ...origin, error: error.message, login, remoteIp: ipOf(origin) });
  }

  /** The person is gone. */
  close(): void {
    this.#isOver = true;
    this.#arrived();
    this.#leave?.();
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
    const verdict = decideAccess(question, {
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
    return (verdict.allowed && this.#misfitOf(question, verdict)) || verdict;
  }

  #accessOf({ identity }: AccessQuestion): AccessGround['access'] {
    try {
      return this.#options.view.accessSet(identity);
    } catch (error) {
      if (isCode(error, 'INVALID_RESOURCE')) return { unusable: error.message };
      throw error;
    }
  }

  /** What a relayed session cannot do, and the person must not be let in, or stay, without. */
  #misfitOf({ login }: AccessQuestion, { duties }: Admission): Refusal | undefined {
    const isPlain = this.#target.node.sub_kind === 'openssh';
    const message =
      login === JOIN_LOGIN ? CANNOT_JOIN : isPlain && duties.length > 0 ? CANNOT_WATCH : undefined;
    if (message === undefined) return undefined;
    return { allowed: false, code: 'NOT_SUPPORTED', message, reasons: [message] };
  }

  /** Why there is no seat; otherwise it is held until the connection ends. */
  #sit({ identity }: AccessQuestion, { options }: Admission): Denial | undefined {
    const name = `${this.#target.node.metadata.name} ${identity.name}`;
    try {
      this.#leave = this.#seats.take(name, options.maxConnections);
    } catch (error) {
      if (!isCode(error)) throw error;
      return { code: error.code, message: error.message, reasons: [error.message] };
    }
    if (this.#isOver) this.#leave();
    return undefined;
  }

  async #connect(question: AccessQuestion, admission: Admission): Promise<Omit<Relaying, 'admission'>> {
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
    return { relayed, server };
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

  #deny({ identity }: AccessQuestion, { code, message, reasons }: Denial): AuthAnswer<never> {
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
