// Starts the services of a configuration: auth, and proxy and agent beside it, as one member of the cluster. One after the
// other, because the machine that runs auth joins it with a token that nobody else ever sees.
import { randomBytes } from 'node:crypto';
import { networkInterfaces } from 'node:os';
import type { Writable } from 'node:stream';
import { startAgent, type Agent } from '#agent/main.ts';
import { startAuth, type Auth } from '#auth/main.ts';
import { authDialer } from '#client/outbound/auth-dial.ts';
import { formatAddress } from '#config/address.ts';
import type { Config, ProxyConfig, SshConfig } from '#config/config.ts';
import { readToken } from '#config/load.ts';
import { proxyNames } from '#config/proxy-names.ts';
import { sleep, type Clock } from '#core/clock.ts';
import { GatehouseError } from '#core/errors/error.ts';
import type { ListeningSockets } from '#core/listening.ts';
import type { Log } from '#core/log.ts';
import { Secret } from '#core/secret.ts';
import type { SystemRole } from '#core/identity.ts';
import { kubernetesProver } from '#join/kubernetes/prove.ts';
import { startProxy, type Proxy } from '#proxy/main.ts';
import { authOptions, type AuthParts } from './auth-options.ts';
import type { DaemonMetrics } from './metrics/daemon-metrics.ts';
import { startMember, type Member, type MemberOptions } from './member.ts';
import { nodeAddress } from './node-address.ts';

export interface ServiceParts {
  readonly clock: Clock;
  readonly log: Log;
  readonly version: string;
  readonly stdout: Writable;
  /** Absolute, and locked for this process. */
  readonly dataDir: string;
  readonly bootstrapFile?: string | undefined;
  readonly applyFile?: string | undefined;
  readonly metrics: DaemonMetrics;
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly sockets: ListeningSockets;
  /** How long the end waits for what auth does not have yet. */
  readonly patienceMs: number;
  /** Another process serves on the same sockets: what this one cannot serve yet it must not accept. */
  readonly isTakingOver: boolean;
}

export interface Services {
  /** Undefined also while it is handed over. */
  readonly auth?: Auth | undefined;
  /** There with each service that is not auth. */
  readonly member?: Member;
  readonly agent?: Agent;
  readonly proxy?: Proxy;
  /** Rejects when a service cannot go on; never resolves. */
  readonly failed: Promise<never>;
  /** Resolves when all services can serve; never when auth does not answer. */
  readonly ready: Promise<void>;
  /** Ends the auth service so that another process can open it; clients wait, because the socket is not lost. */
  releaseAuth(): Promise<void>;
  /** Opens it again. Errors are those of its start. */
  retakeAuth(): Promise<void>;
  /** Another process serves: takes nothing new. Resolves when no session is left. */
  drain(): Promise<void>;
  /** This host goes away: takes nothing new. Resolves when no session is left, or after `mostMs`. */
  leave(mostMs: number): Promise<void>;
  /** In reverse. Safe to call twice. */
  close(): Promise<void>;
}

const SETTLE_MS = 1000;

/** Errors are those of the services; what was started is closed again. */
export async function startServices(config: Config, parts: ServiceParts): Promise<Services> {
  if (config.auth === undefined && parts.applyFile !== undefined) {
    throw new GatehouseError(
      'USAGE',
      '--apply-on-startup is for the auth service, which does not run here; leave it out',
    );
  }
  const ownToken = new Secret(randomBytes(32).toString('hex'));
  const opened: { auth?: Auth | undefined; member?: Member; agent?: Agent; proxy?: Proxy } = {};
  const roles = rolesOf(config);
  const ownHost = { roles, token: ownToken, id: () => opened.member?.hostId } as const;
  const openOwnAuth = async (): Promise<void> => {
    if (config.auth !== undefined) opened.auth = await openAuth(config, config.auth, parts, ownHost);
  };
  await openOwnAuth();
  let closing: Promise<void> | undefined;
  const close = (): Promise<void> =>
    (closing ??= (async () => {
      await Promise.all([opened.agent?.close(), opened.proxy?.close()]);
      await opened.member?.close();
      await opened.auth?.close();
    })());
  try {
    if (roles.length > 0) {
      const member = (opened.member = await openMember(config, roles, parts, opened.auth, ownToken));
      if (parts.isTakingOver) await knowsCluster(member);
      const ownAgent = (): Agent['handOver'] => opened.agent?.handOver;
      if (config.proxy !== undefined) {
        opened.proxy = await openProxy(config, config.proxy, parts, member, ownAgent);
      }
      if (hasAgent(config)) opened.agent = openAgent(config, parts, member);
      member.announce([opened.agent, opened.proxy].filter((service) => service !== undefined));
    }
    const { member, agent, proxy } = opened;
    // What runs goes on; what comes is for the process that has the identity now.
    quiet(drainOnceSuperseded(opened));
    return Object.assign(opened, {
      ready: quiet(Promise.all([agent?.ready, proxy?.ready]).then(() => undefined)),
      releaseAuth: async () => {
        const { auth } = opened;
        await auth?.drain();
        opened.auth = undefined;
        await auth?.close();
      },
      retakeAuth: openOwnAuth,
      drain: async () => {
        member?.handOver();
        do {
          await Promise.all([agent?.drain(), proxy?.drain()]);
          // What was accepted at the last moment is counted a little later.
          await sleep(parts.clock, SETTLE_MS);
        } while ((agent?.counts.connections ?? 0) > 0);
      },
      leave: (mostMs: number) => leave(opened, parts.clock, mostMs),
      failed: Promise.race([member?.membership.failed, agent?.failed].filter((one) => one !== undefined)),
      close,
    });
  } catch (error) {
    await close();
    throw error;
  }
}

type Draining = Pick<Services, 'member' | 'agent' | 'proxy'>;

async function leave({ member, agent, proxy }: Draining, clock: Clock, mostMs: number): Promise<void> {
  member?.leave();
  const late = new AbortController();
  const isLate = sleep(clock, mostMs, late.signal).catch(() => {});
  await Promise.race([Promise.all([agent?.drain(mostMs), proxy?.drain()]), isLate]);
  late.abort();
}

async function drainOnceSuperseded({ member, agent, proxy }: Draining) {
  await member?.membership.superseded;
  if (member !== undefined) await Promise.all([agent?.drain(), proxy?.drain()]);
}

/** Rejects when this host may not be a member. */
async function knowsCluster({ membership, view }: Member): Promise<void> {
  await Promise.race([Promise.all([membership.joined, view.ready]), membership.failed]);
}

/** What this process is a member of the cluster as; auth is none. */
function rolesOf({ ssh, proxy, db, app }: Config): readonly SystemRole[] {
  return [
    ...(proxy === undefined ? [] : ['proxy' as const]),
    ...(ssh === undefined ? [] : ['node' as const]),
    ...(db === undefined ? [] : ['db' as const]),
    ...(app === undefined ? [] : ['app' as const]),
  ];
}

const hasAgent = ({ ssh, db, app }: Config): boolean =>
  ssh !== undefined || db !== undefined || app !== undefined;

async function openAuth(
  config: Config,
  auth: NonNullable<Config['auth']>,
  parts: ServiceParts,
  ownHost: AuthParts['ownHost'],
): Promise<Auth> {
  const log = parts.log.child({ part: 'auth' });
  const options = await authOptions(config, auth, {
    ...parts,
    log,
    ownHost,
  });
  const started = await startAuth({
    ...options,
    bootstrapFile: parts.bootstrapFile,
    applyFile: parts.applyFile,
    settings: auth.settings,
    observer: parts.metrics.observer,
    sockets: parts.sockets,
  });
  const { address, clusterName, hostId } = started;
  log.info({ address, cluster: clusterName, hostId }, 'the auth service is ready');
  return started;
}

async function openMember(
  config: Config,
  roles: readonly SystemRole[],
  { clock, log, version, dataDir, environment, patienceMs }: ServiceParts,
  auth: Auth | undefined,
  ownToken: Secret,
): Promise<Member> {
  const reached =
    auth === undefined
      ? {
          authServers: config.authServers.map(formatAddress),
          dial: authDialer({ environment }),
          caPins: config.caPins,
          ...(await proofOf(config, environment)),
        }
      : {
          authServers: config.authServers.map(({ host }) => formatAddress({ host, port: auth.port })),
          caPins: auth.authorities.caPins(),
          token: ownToken,
        };
  return startMember({
    clock,
    log: log.child({ part: 'member' }),
    version,
    dataDir,
    environment,
    patienceMs,
    nodeName: config.nodename,
    roles,
    addresses: namesOf(config),
    mayRejoin: auth !== undefined,
    ...reached,
  });
}

/** What this machine shows when it joins, by the method of the configuration. */
async function proofOf(
  { join }: Config,
  environment: ServiceParts['environment'],
): Promise<Pick<MemberOptions, 'token' | 'prove' | 'rejoin'>> {
  switch (join?.method) {
    case undefined:
      return {};
    case 'token':
      return { token: await readToken(join.token), rejoin: join.rejoin };
    case 'kubernetes':
      return { prove: kubernetesProver(join.tokenName, environment), rejoin: join.rejoin };
  }
}

function openAgent(config: Config, parts: ServiceParts, member: Member): Agent {
  const { ssh, db, app, proxy } = config;
  const { clock, log, version, dataDir, environment, sockets, patienceMs } = parts;
  return startAgent({
    clock,
    log: log.child({ part: ssh === undefined ? 'agent' : 'node' }),
    version,
    dataDir,
    patienceMs,
    environment,
    membership: member.membership,
    view: member.view,
    audit: member.audit,
    sessions: member.sessions,
    config: { ssh, db, app },
    limits: config.connectionLimits,
    sockets,
    address: ssh === undefined ? '' : addressOf(config, ssh),
    isBesideProxy: proxy !== undefined,
    // Where auth or a proxy runs beside it, the node is dialed; elsewhere what was configured decides.
    tunnelAddresses: config.auth === undefined && config.proxy === undefined ? member.authServers : [],
  });
}

async function openProxy(
  config: Config,
  proxy: ProxyConfig,
  { clock, log, version, dataDir, sockets, patienceMs }: ServiceParts,
  member: Member,
  ownAgent: () => Agent['handOver'],
): Promise<Proxy> {
  return startProxy({
    clock,
    log: log.child({ part: 'proxy' }),
    version,
    dataDir,
    patienceMs,
    membership: member.membership,
    view: member.view,
    audit: member.audit,
    config: proxy,
    limits: config.connectionLimits,
    sockets,
    nodeName: config.nodename,
    ownHost: ownHost(config),
    authServers: member.authServers,
    ownAgent,
  });
}

/** Names and addresses that the certificates of this host are to be good for. */
function namesOf(config: Config): readonly string[] {
  const { ssh, proxy, nodename: nodeName } = config;
  const ofNode = ssh === undefined ? [] : [addressOf(config, ssh), ...ssh.publicAddrs.map(formatAddress)];
  const ofProxy =
    proxy === undefined ? [] : proxyNames({ config: proxy, nodeName, ownHost: ownHost(config) });
  return [...new Set([...ofNode.map(withoutPort), ...ofProxy])];
}

const addressOf = (config: Config, ssh: SshConfig): string =>
  nodeAddress(ssh.listenAddr, config.advertiseIp, networkInterfaces());

/** Where others dial what listens on all addresses. */
const ownHost = (config: Config): string =>
  withoutPort(nodeAddress({ host: '0.0.0.0', port: 0 }, config.advertiseIp, networkInterfaces()));

const withoutPort = (address: string): string => address.replace(/:\d+$/, '').replace(/^\[|\]$/g, '');

/** Nobody may be waiting when the services are closed before they were ready. */
function quiet<T>(promise: Promise<T>): Promise<T> {
  promise.catch(() => {});
  return promise;
}
