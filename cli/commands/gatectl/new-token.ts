// Making a join token and saying how to use it: for `tokens add` and `nodes add`.
import { randomBytes } from 'node:crypto';
import { apply } from '#core/api/resources.ts';
import { formatDuration } from '#core/duration.ts';
import { isCode, GatehouseError } from '#core/errors/error.ts';
import { parseRole } from '#config/tokens.ts';
import { tokenKind, type TokenSpec } from '#kinds/token/kind.ts';
import type { SystemRole } from '#core/identity.ts';
import type { Resource } from '#core/resource.ts';
import { parseResource } from '#core/kind.ts';
import * as flag from '../../arguments.ts';
import { oneLine } from '../../format/text.ts';
import type { Gatectl } from './context.ts';
import { isProxyAddress, joinAddresses, joinCommand, statusPins } from './join-text.ts';

export const tokenFlags = {
  ttl: flag.duration({ says: 'How long the token is good.', fallback: '30m' }),
  labels: flag.list({ says: 'Labels that machines are asked to take on.', value: 'K=V,…' }),
};

/** The least and the most: a token for ever belongs in the config file, where it can be seen. */
const MIN_TTL_MS = 60_000;
const TOKEN_BYTES = 16;

export interface TokenWish {
  readonly roles: readonly string[];
  /** The flag that gave the roles, for messages. */
  readonly rolesFlag: string;
  readonly ttlMs: number | undefined;
  readonly value: string | undefined;
  readonly labels: readonly string[] | undefined;
}

export interface MadeToken {
  readonly token: string;
  readonly roles: readonly string[];
  /** RFC 3339. */
  readonly expires: string;
  readonly ttlMs: number;
}

/** USAGE for roles, labels and times that cannot be; ALREADY_EXISTS when the value is taken. */
export async function makeToken(context: Gatectl, wish: TokenWish): Promise<MadeToken> {
  const ttlMs = wish.ttlMs ?? 30 * 60_000;
  if (ttlMs < MIN_TTL_MS) throw flag.usage('--ttl: must be at least 1m');
  const roles = readRoles(wish);
  const token = wish.value ?? randomBytes(TOKEN_BYTES).toString('hex');
  const expires = new Date(context.now() + ttlMs).toISOString();
  const document = readToken({
    kind: tokenKind.name,
    metadata: { name: token, expires },
    spec: { roles, ...labelsOf(wish.labels) },
  });
  const api = await context.api();
  await api.call(apply, { mode: 'create', dry_run: false, documents: [document], remove: [] });
  return { token, roles: document.spec.roles, expires, ttlMs };
}

function readRoles({ roles, rolesFlag }: TokenWish): SystemRole[] {
  try {
    return [...new Set(roles.map(parseRole))];
  } catch (error) {
    throw isCode(error, 'BAD_REQUEST') ? flag.usage(`--${rolesFlag}: ${error.message}`) : error;
  }
}

function readToken(document: object): Resource<TokenSpec> {
  try {
    return parseResource(tokenKind, document);
  } catch (error) {
    // The message names the resource, whose name is the secret.
    if (!isCode(error, 'INVALID_RESOURCE')) throw error;
    const problems = error.details['problems'] as readonly string[];
    throw new GatehouseError('USAGE', `the token is not valid: ${problems.join('; ')}`);
  }
}

function labelsOf(labels: readonly string[] | undefined): object {
  if (labels === undefined) return {};
  const suggested: Record<string, string[]> = {};
  for (const label of labels) {
    const split = label.indexOf('=');
    if (split < 1) throw flag.usage(`--labels: "${label.slice(0, 64)}" must be written name=value`);
    (suggested[label.slice(0, split)] ??= []).push(label.slice(split + 1));
  }
  return { suggested_labels: suggested };
}

/** The documented text; `long` adds what a first-timer wants to know. */
export async function printGuide(context: Gatectl, made: MadeToken, length: 'short' | 'long'): Promise<void> {
  const { out } = context;
  const [authServer = ''] = await joinAddresses(context, made.roles);
  const caPins = await statusPins(context);
  const { token, roles, expires, ttlMs } = made;
  const join = joinCommand({ roles, token, caPins, authServer });
  const servesTargets = length === 'long' && roles.some((role) => role === 'db' || role === 'app');
  const config = servesTargets ? await exampleConfig(context, made, { authServer, caPins }) : undefined;
  await out.show(
    { token, roles, expires, ca_pins: caPins, auth_server: authServer, join_command: join },
    () => {
      out.line(`The invite token: ${oneLine(token)}`);
      if (length === 'long') out.line(`This token will expire in ${formatDuration(ttlMs)}.`);
      out.line(
        `Run this on the new ${roles.length === 1 ? (roles[0] ?? 'node') : 'node'} to join the cluster:`,
      );
      out.line(join);
      if (config === undefined) return;
      out.line();
      out.line(
        'What it serves stands in its /etc/gatehouse.yaml, such as this one, with which `gatehouse start` needs no flags:',
      );
      out.line();
      out.formatted(config);
    },
  );
}

async function exampleConfig(
  context: Gatectl,
  { roles, token }: MadeToken,
  { authServer, caPins }: { readonly authServer: string; readonly caPins: readonly string[] },
): Promise<string> {
  const { targetConfig } = await import('./target-config.ts');
  const isProxy = await isProxyAddress(context, authServer);
  return targetConfig({ roles, token, caPins, address: authServer, isProxy });
}
