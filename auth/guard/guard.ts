// The guard: says who is calling, whether the route is open to them, and answers for each resource a handler
// touches. Every refusal gets an id and an event; the caller learns the id, an admin the reasons.
import type { TLSSocket } from 'node:tls';
import type { WhereContext } from '#core/access/predicates.ts';
import type { Clock } from '#core/clock.ts';
import type { Kind } from '#core/kind.ts';
import type { Resource } from '#core/resource.ts';
import type { AuditLog } from '#events/audit-log.ts';
import { KINDS } from '#kinds/all.ts';
import { safeTokenName } from '#kinds/token/kind.ts';
import type { CertificateAuthorities } from '../authority/authority.ts';
import type { ClusterState } from '../state/state.ts';
import type { RouteAccess, Verb } from './access.ts';
import type { Caller } from './caller.ts';
import { decide, isUnfiltered, visible, type Answer } from './decide.ts';
import { openHolds, type Hold, type Holds } from './hold.ts';
import { Identifier } from './identify.ts';
import { plainAddress } from '#core/rate-limit.ts';
import { denial, StrangerRefusals } from './refusals.ts';
import { isStanding, StandingTable, type Standing } from './standing.ts';

export interface GuardOptions {
  readonly state: ClusterState;
  readonly authorities: Pick<CertificateAuthorities, 'publicPart'>;
  readonly audit: Pick<AuditLog, 'emit'>;
  readonly clock: Clock;
  readonly clusterName: string;
}

export interface Guard {
  /**
   * CERTIFICATE_INVALID when the peer shows a certificate that is not good; anonymous only when it shows none.
   * `address` is the client's IP, where it is not the socket's.
   */
  callerOf(socket: TLSSocket, requestId: string, address?: string): Caller;
  /** UNAUTHENTICATED, ACCESS_DENIED or LOCKED when the route is not for this caller. `action` names it in the audit log. */
  requireRoute(caller: Caller, access: RouteAccess, action: string): void;
  /**
   * ACCESS_DENIED unless the caller may do this to `resource`; without one: to any resource of the kind. A handler
   * that asks without one must filter what it gives out with `visible`.
   */
  requireResource(caller: Caller, kind: string, verb: Verb, resource?: Resource): void;
  /** The same as a question, without an event. */
  mayResource(caller: Caller, kind: string, verb: Verb, resource?: Resource): boolean;
  /** May the caller read (or `verb`) an audit event or recording of this session (of none: an empty one)? */
  maySeeSession(
    caller: Caller,
    kind: 'event' | 'session',
    session: NonNullable<WhereContext['session']>,
    verb?: Verb,
  ): boolean;
  /** Compiles the roles of any user, for explanations. */
  readonly standings: StandingTable;
  /** Those of `resources` that the caller may read. */
  visible(caller: Caller, kind: string, resources: Iterable<Resource>): Iterable<Resource>;
  /** True when the caller may read either all resources of the kind or none. */
  isUnfiltered(caller: Caller, kind: string): boolean;
  /** True for the local admin of the auth host. */
  isLocalAdmin(caller: Caller): boolean;
  /** Watches over a reply that takes long; release it when the reply ends. The oldest of too many ends. */
  hold(caller: Caller): Hold;
  close(): void;
}

/** The caller closes it, before the state. */
export function openGuard(options: GuardOptions): Guard {
  return new OpenGuard(options);
}

class OpenGuard implements Guard {
  readonly standings: StandingTable;
  readonly #identifier: Identifier;
  readonly #options: GuardOptions;
  readonly #strangers: StrangerRefusals;
  readonly #holds: Holds;
  readonly #stop: () => void;

  constructor(options: GuardOptions) {
    const { state, clock } = options;
    this.standings = new StandingTable(state, clock);
    this.#identifier = new Identifier(options);
    this.#options = options;
    this.#strangers = new StrangerRefusals(options);
    this.#holds = openHolds(clock, (caller) => this.#standingOf(caller, 'stream'));
    this.#stop = state.onChange(({ kind }) => this.#changed(kind));
  }

  callerOf(
    socket: TLSSocket,
    requestId: string,
    address: string = plainAddress(socket.remoteAddress ?? ''),
  ): Caller {
    try {
      const identified = this.#identifier.identify(socket);
      if (identified === undefined) return { address, requestId };
      return { address, requestId, identity: identified.identity, expires: identified.expires };
    } catch (error) {
      this.#strangers.badCertificate(address, error);
      throw error;
    }
  }

  requireRoute(caller: Caller, access: RouteAccess, action: string): void {
    if (access.to === 'anyone') return;
    const reasons = routeRefusal(this.#standingOf(caller, action), access);
    if (reasons === undefined) return;
    const resource = access.to === 'resource' ? access.kind : '';
    throw denial(this.#options, caller, { reasons, action, resource });
  }

  requireResource(caller: Caller, kind: string, verb: Verb, resource?: Resource): void {
    const title = titleOf(kind, resource);
    const { allowed, reasons } = ask(this.#standingOf(caller, verb, title), kind, verb, resource);
    if (!allowed) throw denial(this.#options, caller, { reasons, action: verb, resource: title });
  }

  mayResource(caller: Caller, kind: string, verb: Verb, resource?: Resource): boolean {
    return ask(this.#standingOf(caller, verb, titleOf(kind, resource)), kind, verb, resource).allowed;
  }

  maySeeSession(
    caller: Caller,
    kind: 'event' | 'session',
    session: NonNullable<WhereContext['session']>,
    verb: Verb = 'read',
  ): boolean {
    return decide(this.#standingOf(caller, verb, kind), { kind, verb, session }).allowed;
  }

  visible(caller: Caller, kind: string, resources: Iterable<Resource>): Iterable<Resource> {
    const question = { kind, audience: audienceOf(kind), verb: 'read' } as const;
    return visible(this.#standingOf(caller, 'read', kind), question, resources);
  }

  isUnfiltered(caller: Caller, kind: string): boolean {
    return isUnfiltered(this.#standingOf(caller, 'read', kind), kind);
  }

  isLocalAdmin(caller: Caller): boolean {
    return caller.identity?.kind === 'admin';
  }

  hold(caller: Caller): Hold {
    return this.#holds.hold(caller);
  }

  close(): void {
    this.#stop();
    this.#holds.close();
  }

  #standingOf(caller: Caller, action: string, resource = ''): Standing {
    if (caller.identity === undefined) throw this.#strangers.unknown(caller, action);
    const found = this.standings.of(caller.identity, caller.address);
    if (isStanding(found)) return found;
    throw denial(this.#options, caller, { ...found, action, resource });
  }

  #changed(kind: string): void {
    const isAuthority = kind === 'cert_authority';
    if (isAuthority) this.#identifier.authoritiesChanged();
    if (this.standings.changed(kind) || isAuthority) this.#holds.review();
  }
}

function ask(standing: Standing, kind: string, verb: Verb, resource?: Resource, whole?: boolean): Answer {
  return decide(standing, { kind, audience: audienceOf(kind), verb, resource, whole });
}

/** Undefined when the route is open to the caller, else why not. */
function routeRefusal(
  standing: Standing,
  access: Exclude<RouteAccess, { to: 'anyone' }>,
): readonly string[] | undefined {
  switch (access.to) {
    case 'members':
    case 'each-resource':
      return undefined;
    case 'local-admin':
      return standing.who === 'admin' ? undefined : ['only the local admin of the auth host may do this'];
    case 'user':
      return standing.who === 'user' ? undefined : ['only a user may do this, about itself'];
    case 'host': {
      const isOne =
        standing.who === 'host' &&
        (access.roles.length === 0 || access.roles.some((role) => standing.identity.roles.includes(role)));
      return isOne ? undefined : [`only hosts ${access.roles.join(', ')} may do this, about themselves`];
    }
    case 'resource':
      return access.verbs
        .map((verb) => ask(standing, access.kind, verb, undefined, access.whole))
        .find((answer) => !answer.allowed)?.reasons;
  }
}

const AUDIENCES = new Map<string, Kind['audience']>(KINDS.map((kind) => [kind.name, kind.audience]));
const audienceOf = (kind: string): Kind['audience'] | undefined => AUDIENCES.get(kind);

/** For the audit log; the names of tokens are secrets. */
function titleOf(kind: string, resource: Resource | undefined): string {
  if (resource === undefined) return kind;
  const { name } = resource.metadata;
  return `${kind}/${kind === 'token' ? safeTokenName(name) : name}`;
}
