// From `app_service:` to what the agent of applications is started with.
import { parseHeader, publicAddrComplaint } from '#core/app-rewrite.ts';
import { PARTITIONS } from '#core/aws/partitions.ts';
import { awsSettingProblems } from '#core/aws/settings.ts';
import type { Path } from '#core/schema/check.ts';
import { appNameComplaint, parseAppUri } from '#core/target-address.ts';
import { isAskedFor } from './asked-for.ts';
import { buildCommands, labelsOver } from './build-labels.ts';
import type { AppConfig, AppServiceConfig } from './config.ts';
import type { Findings } from './findings.ts';
import { given } from './given.ts';
import type { Labels } from './labels.ts';
import type { AppEntry, AppSection } from './sections/targets.ts';

const NOT_PART = 'is not part of this release; it is ignored';

export function buildApp(section: AppSection, findings: Findings): AppServiceConfig {
  const common = {
    labels: section.labels ?? {},
    commands: buildCommands(section.labels, section.commands, ['app_service'], findings),
  };
  const names = new Set<string>();
  const apps = (section.apps ?? []).flatMap((entry, index) => {
    const path = ['app_service', 'apps', index];
    if (names.has(entry.name)) findings.problem([...path, 'name'], `"${entry.name}" is there already`);
    names.add(entry.name);
    return buildOne(entry, common, path, findings) ?? [];
  });
  const resources = (section.resources ?? []).map(({ labels, aws }, index) => {
    if (isAskedFor(aws)) findings.notice(['app_service', 'resources', index, 'aws'], NOT_PART);
    return { labels };
  });
  const debugApp = section.debug_app ?? false;
  if (apps.length === 0 && resources.length === 0 && !debugApp) {
    findings.notice(['app_service'], 'serves nothing: it has neither apps nor resources');
  }
  return { apps, resources, debugApp };
}

/** Undefined for what this release does not serve: the rest of the file is still good. */
function buildOne(entry: AppEntry, common: Labels, path: Path, findings: Findings): AppConfig | undefined {
  if (entry.cloud !== undefined && entry.cloud.toUpperCase() !== 'AWS') {
    const message = `${JSON.stringify(entry.cloud)} is not part of this release; this application is left out`;
    findings.notice([...path, 'cloud'], message);
    return undefined;
  }
  const uri = uriOf(entry, path, findings);
  checkNames(entry, path, findings);
  for (const key of ['required_apps', 'use_any_proxy_public_addr'] as const) {
    if (isAskedFor(entry[key])) findings.notice([...path, key], NOT_PART);
  }
  const commands = buildCommands(entry.labels, entry.commands, path, findings);
  return given({
    name: entry.name,
    description: entry.description,
    uri,
    publicAddr: entry.public_addr,
    ...labelsOver(common, { labels: entry.labels ?? {}, commands }),
    insecureSkipVerify: entry.insecure_skip_verify ?? false,
    rewrite: buildRewrite(entry.rewrite ?? {}, [...path, 'rewrite'], findings),
    cors: buildCors(entry.cors),
    aws: buildAws(entry.aws),
  });
}

function uriOf({ uri, cloud }: AppEntry, path: Path, findings: Findings): string {
  if (uri === undefined || uri === '') {
    if (cloud !== undefined) return `https://${PARTITIONS.aws.consoleHost}`;
    findings.problem([...path, 'uri'], 'is required, such as http://localhost:8080');
    return '';
  }
  const url = parseAppUri(uri);
  if (typeof url === 'string') findings.problem([...path, 'uri'], url);
  return uri;
}

function checkNames({ name, public_addr, aws }: AppEntry, path: Path, findings: Findings): void {
  const complaint = appNameComplaint(name);
  if (complaint !== undefined) findings.problem([...path, 'name'], complaint);
  const address = public_addr === undefined ? undefined : publicAddrComplaint(public_addr);
  if (address !== undefined) findings.problem([...path, 'public_addr'], address);
  for (const { message } of awsSettingProblems({ external_id: aws?.external_id })) {
    findings.problem([...path, 'aws', 'external_id'], message);
  }
}

function buildRewrite(
  { redirect = [], headers = [], jwt_claims: jwtClaims }: NonNullable<AppEntry['rewrite']>,
  path: Path,
  findings: Findings,
): AppConfig['rewrite'] {
  const parsed = headers.flatMap((entry, index) => {
    const header = parseHeader(entry);
    if (typeof header !== 'string') return [header];
    findings.problem([...path, 'headers', index], header);
    return [];
  });
  return given({ redirect, headers: parsed, jwtClaims });
}

function buildAws(aws: AppEntry['aws']): AppConfig['aws'] {
  return given({
    externalId: aws?.external_id,
    oidc: aws?.oidc,
    directCredentials: aws?.direct_credentials,
  });
}

function buildCors(cors: AppEntry['cors']): AppConfig['cors'] {
  if (cors === undefined) return undefined;
  return given({
    allowedOrigins: cors.allowed_origins ?? [],
    allowedMethods: cors.allowed_methods ?? [],
    allowedHeaders: cors.allowed_headers ?? [],
    exposedHeaders: cors.exposed_headers ?? [],
    allowCredentials: cors.allow_credentials ?? false,
    maxAgeSeconds: cors.max_age,
  });
}
