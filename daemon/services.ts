// Starts the services of a configuration: auth, and the agent beside it. One after the other, because the agent of the
// machine that runs auth joins it with a token that nobody else ever sees.
import { randomBytes } from 'node:crypto';
import { networkInterfaces } from 'node:os';
import type { Writable } from 'node:stream';
import { startAgent, type Agent } from '#agent/main.ts';
import { startAuth, type Auth } from '#auth/main.ts';
import { formatAddress } from '#config/address.ts';
import type { Config, SshConfig } from '#config/config.ts';
import { readToken } from '#config/load.ts';
import type { Clock } from '#core/clock.ts';
import type { Log } from '#core/log.ts';
import { Secret } from '#core/secret.ts';
import { authOptions, type AuthParts } from './auth-options.ts';
import type { DaemonMetrics } from './metrics/daemon-metrics.ts';
import { startMember, type Member } from './member.ts';
import { nodeAddress } from './node-address.ts';

export interface ServiceParts {
  readonly clock: Clock;
  readonly log: Log;
  readonly version: string;
  readonly stdout: Writable;
  /** Absolute, and locked for this process. */
  readonly dataDir: string;
  readonly bootstrapFile?: string | undefined;
  readonly metrics: DaemonMetrics;
  readonly environment: Readonly<Record<string, string | undefined>>;
}

export interface Services {
  readonly auth?: Auth;
  /** There with each service that is not auth. */
  readonly member?: Member;
  readonly agent?: Agent;
  /** Rejects when a service cannot go on; never resolves. */
  readonly failed: Promise<never>;
  /** In reverse. Safe to call twice. */
  close(): Promise<void>;
}

/** Errors are those of the services; what was started is closed again. */
export async function startServices(config: Config, parts: ServiceParts): Promise<Services> {
  const ownToken = new Secret(randomBytes(32).toString('hex'));
  let member: Member | undefined;
  let agent: Agent | undefined;
  const ownHost = { roles: ['node'], token: ownToken, id: () => member?.hostId } as const;
  const auth = config.auth === undefined ? undefined : await openAuth(config, config.auth, parts, ownHost);
  let closing: Promise<void> | undefined;
  const close = (): Promise<void> =>
    (closing ??= (async () => {
      await agent?.close();
      await member?.close();
      await auth?.close();
    })());
  try {
    if (config.ssh !== undefined) {
      member = await openMember(config, config.ssh, parts, auth, ownToken);
      agent = openAgent(config, config.ssh, parts, member);
      member.announce([agent]);
    }
    return {
      ...(auth === undefined ? {} : { auth }),
      ...(member === undefined ? {} : { member }),
      ...(agent === undefined ? {} : { agent }),
      failed: Promise.race([member?.membership.failed, agent?.failed].filter((one) => one !== undefined)),
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}

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
    settings: auth.settings,
    observer: parts.metrics.observer,
  });
  const { address, clusterName, hostId } = started;
  log.info({ address, cluster: clusterName, hostId }, 'the auth service is ready');
  return started;
}

async function openMember(
  config: Config,
  ssh: SshConfig,
  { clock, log, version, dataDir }: ServiceParts,
  auth: Auth | undefined,
  ownToken: Secret,
): Promise<Member> {
  const reached =
    auth === undefined
      ? {
          authServers: config.authServers.map(formatAddress),
          caPins: config.caPins,
          token: config.join === undefined ? undefined : await readToken(config.join.token),
        }
      : {
          authServers: config.authServers.map(({ host }) => formatAddress({ host, port: auth.port })),
          caPins: auth.authorities.caPins(),
          token: ownToken,
        };
  const addresses = [addressOf(config, ssh), ...ssh.publicAddrs.map(formatAddress)].map(withoutPort);
  return startMember({
    clock,
    log: log.child({ part: 'member' }),
    version,
    dataDir,
    nodeName: config.nodename,
    roles: ['node'],
    addresses: [...new Set(addresses)],
    ...reached,
  });
}

function openAgent(config: Config, ssh: SshConfig, parts: ServiceParts, member: Member): Agent {
  const { clock, log, version, dataDir, environment } = parts;
  return startAgent({
    clock,
    log: log.child({ part: 'node' }),
    version,
    dataDir,
    environment,
    membership: member.membership,
    view: member.view,
    audit: member.audit,
    config: ssh,
    limits: config.connectionLimits,
    address: addressOf(config, ssh),
  });
}

const addressOf = (config: Config, ssh: SshConfig): string =>
  nodeAddress(ssh.listenAddr, config.advertiseIp, networkInterfaces());

const withoutPort = (address: string): string => address.replace(/:\d+$/, '').replace(/^\[|\]$/g, '');
