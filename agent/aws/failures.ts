// What AWS and its SDK say when something fails, as errors that say what to do. Only place that knows the names of their
// errors; texts are looked at where AWS has no name for it.
import { GatehouseError } from '#core/errors/error.ts';

export type Asked =
  /** The agent's own credentials. */
  { readonly what: 'own' } | { readonly what: 'role'; readonly role: string };

const MAX_TEXT = 600;
const PRINCIPAL = /User: (arn:\S{1,512}) is not authorized/;
const SKEWED: ReadonlySet<string> = new Set([
  'RequestTimeTooSkewed',
  'RequestExpired',
  'InvalidSignatureException',
  'SignatureDoesNotMatch',
]);
const EXPIRED: ReadonlySet<string> = new Set(['ExpiredToken', 'ExpiredTokenException']);
const BAD_KEYS: ReadonlySet<string> = new Set(['InvalidClientTokenId', 'UnrecognizedClientException']);
const WEB_IDENTITY: ReadonlySet<string> = new Set([
  'InvalidIdentityToken',
  'InvalidIdentityTokenException',
  'IDPCommunicationError',
  'IDPRejectedClaim',
]);
const DENIED: ReadonlySet<string> = new Set(['AccessDenied', 'AccessDeniedException']);

/** Whether AWS refused a role because it was asked for longer than the role, or a chain of roles, gives. */
export function isDurationRefused(error: unknown): boolean {
  const { name, text } = read(error);
  return name === 'ValidationError' && /DurationSeconds/.test(text);
}

/** UNAVAILABLE or AWS_REFUSED; `details.aws` is the name that AWS gave it. Errors of ours pass as they are. */
export function awsFailure(error: unknown, asked: Asked): GatehouseError {
  if (error instanceof GatehouseError) return error;
  const { name, text } = read(error);
  const fail = (code: 'UNAVAILABLE' | 'AWS_REFUSED', message: string): GatehouseError =>
    new GatehouseError(code, message, { cause: error, details: { aws: name } });
  const subject = asked.what === 'own' ? "the agent's AWS credentials" : `the AWS role ${asked.role}`;
  if (DENIED.has(name)) return fail('AWS_REFUSED', deniedText(text, asked));
  if (EXPIRED.has(name))
    return fail('UNAVAILABLE', `AWS says that the agent's credentials have expired: ${text}`);
  if (BAD_KEYS.has(name))
    return fail(
      'AWS_REFUSED',
      'AWS does not know the access key of the agent: check AWS_ACCESS_KEY_ID and the partition of AWS_REGION',
    );
  if (WEB_IDENTITY.has(name))
    return fail(
      'AWS_REFUSED',
      `AWS refused the web identity of the agent: ${text}; compare issuer, audience (sts.amazonaws.com) and the IAM OIDC provider`,
    );
  if (SKEWED.has(name)) return fail('UNAVAILABLE', skewText(text));
  if (name === 'CredentialsProviderError' || name === 'ProviderError')
    return fail(
      'UNAVAILABLE',
      `the agent has no AWS credentials (no valid providers in chain: ${text}); attach an instance profile, annotate its service account with eks.amazonaws.com/role-arn, or set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY for the service`,
    );
  if (isNetwork(name, text))
    return fail(
      'UNAVAILABLE',
      `no answer from AWS STS for ${subject}: ${text}; the agent must reach sts.<region>.amazonaws.com:443, directly or by HTTPS_PROXY`,
    );
  return fail('AWS_REFUSED', `AWS refused ${subject}: ${name}: ${text}`);
}

function deniedText(text: string, asked: Asked): string {
  const principal = PRINCIPAL.exec(text)?.[1];
  if (asked.what === 'own') return `AWS refused the agent's own role: AccessDenied: ${text}`;
  const who = principal ?? 'the identity of this agent';
  return `AccessDenied: ${text}; the trust policy of ${asked.role} must allow ${who} (with the external id, if it asks for one), and that one needs sts:AssumeRole on it`;
}

function skewText(text: string): string {
  if (/expired|not yet current|skew/i.test(text))
    return `AWS refused the time of a signature: correct the clock of this machine (${text})`;
  return 'AWS refused the signature: the secret key of the agent is wrong, or its clock is';
}

function isNetwork(name: string, text: string): boolean {
  if (name === 'TimeoutError') return true;
  return /ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET|ETIMEDOUT|EHOSTUNREACH|ENETUNREACH|timed? ?out|certificate|socket hang up/i.test(
    `${name} ${text}`,
  );
}

function read(error: unknown): { name: string; text: string } {
  if (!(error instanceof Error)) return { name: 'Error', text: String(error).slice(0, MAX_TEXT) };
  const code = 'Code' in error && typeof error.Code === 'string' ? error.Code : undefined;
  const system = 'code' in error && typeof error.code === 'string' ? `${error.code}: ` : '';
  const inner = error instanceof AggregateError ? error.errors.map(String).join('; ') : '';
  const text = `${system}${error.message}${inner}`.replaceAll(/[\r\n]+/g, ' ');
  return { name: code ?? error.name, text: text.slice(0, MAX_TEXT) };
}
