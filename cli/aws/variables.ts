// The variables by which programs use a local AWS proxy, and how shells set them. Pure.
import { shellWord } from '../format/text.ts';
import type { AwsSession } from './session.ts';

export const SHELL_FORMATS = ['unix', 'powershell', 'command-prompt', 'text'] as const;
export type ShellFormat = (typeof SHELL_FORMATS)[number];

/** By HTTPS_PROXY, or by the address as the endpoint of all services. */
export type ProxyMode = 'proxy' | 'endpoint';

type Session = Pick<AwsSession, 'port' | 'keys' | 'bundle'>;

export const proxyUrl = ({ port }: Pick<AwsSession, 'port'>): string => `http://127.0.0.1:${port}`;

export function awsVariables(session: Session, mode: ProxyMode): Readonly<Record<string, string>> {
  const keys = {
    AWS_ACCESS_KEY_ID: session.keys.accessKeyId,
    AWS_SECRET_ACCESS_KEY: session.keys.secretAccessKey.reveal(),
  };
  return mode === 'proxy'
    ? { ...keys, AWS_CA_BUNDLE: session.bundle, HTTPS_PROXY: proxyUrl(session) }
    : { ...keys, AWS_ENDPOINT_URL: proxyUrl(session) };
}

export function setLine(format: ShellFormat, name: string, value: string): string {
  switch (format) {
    case 'unix':
      return `export ${name}=${shellWord(value)}`;
    case 'powershell':
      return `$Env:${name}='${value.replaceAll("'", "''")}'`;
    case 'command-prompt':
      return `set "${name}=${value.replaceAll('%', '%%')}"`;
    case 'text':
      return `${name}: ${value}`;
  }
}

/** Other keys, other proxies and other ends than those of the session. */
const REPLACED = [
  'AWS_SESSION_TOKEN',
  'AWS_SECURITY_TOKEN',
  'AWS_PROFILE',
  'AWS_DEFAULT_PROFILE',
  'AWS_CREDENTIAL_EXPIRATION',
  'AWS_ROLE_ARN',
  'AWS_WEB_IDENTITY_TOKEN_FILE',
  'AWS_ENDPOINT_URL',
  'https_proxy',
  'NO_PROXY',
  'no_proxy',
] as const;
const NEVER_PROXIED = 'localhost,127.0.0.1,::1,169.254.169.254';

export interface AwsCall {
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly platform: string;
}

/** The environment of `aws` under this session. */
export function awsEnvironment(
  session: Session,
  { args, env, platform }: AwsCall,
): Readonly<Record<string, string | undefined>> {
  const own: Record<string, string | undefined> = { ...env };
  for (const name of REPLACED) delete own[name];
  const proxy = proxyUrl(session);
  return {
    ...own,
    ...awsVariables(session, 'proxy'),
    https_proxy: proxy,
    NO_PROXY: NEVER_PROXIED,
    no_proxy: NEVER_PROXIED,
    ...(opensSession(args) ? forSessionManager(session, { args, env, platform }) : {}),
  };
}

const opensSession = (args: readonly string[]): boolean =>
  (args.includes('ssm') && (args.includes('start-session') || args.includes('resume-session'))) ||
  (args.includes('ecs') && args.includes('execute-command'));

/** The plug-in that carries the session takes its authorities from the system, which only some systems let us add to. */
function forSessionManager({ bundle }: Session, { args, env, platform }: AwsCall): Record<string, string> {
  if (platform === 'linux') return { SSL_CERT_FILE: bundle };
  const region = regionOf(args) ?? env['AWS_REGION'] ?? env['AWS_DEFAULT_REGION'];
  if (region === undefined) return {};
  const direct = `${NEVER_PROXIED},${messagesHost(region)}`;
  return { NO_PROXY: direct, no_proxy: direct };
}

export const messagesHost = (region: string): string => `ssmmessages.${region}.amazonaws.com`;

function regionOf(args: readonly string[]): string | undefined {
  const at = args.findIndex((word) => word === '--region' || word.startsWith('--region='));
  const word = args[at];
  if (word === undefined) return undefined;
  return word === '--region' ? args[at + 1] : word.slice('--region='.length);
}
