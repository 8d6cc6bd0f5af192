// Puts the parts together: dial, TLS with the right authorities, a client certificate for self-hosted databases, an IAM
// token for those of RDS.
import type { Duplex } from 'node:stream';
import type { Api } from '#client/api.ts';
import { parseRdsHost } from '#core/aws/rds-host.ts';
import { partitionOfRegion, PARTITIONS } from '#core/aws/partitions.ts';
import type { Clock } from '#core/clock.ts';
import { GatehouseError } from '#core/errors/error.ts';
import type { Log } from '#core/log.ts';
import type { Resource } from '#core/resource.ts';
import { parseDatabaseUri, type TargetAddress } from '#core/target-address.ts';
import type { DbSpec } from '#kinds/db/kind.ts';
import type { AssumeRoleRequest, AwsCredentialsSource } from '../aws/credentials.ts';
import { DbClientCertificates, type DbClientCertificate } from './client-certificates.ts';
import type { DbConnector, DbLogin, DbType, DbUpstream } from './connect.ts';
import { dialDatabase, dialTimeout } from './dial.ts';
import { openRdsRoots, type RdsRoots } from './rds-roots.ts';
import { RdsTokens } from './rds-token.ts';
import { secureTarget, type TargetTls } from './target-tls.ts';
import { TlsContexts, type Trusted } from './tls-contexts.ts';

export interface DbConnectorOptions {
  readonly clock: Clock;
  readonly log: Log;
  readonly dataDir: string;
  /** Of the host's membership. */
  readonly api: () => Pick<Api, 'call'>;
  readonly aws: AwsCredentialsSource;
  /** Default: from the data directory, or AWS. */
  readonly rdsRoots?: RdsRoots;
}

type Db = Resource<DbSpec>;

/** Dialing, TLS and the question to auth together. */
const CONNECT_MS = 10_000;
const SESSION = 'gatehouse-database';

export function openDbConnector(options: DbConnectorOptions): DbConnector {
  return new Connector(options);
}

/** By the host name, or by what `aws.rds` says where the name is another one. */
export function isRds({ spec }: Db): boolean {
  const { instance_id: instance, cluster_id: cluster, resource_id: resource } = spec.aws.rds ?? {};
  if (instance !== undefined || cluster !== undefined || resource !== undefined) return true;
  return parseRdsHost(addressOf(spec.uri).host) !== undefined;
}

class Connector implements DbConnector {
  readonly #options: DbConnectorOptions;
  readonly #certificates: DbClientCertificates;
  readonly #tokens: RdsTokens;
  readonly #roots: RdsRoots;
  readonly #contexts = new TlsContexts();

  constructor(options: DbConnectorOptions) {
    this.#options = options;
    this.#certificates = new DbClientCertificates(options);
    this.#tokens = new RdsTokens(options.clock);
    this.#roots = options.rdsRoots ?? openRdsRoots(options);
  }

  async connect(db: Db, login: DbLogin, signal: AbortSignal): Promise<DbUpstream> {
    const { certificate } = login;
    const shown =
      certificate === undefined || isRds(db)
        ? undefined
        : await this.#certificates.get(db.metadata.name, { ...login, certificate });
    const stream = await this.#open(db, signal, shown);
    const usesIam = isRds(db) && db.spec.aws.rds?.iam_auth !== false;
    return { stream, isTls: true, ...(usesIam ? { password: () => this.#token(db, login.user) } : {}) };
  }

  dial(db: Db, signal: AbortSignal): Promise<Duplex> {
    return this.#open(db, signal, undefined);
  }

  typeOf(db: Db): DbType {
    return isRds(db) ? 'rds' : 'self-hosted';
  }

  close(): void {
    this.#contexts.clear();
  }

  async #open(db: Db, signal: AbortSignal, shown: DbClientCertificate | undefined): Promise<Duplex> {
    const { host, port } = addressOf(db.spec.uri);
    const tls = await this.#tlsOf(db, shown);
    const late = new AbortController();
    const timer = this.#options.clock.after(CONNECT_MS, () =>
      late.abort(dialTimeout(tls.at, CONNECT_MS / 1000)),
    );
    const either = AbortSignal.any([signal, late.signal]);
    try {
      const socket = await dialDatabase({ host, port, signal: either });
      return await secureTarget(socket, tls, either);
    } finally {
      timer.cancel();
    }
  }

  async #tlsOf(db: Db, shown: DbClientCertificate | undefined): Promise<TargetTls> {
    const { tls, uri } = db.spec;
    const { host, port } = addressOf(uri);
    const trusted = tls.mode === 'insecure' ? {} : await this.#trusted(db);
    return {
      mode: tls.mode,
      serverName: tls.server_name ?? host,
      context: this.#contexts.get(trusted, shown),
      trustHint: isRds(db)
        ? `set tls.ca_cert_file of the database to the bundle of RDS for its region`
        : `set tls.ca_cert_file (tls.ca_cert) of the database to the certificate of its authority`,
      at: `${host.includes(':') ? `[${host}]` : host}:${port}`,
    };
  }

  async #trusted(db: Db): Promise<Trusted> {
    const only = db.spec.tls.ca_cert ?? db.spec.ca_cert;
    if (only !== undefined) return { only };
    // What RDS Proxy shows is signed by one of the usual authorities.
    if (!isRds(db) || parseRdsHost(addressOf(db.spec.uri).host)?.sort === 'proxy') return {};
    const partition = partitionOfRegion(this.#regionOf(db) ?? '') ?? PARTITIONS.aws;
    return { also: await this.#roots.of(partition) };
  }

  async #token(db: Db, user: string): Promise<string> {
    const { host, port } = addressOf(db.spec.uri);
    const region = this.#regionOf(db) ?? (await this.#options.aws.region());
    if (region === undefined)
      throw new GatehouseError(
        'INVALID_CONFIG',
        `the region of ${host} is not known: set aws.region of the database`,
      );
    const credentials = await this.#options.aws.get(roleOf(db, region));
    return this.#tokens.get({ host, port, user, region }, credentials);
  }

  #regionOf({ spec }: Db): string | undefined {
    return spec.aws.region ?? parseRdsHost(addressOf(spec.uri).host)?.region;
  }
}

function roleOf({ spec: { aws } }: Db, region: string): AssumeRoleRequest | undefined {
  if (aws.assume_role_arn === undefined) return undefined;
  return {
    assumeRoleArn: aws.assume_role_arn,
    sessionName: SESSION,
    region,
    ...(aws.external_id === undefined ? {} : { externalId: aws.external_id }),
  };
}

function addressOf(uri: string): TargetAddress {
  const address = parseDatabaseUri(uri);
  if (typeof address === 'string') throw new GatehouseError('INVALID_CONFIG', `the uri ${address}`);
  return address;
}
