// From `db_service:` to what the agent of databases is started with.
import { awsSettingProblems } from '#core/aws/settings.ts';
import type { Path } from '#core/schema/check.ts';
import { databaseNameComplaint, parseDatabaseUri } from '#core/target-address.ts';
import { buildCommands } from './build-labels.ts';
import { isAskedFor } from './asked-for.ts';
import type { DbConfig, DbServiceConfig } from './config.ts';
import type { Findings } from './findings.ts';
import { given } from './given.ts';
import type { DbEntry, DbSection } from './sections/targets.ts';

const NOT_PART = 'is not part of this release; it is ignored';
const LATER = ['gcp', 'azure', 'ad', 'mysql', 'mongodb', 'oracle'] as const;
const LATER_AWS = [
  'redshift',
  'redshift_serverless',
  'elasticache',
  'memorydb',
  'secret_store',
  'opensearch',
] as const;

export function buildDb(section: DbSection, findings: Findings): DbServiceConfig {
  for (const key of ['aws', 'azure'] as const) {
    if (isAskedFor(section[key])) findings.notice(['db_service', key], `finding databases ${NOT_PART}`);
  }
  const names = new Set<string>();
  const databases = (section.databases ?? []).flatMap((entry, index) => {
    const path = ['db_service', 'databases', index];
    if (names.has(entry.name)) findings.problem([...path, 'name'], `"${entry.name}" is there already`);
    names.add(entry.name);
    return buildDatabase(entry, path, findings) ?? [];
  });
  const resources = (section.resources ?? []).map(({ labels, aws }, index) => {
    if (aws === undefined) return { labels };
    checkAws(aws, ['db_service', 'resources', index, 'aws'], findings);
    return {
      labels,
      aws: given({ assumeRoleArn: aws.assume_role_arn, externalId: aws.external_id }),
    };
  });
  if (databases.length === 0 && resources.length === 0) {
    findings.notice(['db_service'], 'serves nothing: it has neither databases nor resources');
  }
  return { databases, resources };
}

/** Undefined for what this release does not serve: the rest of the file is still good. */
function buildDatabase(entry: DbEntry, path: Path, findings: Findings): DbConfig | undefined {
  if (entry.protocol !== 'postgres') {
    const message = `${JSON.stringify(entry.protocol)} is not part of this release; this database is left out`;
    findings.notice([...path, 'protocol'], message);
    return undefined;
  }
  checkDatabase(entry, path, findings);
  const words = { labels: 'static_labels', commands: 'dynamic_labels' };
  return given({
    name: entry.name,
    description: entry.description,
    protocol: 'postgres' as const,
    uri: entry.uri,
    labels: entry.static_labels ?? {},
    commands: buildCommands(entry.static_labels, entry.dynamic_labels, path, findings, words),
    tls: buildTls(entry),
    aws: buildAws(entry.aws ?? {}, [...path, 'aws'], findings),
    adminUser: buildAdminUser(entry.admin_user),
  });
}

function checkDatabase(entry: DbEntry, path: Path, findings: Findings): void {
  const complaint = databaseNameComplaint(entry.name);
  if (complaint !== undefined) findings.problem([...path, 'name'], complaint);
  const address = parseDatabaseUri(entry.uri);
  if (typeof address === 'string') findings.problem([...path, 'uri'], address);
  for (const key of LATER) if (isAskedFor(entry[key])) findings.notice([...path, key], NOT_PART);
}

function buildTls({ tls, ca_cert_file }: DbEntry): DbConfig['tls'] {
  return given({
    mode: tls?.mode ?? 'verify-full',
    caCertFile: tls?.ca_cert_file ?? ca_cert_file,
    serverName: tls?.server_name,
  });
}

function buildAdminUser(admin: DbEntry['admin_user']): DbConfig['adminUser'] {
  return (
    admin &&
    given({
      name: admin.name,
      defaultDatabase: admin.default_database,
      ownedObjectsTo: admin.owned_objects_to,
    })
  );
}

function buildAws(aws: NonNullable<DbEntry['aws']>, path: Path, findings: Findings): DbConfig['aws'] {
  for (const key of LATER_AWS) if (isAskedFor(aws[key])) findings.notice([...path, key], NOT_PART);
  checkAws(aws, path, findings);
  const { rds } = aws;
  return given({
    region: aws.region,
    accountId: aws.account_id,
    assumeRoleArn: aws.assume_role_arn,
    externalId: aws.external_id,
    rds:
      rds === undefined
        ? undefined
        : given({
            instanceId: rds.instance_id,
            clusterId: rds.cluster_id,
            resourceId: rds.resource_id,
            iamAuth: rds.iam_auth,
          }),
  });
}

function checkAws(aws: Parameters<typeof awsSettingProblems>[0], path: Path, findings: Findings): void {
  for (const { field, message } of awsSettingProblems(aws)) findings.problem([...path, field], message);
}
