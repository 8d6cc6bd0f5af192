// What a service of the cluster knows by itself: one local copy of everything that decisions need, fed by the watch of
// auth. Reads are from memory and go on while auth is away. The kinds it follows depend on the roles of the host.
import { AuthoritySet } from './view-authorities.ts';
import { Return } from './view-return.ts';
import { PresenceIndex } from './view-presence.ts';
import { RoleSets } from './view-roles.ts';
import { TargetIndex, type ViewIndex } from './view-targets.ts';
import type { Membership } from './member/membership.ts';
import { FEED_SILENCE_MS, feedKey, openWatchFeed } from './watch.ts';
import type { AccessSet } from '#core/access/compile.ts';
import type { Lock } from '#core/access/locks.ts';
import type { SshPublicKey } from '#core/certs/ssh/public-key.ts';
import type { ParsedCertificate } from '#core/certs/x509/parse.ts';
import type { Clock } from '#core/clock.ts';
import type { Feed } from '#core/feed.ts';
import { GatehouseError } from '#core/errors/error.ts';
import type { SystemRole, UserIdentity } from '#core/identity.ts';
import { parseResource, type Kind } from '#core/kind.ts';
import type { Log } from '#core/log.ts';
import { startReplica, type Change, type Replica } from '#core/replica.ts';
import type { Resource } from '#core/resource.ts';
import { appServerKind, type AppServerSpec } from '#kinds/app-server/kind.ts';
import { appKind, type AppSpec } from '#kinds/app/kind.ts';
import { certAuthorityKind, type AuthorityType } from '#kinds/cert-authority/kind.ts';
import { authPreferenceKind, type AuthPreferenceSpec } from '#kinds/cluster-auth-preference/kind.ts';
import { clusterNameKind } from '#kinds/cluster-name/kind.ts';
import { networkingConfigKind, type NetworkingConfigSpec } from '#kinds/cluster-networking-config/kind.ts';
import { dbServerKind, type DbServerSpec } from '#kinds/db-server/kind.ts';
import { dbKind, type DbSpec } from '#kinds/db/kind.ts';
import { lockKind, lockOf, type LockSpec } from '#kinds/lock/kind.ts';
import { nodeKind, type NodeSpec } from '#kinds/node/kind.ts';
import { proxyKind, type ProxySpec } from '#kinds/proxy/kind.ts';
import { roleKind, type RoleSpec } from '#kinds/role/kind.ts';
import { sessionKind, type SessionSpec } from '#kinds/session/kind.ts';
import { webSessionKind, type WebSessionSpec } from '#kinds/web-session/kind.ts';
import {
  sessionRecordingConfigKind,
  type SessionRecordingConfigSpec,
} from '#kinds/session-recording-config/kind.ts';

export interface ClusterViewOptions {
  readonly membership: Pick<Membership, 'joined' | 'record' | 'api'>;
  readonly clock: Clock;
  readonly log: Log;
  /** Waits between attempts to reach auth; for tests. */
  readonly backoff?: { readonly firstMs: number; readonly maxMs: number };
}

/** Names of the kinds in which something changed. */
export type ViewListener = (kinds: ReadonlySet<string>) => void;

/** All reads are from memory; before `ready` they throw UNAVAILABLE. Do not change what they return. */
export interface ClusterView {
  /** Resolves when the host has joined and the first snapshot is in; rejects with UNAVAILABLE when closed before. */
  readonly ready: Promise<void>;
  isReady(): boolean;
  clusterName(): string;
  /** Keys that are trusted now, those of a rotation under way included: for verifySshCertificate. */
  sshAuthorities(type: 'user' | 'host'): readonly SshPublicKey[];
  /** The same for X.509, as PEM for TLS … */
  tlsAuthorities(type: AuthorityType): readonly string[];
  /** … and read, for verifyX509. */
  x509Authorities(type: AuthorityType): readonly ParsedCertificate[];
  /**
   * What the roles in the identity allow and deny now; roles that no longer exist give nothing. Compiled once per
   * identity and state of the roles. INVALID_RESOURCE when a role cannot be used: then nothing may be allowed.
   */
  accessSet(identity: Pick<UserIdentity, 'name' | 'roles' | 'traits'>): AccessSet;
  locks(): readonly Lock[];
  /** When auth was last heard of, so that the locks are complete as of then; milliseconds since the epoch. */
  locksAsOf(): number;
  preference(): AuthPreferenceSpec;
  networking(): NetworkingConfigSpec;
  recording(): SessionRecordingConfigSpec;
  /** In no particular order. Presence stays until auth says that it is over, so also while auth is away. */
  nodes(): readonly Resource<NodeSpec>[];
  /** By host id, or by the name of an openssh node. */
  node(name: string): Resource<NodeSpec> | undefined;
  /** Those whose hostname is this one in any case of letters. */
  nodesNamed(hostname: string): readonly Resource<NodeSpec>[];
  proxies(): readonly Resource<ProxySpec>[];
  proxy(hostId: string): Resource<ProxySpec> | undefined;
  /** Live sessions; empty on hosts that are no proxy. */
  sessions(): readonly Resource<SessionSpec>[];
  session(id: string): Resource<SessionSpec> | undefined;
  /** Whether there is such a session of somebody in a browser; false on hosts that are no proxy. */
  hasWebSession(id: string): boolean;
  /** Who serves databases, and those who serve one of this name; empty on hosts that are no proxy. */
  dbServers(): readonly Resource<DbServerSpec>[];
  dbServersOf(name: string): readonly Resource<DbServerSpec>[];
  /** The same for applications, and by the public address of their document, in any case of letters. */
  appServers(): readonly Resource<AppServerSpec>[];
  appServersOf(name: string): readonly Resource<AppServerSpec>[];
  appServersAt(publicAddr: string): readonly Resource<AppServerSpec>[];
  /** Documents of the cluster that an agent may choose from; empty on hosts without the role `db` or `app`. */
  dbs(): readonly Resource<DbSpec>[];
  apps(): readonly Resource<AppSpec>[];
  /** Told after the view shows the change; returns how to stop. */
  onChange(listener: ViewListener): () => void;
  close(): Promise<void>;
}

const EVERY_HOST: readonly Kind[] = [
  clusterNameKind,
  certAuthorityKind,
  authPreferenceKind,
  networkingConfigKind,
  sessionRecordingConfigKind,
  lockKind,
  proxyKind,
] as readonly Kind[];
const PRESENCE: readonly Kind[] = [
  nodeKind,
  sessionKind,
  webSessionKind,
  dbServerKind,
  appServerKind,
] as readonly Kind[];
const DECIDING: readonly SystemRole[] = ['proxy', 'node', 'app', 'db', 'kube'];

/** The kinds that a host of these roles may follow; as auth/guard/host-access.ts has it. */
function kindsFor(roles: readonly SystemRole[]): readonly Kind[] {
  const decides = roles.some((role) => DECIDING.includes(role));
  return [
    ...EVERY_HOST,
    ...(decides ? [roleKind as Kind] : []),
    ...(roles.includes('proxy') ? PRESENCE : []),
    ...(roles.includes('db') ? [dbKind as Kind] : []),
    ...(roles.includes('app') ? [appKind as Kind] : []),
  ];
}

/** Starts at once; the caller closes it before the membership. */
export function startClusterView(options: ClusterViewOptions): ClusterView {
  return new FedView(options);
}

class FedView implements ClusterView {
  readonly ready: Promise<void>;
  readonly #options: ClusterViewOptions;
  readonly #closing = new AbortController();
  readonly #listeners = new Set<ViewListener>();
  // Presence is over when auth says so, not by the clock: while auth is away, nobody can renew it.
  readonly #nodes = new PresenceIndex<NodeSpec>((node) => node.spec.hostname);
  readonly #proxies = new PresenceIndex<ProxySpec>((proxy) => proxy.spec.hostname);
  readonly #sessions = new PresenceIndex<SessionSpec>((session) => session.spec.server_hostname);
  readonly #webSessions = new PresenceIndex<WebSessionSpec>((session) => session.spec.user);
  readonly #targets = new TargetIndex();
  readonly #roles = new RoleSets((name) => this.#find<RoleSpec>(roleKind.name, name), {
    now: () => this.#options.clock.now(),
  });
  readonly #authorities = new AuthoritySet((type) => this.#find(certAuthorityKind.name, type));
  readonly #return: Return;
  readonly #settings = new Map<string, unknown>();
  #locks: readonly Lock[] | undefined;
  #replica: Replica<Resource> | undefined;
  #isReady = false;

  constructor(options: ClusterViewOptions) {
    this.#options = options;
    this.#return = new Return(options.clock);
    this.ready = this.#start();
    this.ready.catch(() => {});
    this.ready.catch(() => {});
  }

  isReady(): boolean {
    return this.#isReady;
  }

  clusterName(): string {
    return this.#setting(clusterNameKind, 'cluster-name').cluster_name;
  }

  sshAuthorities(type: 'user' | 'host'): readonly SshPublicKey[] {
    return this.#authorities.ssh(type);
  }

  tlsAuthorities(type: AuthorityType): readonly string[] {
    return this.#authorities.pem(type);
  }

  x509Authorities(type: AuthorityType): readonly ParsedCertificate[] {
    return this.#authorities.x509(type);
  }

  accessSet(identity: Pick<UserIdentity, 'name' | 'roles' | 'traits'>): AccessSet {
    return this.#roles.of(identity);
  }

  locks(): readonly Lock[] {
    return (this.#locks ??= this.#copy()
      .list(`${lockKind.name}/`)
      .map((lock) => lockOf(lock as Resource<LockSpec>)));
  }

  locksAsOf(): number {
    return this.#replica?.stats.heardAt ?? 0;
  }

  preference(): AuthPreferenceSpec {
    return this.#setting(authPreferenceKind, 'cluster-auth-preference');
  }

  networking(): NetworkingConfigSpec {
    return this.#setting(networkingConfigKind, 'cluster-networking-config');
  }

  recording(): SessionRecordingConfigSpec {
    return this.#setting(sessionRecordingConfigKind, 'session-recording-config');
  }

  nodes(): readonly Resource<NodeSpec>[] {
    return this.#nodes.all();
  }

  node(name: string): Resource<NodeSpec> | undefined {
    return this.#nodes.get(name);
  }

  nodesNamed(hostname: string): readonly Resource<NodeSpec>[] {
    return this.#nodes.named(hostname);
  }

  proxies(): readonly Resource<ProxySpec>[] {
    return this.#proxies.all();
  }

  proxy(hostId: string): Resource<ProxySpec> | undefined {
    return this.#proxies.get(hostId);
  }

  sessions(): readonly Resource<SessionSpec>[] {
    return this.#sessions.all();
  }

  session(id: string): Resource<SessionSpec> | undefined {
    return this.#sessions.get(id);
  }

  hasWebSession(id: string): boolean {
    return this.#webSessions.get(id) !== undefined;
  }

  dbServers(): readonly Resource<DbServerSpec>[] {
    return this.#targets.dbServers.all();
  }

  dbServersOf(name: string): readonly Resource<DbServerSpec>[] {
    return this.#targets.dbServers.of(name);
  }

  appServers(): readonly Resource<AppServerSpec>[] {
    return this.#targets.appServers.all();
  }

  appServersOf(name: string): readonly Resource<AppServerSpec>[] {
    return this.#targets.appServers.of(name);
  }

  appServersAt(publicAddr: string): readonly Resource<AppServerSpec>[] {
    return this.#targets.appServers.at(publicAddr);
  }

  dbs(): readonly Resource<DbSpec>[] {
    return this.#targets.dbs.all();
  }

  apps(): readonly Resource<AppSpec>[] {
    return this.#targets.apps.all();
  }

  onChange(listener: ViewListener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  async close(): Promise<void> {
    this.#closing.abort();
    this.#listeners.clear();
    this.#return.close();
    await this.#replica?.close();
  }

  async #start(): Promise<void> {
    const { membership, clock, log, backoff } = this.#options;
    const { signal } = this.#closing;
    await Promise.race([membership.joined, closed(signal)]);
    if (signal.aborted) throw notReady();
    const roles = membership.record()?.roles ?? [];
    // The connection of the moment: it changes when the certificates are renewed.
    const api = { stream: (path: string, stop: AbortSignal) => membership.api().stream(path, stop) };
    const watch = openWatchFeed(api, kindsFor(roles));
    const feed: Feed<Resource> = {
      snapshot: (stop) => watch.snapshot(stop),
      tail: (from, stop) => {
        this.#return.asked(this.#replica?.stats.heardAt);
        return watch.tail(from, stop);
      },
    };
    const replica = startReplica<Resource, Resource>({
      feed,
      decode: ({ value }) => value,
      clock,
      log,
      idleTimeoutMs: FEED_SILENCE_MS,
      ...(backoff === undefined ? {} : { backoff }),
    });
    this.#replica = replica;
    replica.onChange((changes) => this.#changed(changes));
    await replica.ready;
    this.#isReady = true;
  }

  #changed(changes: readonly Change<Resource>[]): void {
    const kinds = new Set<string>();
    for (const change of changes) {
      kinds.add(change.key.slice(0, change.key.indexOf('/')));
      this.#index(change);
    }
    if (kinds.has(lockKind.name)) this.#locks = undefined;
    if (kinds.has(roleKind.name)) this.#roles.clear();
    if (kinds.has(certAuthorityKind.name)) this.#authorities.clear();
    for (const kind of kinds) this.#settings.delete(kind);
    for (const listener of this.#listeners) {
      try {
        listener(kinds);
      } catch (error) {
        this.#options.log.error({ err: error }, 'a listener of the cluster view failed');
      }
    }
  }

  #index(change: Change<Resource>): void {
    const [kind, name] = splitKey(change.key);
    const index =
      {
        node: this.#nodes,
        proxy: this.#proxies,
        session: this.#sessions,
        web_session: this.#webSessions,
      }[kind] ?? this.#targets.index(kind);
    if (index === undefined) return;
    if (change.type === 'delete') {
      this.#return.gone(change.key, change.before, () => index.delete(name));
      return;
    }
    this.#return.came(change.key);
    (index as ViewIndex).put(name, change.value);
  }

  #copy(): Replica<Resource> {
    if (this.#isReady && this.#replica !== undefined) return this.#replica;
    throw notReady();
  }

  #find<S>(kind: string, name: string): Resource<S> | undefined {
    return this.#copy().get(feedKey(kind, name)) as Resource<S> | undefined;
  }

  /** A setting that was never written has its defaults. */
  #setting<S>(kind: Kind<S>, name: string): S {
    const known = this.#settings.get(kind.name);
    if (known !== undefined) return known as S;
    const spec = (this.#find<S>(kind.name, name) ?? parseResource(kind, { kind: kind.name, spec: {} })).spec;
    this.#settings.set(kind.name, spec);
    return spec;
  }
}

function splitKey(key: string): readonly [kind: string, name: string] {
  const at = key.indexOf('/');
  return [key.slice(0, at), key.slice(at + 1)];
}

function notReady(): GatehouseError {
  return new GatehouseError('UNAVAILABLE', 'this service does not know the cluster yet; try again shortly');
}

function closed(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
}
