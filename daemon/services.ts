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
  readonly agent?: Agent;
  /** In reverse. Safe to call twice. */
  close(): Promise<void>;
}

/** Errors are those of the services; what was started is closed again. */
export async function startServices(config: Config, parts: ServiceParts): Promise<Services> {
  const ownToken = new Secret(randomBytes(32).toString('hex'));
  let agent: Agent | undefined;
  const ownHost = { roles: ['node'], token: ownToken, id: () => agent?.hostId } as const;
  const auth = config.auth === undefined ? undefined : await openAuth(config, config.auth, parts, ownHost);
  try {
    agent = config.ssh === undefined ? undefined : await openAgent(config, config.ssh, parts, auth, ownToken);
    let closing: Promise<void> | undefined;
    return {
      ...(auth === undefined ? {} : { auth }),
      ...(agent === undefined ? {} : { agent }),
      close: () =>
        (closing ??= (async () => {
          await agent?.close();
          await auth?.close();
        })()),
    };
  } catch (error) {
    await auth?.close();
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

async function openAgent(
  config: Config,
  ssh: SshConfig,
  parts: ServiceParts,
  auth: Auth | undefined,
  ownToken: Secret,
): Promise<Agent> {
  const { clock, version, dataDir, environment } = parts;
  const log = parts.log.child({ part: 'node' });
  log.warn({}, 'the node service serves no sessions in this release: the machine is listed with its labels');
  const membership =
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
  return startAgent({
    clock,
    log,
    version,
    dataDir,
    environment,
    ...membership,
    nodeName: config.nodename,
    roles: ['node'],
    address: nodeAddress(ssh.listenAddr, config.advertiseIp, networkInterfaces()),
    publicAddresses: ssh.publicAddrs.map(formatAddress),
    labels: ssh.labels,
    commands: ssh.commands,
  });
}
