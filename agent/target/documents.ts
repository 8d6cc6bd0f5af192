// From the configuration of a database or application to the document that the cluster is told, and what heartbeats say of
// an agent that serves it. Pure.
import type { AppConfig, DbConfig } from '#config/config.ts';
import type { CommandLabel } from '#config/labels.ts';
import { formatDuration } from '#core/duration.ts';
import type { Resource } from '#core/resource.ts';
import type { AppServerSpec } from '#kinds/app-server/kind.ts';
import type { AppSpec } from '#kinds/app/kind.ts';
import type { DbServerSpec } from '#kinds/db-server/kind.ts';
import type { DbSpec } from '#kinds/db/kind.ts';
import { shownApp, shownDb } from '#kinds/served.ts';
import { serverName } from '#kinds/server-presence.ts';

/** What each command of a target printed last, by label. */
export type Results = Readonly<Record<string, string>>;

/** `caCert` is what the file of its authorities holds. */
export function dbDocument(config: DbConfig, results: Results, caCert?: string): Resource<DbSpec> {
  const { protocol, uri, tls, aws, adminUser } = config;
  return {
    kind: 'db',
    version: 'v3',
    metadata: metadataOf(config),
    spec: {
      protocol,
      uri,
      tls: {
        mode: tls.mode,
        ...given({ ca_cert: caCert, server_name: tls.serverName }),
      },
      aws: {
        ...given({
          region: aws.region,
          account_id: aws.accountId,
          assume_role_arn: aws.assumeRoleArn,
          external_id: aws.externalId,
        }),
        ...(aws.rds === undefined
          ? {}
          : {
              rds: given({
                instance_id: aws.rds.instanceId,
                cluster_id: aws.rds.clusterId,
                resource_id: aws.rds.resourceId,
                iam_auth: aws.rds.iamAuth,
              }),
            }),
      },
      ...(adminUser === undefined
        ? {}
        : {
            admin_user: {
              name: adminUser.name,
              ...given({
                default_database: adminUser.defaultDatabase,
                owned_objects_to: adminUser.ownedObjectsTo,
              }),
            },
          }),
      ...dynamicLabels(config.commands, results),
    },
  };
}

export function appDocument(config: AppConfig, results: Results): Resource<AppSpec> {
  const { uri, publicAddr, insecureSkipVerify, rewrite, cors, aws } = config;
  return {
    kind: 'app',
    version: 'v3',
    metadata: metadataOf(config),
    spec: {
      uri,
      ...given({ public_addr: publicAddr }),
      ...(insecureSkipVerify ? { insecure_skip_verify: true } : {}),
      rewrite: {
        ...(rewrite.redirect.length === 0 ? {} : { redirect: rewrite.redirect }),
        ...(rewrite.headers.length === 0 ? {} : { headers: rewrite.headers }),
        ...given({ jwt_claims: rewrite.jwtClaims }),
      },
      ...(cors === undefined
        ? {}
        : {
            cors: {
              allowed_origins: cors.allowedOrigins,
              allowed_methods: cors.allowedMethods,
              allowed_headers: cors.allowedHeaders,
              exposed_headers: cors.exposedHeaders,
              allow_credentials: cors.allowCredentials,
              ...given({ max_age: cors.maxAgeSeconds }),
            },
          }),
      aws: given({
        external_id: aws.externalId,
        oidc: aws.oidc,
        direct_credentials: aws.directCredentials,
      }),
      ...dynamicLabels(config.commands, results),
    },
  };
}

/** The agent that tells. */
export interface ServerFacts {
  readonly hostId: string;
  readonly hostname: string;
  readonly version: string;
  /** Proxies that hold a tunnel of it. */
  readonly proxyIds: readonly string[];
}

export function dbServerDocument(db: Resource<DbSpec>, facts: ServerFacts): Resource<DbServerSpec> {
  const name = serverName(db.metadata.name, facts.hostId);
  return {
    kind: 'db_server',
    version: 'v3',
    metadata: { name },
    spec: { ...serverSpec(facts), database: embedded(shownDb(db)) },
  };
}

export function appServerDocument(app: Resource<AppSpec>, facts: ServerFacts): Resource<AppServerSpec> {
  const name = serverName(app.metadata.name, facts.hostId);
  return {
    kind: 'app_server',
    version: 'v3',
    metadata: { name },
    spec: { ...serverSpec(facts), app: embedded(shownApp(app)) },
  };
}

function serverSpec({ hostId, hostname, version, proxyIds }: ServerFacts) {
  return { host_id: hostId, hostname, version, proxy_ids: proxyIds };
}

/** What the store adds to documents is not said again. */
function embedded<S>({ kind, version, metadata, spec }: Resource<S>): Resource<S> {
  const { name, labels, description } = metadata;
  return { kind, version, metadata: { name, ...given({ labels, description }) }, spec };
}

function metadataOf({ name, description, labels }: DbConfig | AppConfig) {
  return { name, labels, ...given({ description }) };
}

function dynamicLabels(commands: readonly CommandLabel[], results: Results) {
  if (commands.length === 0) return {};
  const entries = commands.map(({ name, command, periodMs }) => [
    name,
    { period: formatDuration(periodMs), command, result: results[name] ?? '' },
  ]);
  return { dynamic_labels: Object.fromEntries(entries) as NonNullable<DbSpec['dynamic_labels']> };
}

/** The entries that have a value. */
function given<T extends object>(entries: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(entries).filter(([, value]) => value !== undefined)) as {
    [K in keyof T]?: Exclude<T[K], undefined>;
  };
}
