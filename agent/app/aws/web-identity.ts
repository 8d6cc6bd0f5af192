// Roles taken by a token of the cluster instead of the agent's credentials (`aws.oidc: true`): AWS checks the token with the
// keys that the proxy publishes. No role is chained, so the console may last as long as the role allows.
import { GatehouseError } from '#core/errors/error.ts';
import type { Clock } from '#core/clock.ts';
import { stsHost } from '#core/aws/partitions.ts';
import { Secret } from '#core/secret.ts';
import type { AwsCredentials } from '../../aws/credentials.ts';
import type { AppTokens } from '../http/tokens.ts';
import type { AwsDialer } from './endpoints.ts';
import { fetchText } from './fetch.ts';
import type { Visit } from './visit.ts';

/** Credentials are asked for anew so long before their end. */
const EARLY_MS = 5 * 60_000;
const FALLBACK_SECONDS = 3600;
const MOST_KEPT = 1000;

export interface WebIdentity {
  /** UNAVAILABLE or AWS_REFUSED with the reason that AWS gives. */
  get(visit: Visit, durationSeconds: number): Promise<AwsCredentials>;
}

interface Options {
  readonly tokens: AppTokens;
  readonly dialer: AwsDialer;
  readonly clock: Clock;
}

export function openWebIdentity(options: Options): WebIdentity {
  const kept = new Map<string, AwsCredentials>();
  const asking = new Map<string, Promise<AwsCredentials>>();
  const fresh = (found: AwsCredentials | undefined): found is AwsCredentials =>
    found?.expires !== undefined && found.expires - EARLY_MS > options.clock.now();
  return {
    async get(visit, durationSeconds) {
      const key = JSON.stringify([visit.role.arn, visit.connection.identity.name, durationSeconds]);
      const found = kept.get(key);
      if (fresh(found)) return found;
      const running =
        asking.get(key) ?? assume(options, visit, durationSeconds).finally(() => asking.delete(key));
      asking.set(key, running);
      const made = await running;
      for (const [old, value] of kept) if (!fresh(value) || kept.size >= MOST_KEPT) kept.delete(old);
      kept.set(key, made);
      return made;
    },
  };
}

async function assume(options: Options, visit: Visit, durationSeconds: number): Promise<AwsCredentials> {
  const token = await options.tokens.get(visit.connection.certificate, 'aws');
  if (token === undefined)
    throw new GatehouseError(
      'UNAVAILABLE',
      'auth cannot be reached for the token that AWS checks; try again',
    );
  const answer = await ask(options, visit, token.token, durationSeconds);
  if (answer.status === 200) return credentialsIn(answer.text);
  const tooLong = /DurationSeconds/.test(answer.text) && durationSeconds > FALLBACK_SECONDS;
  if (!tooLong) throw refusal(visit, answer.text);
  const again = await ask(options, visit, token.token, FALLBACK_SECONDS);
  if (again.status !== 200) throw refusal(visit, again.text);
  return credentialsIn(again.text);
}

function ask(
  { dialer }: Options,
  { role, sessionName, signal }: Visit,
  token: string,
  seconds: number,
): Promise<{ readonly status: number; readonly text: string }> {
  const form = new URLSearchParams({
    Action: 'AssumeRoleWithWebIdentity',
    Version: '2011-06-15',
    RoleArn: role.arn,
    RoleSessionName: sessionName,
    DurationSeconds: String(seconds),
    WebIdentityToken: token,
  }).toString();
  const host = stsHost(role.partition.defaultRegion) ?? '';
  return fetchText(dialer, host, {
    method: 'POST',
    path: '/',
    headers: { 'content-type': 'application/x-www-form-urlencoded' },
    body: form,
    signal,
  });
}

function refusal({ role }: Visit, text: string): GatehouseError {
  const name = inTag(text, 'Code') ?? 'unknown';
  const message = inTag(text, 'Message') ?? 'no reason';
  return new GatehouseError(
    'AWS_REFUSED',
    `AWS refused the role ${role.arn}: ${name}: ${message}; its trust policy must name the OIDC provider of this cluster, ` +
      'with the audience sts.amazonaws.com',
    { details: { aws: name.replace(/[^A-Za-z]/g, '').slice(0, 64) } },
  );
}

function credentialsIn(text: string): AwsCredentials {
  const [accessKeyId, secret, token, end] = [
    'AccessKeyId',
    'SecretAccessKey',
    'SessionToken',
    'Expiration',
  ].map((name) => inTag(text, name));
  const expires = Date.parse(end ?? '');
  if (accessKeyId === undefined || secret === undefined || token === undefined || Number.isNaN(expires))
    throw new GatehouseError('UNAVAILABLE', 'AWS STS sent an answer without credentials');
  return {
    accessKeyId,
    secretAccessKey: new Secret(secret),
    sessionToken: new Secret(token),
    expires,
  };
}

const ENTITIES: Readonly<Record<string, string>> = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'" };

/** Text of the first element of this name; STS nests nothing in those that are asked for. */
function inTag(text: string, name: string): string | undefined {
  const start = text.indexOf(`<${name}>`);
  const end = text.indexOf(`</${name}>`, start);
  if (start < 0 || end < 0) return undefined;
  return text
    .slice(start + name.length + 2, end)
    .replace(/&(amp|lt|gt|quot|apos);/g, (_, entity: string) => ENTITIES[entity] ?? '')
    .trim()
    .slice(0, 8192);
}
