// From the configuration to what the auth service is started with. Reads the files of tokens and nothing else.
import type { Writable } from 'node:stream';
import type { AuthOptions } from '#auth/main.ts';
import { formatAddress, type Address } from '#config/address.ts';
import type { AuthConfig, Config } from '#config/config.ts';
import { readToken } from '#config/load.ts';
import { PORTS } from '#config/ports.ts';
import type { StaticToken } from '#config/tokens.ts';
import type { Clock } from '#core/clock.ts';
import { GatehouseError } from '#core/errors/error.ts';
import type { SystemRole } from '#core/identity.ts';
import type { Log } from '#core/log.ts';
import { ACCOUNT_DIR, apiServerOf } from '#core/pod.ts';
import type { Secret } from '#core/secret.ts';

export interface AuthParts {
  readonly clock: Clock;
  readonly log: Log;
  readonly stdout: Writable;
  readonly version: string;
  /** Absolute. */
  readonly dataDir: string;
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** The token is good for machines of this process only, and for as long as it runs. */
  readonly ownHost: {
    readonly roles: readonly SystemRole[];
    readonly token: Secret;
    id(): string | undefined;
  };
}

/** INVALID_CONFIG when the file of a token cannot be read. */
export async function authOptions(config: Config, auth: AuthConfig, parts: AuthParts): Promise<AuthOptions> {
  const { clock, log, stdout, version, dataDir, environment, ownHost } = parts;
  const tokens = await Promise.all(auth.tokens.map(readStaticToken));
  const names = [...auth.publicAddrs.map(({ host }) => host), ...(config.advertiseIp ?? '').split(' ')];
  return {
    clock,
    log,
    stdout,
    version,
    dataDir,
    storage: auth.storage,
    auditEventsUris: auth.audit.eventsUris,
    auditSessionsUri: auth.audit.sessionsUri,
    listen: auth.listenAddr,
    names: names.filter((name) => name !== ''),
    nodeName: config.nodename,
    clusterName: auth.clusterName,
    publicAddress: formatAddress(webAddress(config)),
    staticTokens: tokens,
    ownHost: { ...ownHost, token: ownHost.token.reveal() },
    apiServer: reviewsBy(environment),
    limits: { maxConnections: config.connectionLimits.maxConnections },
    ...signatureAlgorithm(auth),
  };
}

function reviewsBy(environment: AuthParts['environment']): AuthOptions['apiServer'] {
  const server = apiServerOf(environment);
  return server === undefined ? undefined : { ...server, credentialsDir: ACCOUNT_DIR };
}

/** Where links of invites lead while no proxy has told where it is. */
function webAddress({ proxy, proxyServer, nodename }: Config): Address {
  const [configured] = proxy?.publicAddrs ?? [];
  return configured ?? proxyServer ?? { host: nodename, port: proxy?.webListenAddr.port ?? PORTS.web };
}

function signatureAlgorithm({
  caSignatureAlgo: algorithm,
}: AuthConfig): Pick<AuthOptions, 'caSignatureAlgorithm'> {
  if (algorithm === undefined) return {};
  if (algorithm !== 'ecdsa-p256') return { caSignatureAlgorithm: algorithm };
  throw new GatehouseError(
    'NOT_SUPPORTED',
    'ca_signature_algo: ecdsa-p256 is not part of this release; use ed25519, rsa-sha2-256 or rsa-sha2-512',
  );
}

async function readStaticToken({
  roles,
  token,
}: StaticToken): Promise<{ roles: readonly SystemRole[]; token: string }> {
  return { roles, token: (await readToken(token)).reveal() };
}
