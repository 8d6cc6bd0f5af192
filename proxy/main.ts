// The proxy: the public door of the cluster. Opens its parts, connects them, and closes them in reverse. The machine's
// membership, its view of the cluster and its heartbeats are the process's own, because an agent beside it uses them too.
import type { AuditSender } from '#client/audit-sender.ts';
import type { ClusterView } from '#client/cluster-view.ts';
import type { HostRecord } from '#client/credentials.ts';
import type { Membership } from '#client/member/membership.ts';
import type { Address } from '#config/address.ts';
import type { ProxyConfig } from '#config/config.ts';
import { proxyNames } from '#config/proxy-names.ts';
import { parseNetwork } from '#core/certs/ip-address.ts';
import { sleep, type Clock } from '#core/clock.ts';
import { GatehouseError } from '#core/errors/error.ts';
import type { ListeningSockets } from '#core/listening.ts';
import type { Log } from '#core/log.ts';
import type { Resource } from '#core/resource.ts';
import { certifiedHostKey } from '#wire/host-keys.ts';
import { PROXY_SSH_PROTOCOL } from '#wire/proxy-request.ts';
import { dialAddresses, proxyDocument, type BoundPorts, type DialAddresses } from './addresses.ts';
import { openAppDoor, type AppDoor } from './app/door.ts';
import { AppOrigins } from './app/origins.ts';
import { openAuthDoor } from './listen/auth-door.ts';
import { ListenBounds, openListener, type Listener } from './listen/listener.ts';
import { Origins } from './listen/origin.ts';
import { openMemberDoor } from './listen/tls/member-door.ts';
import { openWebCertificates, type WebCertificates } from './listen/tls/web-certificates.ts';
import { acceptOnWebPort, acceptSshOn, acceptSshStream, type AppClients } from './listen/web-port.ts';
import { openProxyRecordings, type ProxyRecordings } from './record/recordings.ts';
import { openSshDoor, type SshDoor } from './ssh/door.ts';
import { openTargetDoors, type TargetDoors } from './target/doors.ts';
import type { HandOver } from './target/road.ts';
import { reachTarget } from './target/route.ts';
import { webAnswerOf } from './web/facts.ts';
import { relayInvites } from './web/invites.ts';
import type { UpgradeTargets } from './web/upgrade.ts';
import { openPeople } from './web/people.ts';
import { openWeb } from './web/web.ts';

export interface ProxyOptions {
  readonly clock: Clock;
  readonly log: Log;
  readonly version: string;
  /** Of a host with the role proxy; the caller closes it, after the proxy. */
  readonly membership: Pick<Membership, 'joined' | 'record' | 'api'>;
  readonly view: ClusterView;
  readonly audit: Pick<AuditSender, 'emit'>;
  readonly dataDir: string;
  /** How long the end waits for uploads; left out where the data directory outlives the process. */
  readonly patienceMs?: number | undefined;
  readonly config: ProxyConfig;
  readonly limits: { readonly maxConnections: number; readonly maxUsers: number };
  /** Left out: its ports are bound anew. */
  readonly sockets?: ListeningSockets | undefined;
  readonly nodeName: string;
  /** An address of this machine that others can dial. */
  readonly ownHost: string;
  /** `host:port` of the auth servers. */
  readonly authServers: readonly string[];
  /** The agent of this very process, once it serves databases or applications. */
  readonly ownAgent?: () => HandOver | undefined;
}

export interface Proxy {
  /** Resolves when the ports are open and the proxy knows its cluster. The first heartbeat waits for it. */
  readonly ready: Promise<void>;
  /** `host:port` to dial. */
  readonly addresses: DialAddresses;
  health(): { readonly ready: boolean; readonly reason?: string };
  /** What heartbeats say of it. */
  documents(record: HostRecord): readonly Resource[];
  readonly counts: { readonly connections: number; readonly targets: number } & Pick<
    SshDoor['counts'],
    'tunnels' | 'tunnelConnections'
  >;
  /**
   * Takes no more connections and asks agents to go elsewhere; what is there goes on. Resolves when nobody is connected
   * to a server through it any more, and others had a while to go.
   */
  drain(): Promise<void>;
  /** Ends everything. Safe to call twice. */
  close(): Promise<void>;
}

/** Resolves when the ports are open. UNAVAILABLE when one is taken, INVALID_CONFIG for certificates that cannot be used. */
export async function startProxy(options: ProxyOptions): Promise<Proxy> {
  const closers: (() => unknown)[] = [];
  let closing: Promise<void> | undefined;
  const close = (): Promise<void> => (closing ??= closeAll(closers));
  try {
    // Not copied: its counts are read when they are asked for.
    return Object.assign(await open(options, (closer) => closers.unshift(closer)), { close });
  } catch (error) {
    await close();
    throw error;
  }
}

async function open(
  options: ProxyOptions,
  onClose: (closer: () => unknown) => void,
): Promise<Omit<Proxy, 'close'>> {
  const { clock, log, membership, view } = options;
  const bounds = new ListenBounds(options.limits.maxConnections);
  const certificates = await openCertificates(options);
  onClose(() => certificates?.close());
  const recordings = await openProxyRecordings(options);
  onClose(() => recordings.close());
  const doors = openDoors(options, recordings);
  onClose(() => doors.ssh.close());
  onClose(() => doors.targets.close());
  const notReady = (): string | undefined => reasonOf(membership, view);
  const known: { addresses?: DialAddresses } = {};
  const addresses = (): DialAddresses => {
    if (known.addresses === undefined) throw new GatehouseError('UNAVAILABLE', 'the proxy is starting');
    return known.addresses;
  };
  const { web, apps } = await openWebSide(options, onClose, {
    doors,
    endsTls: certificates !== undefined,
    addresses,
    notReady,
  });
  const listeners = await openPorts(options, bounds, onClose, {
    ssh: acceptSshOn({ clock, ssh: doors.ssh }),
    web: acceptOnWebPort({
      ...doors,
      clock,
      log,
      web,
      certificate:
        certificates === undefined ? undefined : (name, authorities) => certificates.pick(name, authorities),
      appClients: appClientsOf(apps, view),
      publicAddress: () => addresses().publicAddrs[0] ?? addresses().web,
    }),
  });
  known.addresses = dialAddresses({ ...options, bound: listeners.bound });
  log.info({ ...listeners.bound, public: known.addresses.publicAddrs }, 'the proxy is open');
  const joined = Promise.all([membership.joined, view.ready]).then(() => undefined);
  joined.catch(() => {});
  return {
    ready: joined,
    addresses: addresses(),
    health: () => healthOf(notReady()),
    documents: (record) => [proxyDocument(record, addresses(), options.version)],
    get counts() {
      return { ...doors.ssh.counts, connections: bounds.count, targets: doors.targets.count };
    },
    async drain() {
      for (const listener of listeners.all) listener.stop();
      doors.ssh.drain();
      await unused(doors, bounds, clock);
    },
  };
}

interface WebSide {
  readonly doors: ReturnType<typeof openDoors>;
  readonly endsTls: boolean;
  /** UNAVAILABLE until the ports are open. */
  readonly addresses: () => DialAddresses;
  readonly notReady: () => string | undefined;
}

/** HTTP on the web port: the proxy's own pages, behind the host names of applications. */
async function openWebSide(
  options: ProxyOptions,
  onClose: (closer: () => unknown) => void,
  { doors, endsTls, addresses, notReady }: WebSide,
): Promise<{ readonly web: AppDoor; readonly apps: AppOrigins }> {
  const { clock, log, view, config } = options;
  const { origins, authDoor, upgrades, targets } = doors;
  const trustsForwardedFor = config.trustXForwardedFor;
  const publicAddrs = (): readonly string[] => addresses().publicAddrs;
  const apps = new AppOrigins({ view, publicAddrs });
  const web = await openWeb({
    clock,
    log,
    endsTls,
    origins,
    trustsForwardedFor,
    facts: () => factsOf(options, addresses(), endsTls, notReady()),
    notReady,
    invites: relayInvites({ authDoor, authorities: () => view.tlsAuthorities('host') }),
    upgrades,
    people: openPeople({ ...options, authDoor, apps }),
    apps,
    publicAddress: () => publicAddrs()[0] ?? addresses().web,
    tokenAuthorities: () => (view.isReady() ? view.tlsAuthorities('jwt') : []),
  });
  onClose(() => web.close());
  const door = openAppDoor({
    ...options,
    origins,
    apps,
    trustsForwardedFor,
    web,
    reach: (app, caller) => reachTarget(targets.router, { ...caller, service: 'app', target: app }),
  });
  onClose(() => door.close());
  return { web: door, apps };
}

/** Browsers are asked for a certificate there as well; they have none of this cluster, and show none. */
function appClientsOf(apps: AppOrigins, view: ClusterView): AppClients {
  return {
    at(serverName) {
      const app = apps.appAt(serverName.toLowerCase()) ?? '';
      return app === '' ? undefined : { app, authorities: view.tlsAuthorities('user') };
    },
  };
}

/** Whoever calls auth or a page through a proxy that drains has so long; they connect again by themselves. */
const LINGER_MS = 15_000;
const LOOK_MS = 500;

async function unused(
  { ssh, targets }: { readonly ssh: SshDoor; readonly targets: TargetDoors },
  bounds: ListenBounds,
  clock: Clock,
): Promise<void> {
  const patientUntil = clock.now() + LINGER_MS;
  while (ssh.counts.inUse > 0 || targets.count > 0 || (bounds.count > 0 && clock.now() < patientUntil)) {
    await sleep(clock, LOOK_MS);
  }
}

async function openCertificates(options: ProxyOptions): Promise<WebCertificates | undefined> {
  const { config, log } = options;
  if (config.insecureNoTls) {
    log.warn(
      {},
      'the web port speaks plain HTTP (--insecure-no-tls): only a balancer that ends TLS may reach it',
    );
    return undefined;
  }
  return openWebCertificates({
    ...options,
    files: config.httpsKeypairs,
    reloadMs: config.httpsReloadMs,
    names: [...proxyNames(options), 'localhost', '127.0.0.1', '::1'],
  });
}

function openDoors(options: ProxyOptions, recordings: ProxyRecordings) {
  const { clock, membership, config, authServers } = options;
  const record = (): HostRecord | undefined => membership.record();
  const authDoor = openAuthDoor({
    ...options,
    key: certifiedHostKey(record),
    // Renewals may have brought other ones than those of the configuration.
    addresses: () => record()?.auth_servers ?? authServers,
  });
  const ssh = openSshDoor({
    ...options,
    ...options.limits,
    recordings,
    allowsLoopback: isLoopback(config.webListenAddr),
  });
  const memberDoor = openMemberDoor({ ...options, clock, record, protocols: [PROXY_SSH_PROTOCOL] });
  const targets = openTargetDoors({
    ...options,
    ...options.limits,
    record,
    agents: ssh.agents,
    hostId: () => record()?.certificates.host_id ?? '',
    ownAgent: options.ownAgent ?? (() => undefined),
  });
  const upgrades: UpgradeTargets = {
    ssh: (stream, origin, settled) => acceptSshStream(stream, origin, settled, { clock, ssh }),
    auth: authDoor.accept,
    target: (...client) => targets.tls(...client),
  };
  return { origins: new Origins(), authDoor, memberDoor, ssh, targets, upgrades };
}

const isLoopback = ({ host }: Address): boolean => /^127\.|^::1$|^localhost$/.test(host);

interface Accepts {
  readonly web: Parameters<typeof openListener>[0]['accept'];
  readonly ssh: Parameters<typeof openListener>[0]['accept'];
}

async function openPorts(
  options: ProxyOptions,
  bounds: ListenBounds,
  onClose: (closer: () => unknown) => void,
  accepts: Accepts,
): Promise<{ all: readonly Listener[]; bound: BoundPorts }> {
  const { config } = options;
  const all: Listener[] = [];
  const balancers = config.proxyProtocolFrom.map(parseNetwork).filter((network) => network !== undefined);
  const openOne = async (key: string, listen: Address, detects: boolean): Promise<string> => {
    const listener = await openListener({
      ...options,
      listen,
      setting: `proxy_service.${key}`,
      balancers,
      bounds,
      detects,
      accept: detects ? accepts.web : accepts.ssh,
    });
    all.push(listener);
    onClose(() => listener.close());
    return listener.address;
  };
  const { webListenAddr, sshListenAddr: ssh, tunnelListenAddr: tunnel, peerListenAddr: peer } = config;
  const bound = {
    web: await openOne('web_listen_addr', webListenAddr, true),
    ...(ssh === undefined ? {} : { ssh: await openOne('listen_addr', ssh, false) }),
    ...(tunnel === undefined ? {} : { tunnel: await openOne('tunnel_listen_addr', tunnel, false) }),
    ...(peer === undefined ? {} : { peer: await openOne('peer_listen_addr', peer, false) }),
  };
  return { all, bound };
}

function factsOf(
  options: ProxyOptions,
  addresses: DialAddresses,
  endsTls: boolean,
  notReady: string | undefined,
): ReturnType<typeof webAnswerOf> {
  const { membership, view, version } = options;
  const record = membership.record();
  if (notReady !== undefined || record === undefined) {
    throw new GatehouseError(
      'UNAVAILABLE',
      `this proxy cannot serve yet: ${notReady ?? 'it has not joined'}`,
    );
  }
  return webAnswerOf({
    addresses,
    endsTls,
    version,
    hostId: record.certificates.host_id,
    clusterName: view.clusterName(),
    preference: view.preference(),
    hostAuthorities: view.tlsAuthorities('host'),
  });
}

function reasonOf(membership: ProxyOptions['membership'], view: ClusterView): string | undefined {
  if (membership.record() === undefined) return 'has not joined the cluster yet';
  return view.isReady() ? undefined : 'does not know the cluster yet';
}

const healthOf = (reason: string | undefined): ReturnType<Proxy['health']> =>
  reason === undefined ? { ready: true } : { ready: false, reason };

async function closeAll(closers: readonly (() => unknown)[]): Promise<void> {
  for (const close of closers) {
    // One part that fails to close must not keep the others open.
    await Promise.resolve(close()).catch(() => {});
  }
}
