// Join tokens in the config file and on the command line: given as they are, or as the path of a file that holds them.
import { GatehouseError } from '#core/errors/error.ts';
import { SYSTEM_ROLES, type SystemRole } from '#core/identity.ts';
import { nearest } from '#core/schema/nearest.ts';
import { Secret } from '#core/secret.ts';

/** load.ts reads the file of a path when the secret is needed. */
export type TokenSource =
  | { readonly type: 'value'; readonly value: Secret }
  | { readonly type: 'file'; readonly path: string };

/** A token that any number of machines may join with, for as long as it is in the file. */
export interface StaticToken {
  readonly roles: readonly SystemRole[];
  readonly token: TokenSource;
}

const MIN_LENGTH = 8;
const MAX_LENGTH = 253;
const TOKEN = /^[\p{L}\p{N}._@+:=-]+$/u;

/** `/path/to/file`, or the token itself. BAD_REQUEST, which never repeats the text. */
export function parseTokenSource(text: string): TokenSource {
  if (text.startsWith('/')) return { type: 'file', path: text };
  requireToken(text);
  return { type: 'value', value: new Secret(text) };
}

/** Refuses what cannot be a join token, with BAD_REQUEST that does not repeat it. */
export function requireToken(text: string): void {
  if (text.length >= MIN_LENGTH && text.length <= MAX_LENGTH && TOKEN.test(text)) return;
  throw new GatehouseError(
    'BAD_REQUEST',
    `a token must have ${MIN_LENGTH} to ${MAX_LENGTH} letters, digits and . _ - @ + : =; \`gatectl tokens add\` makes one`,
  );
}

/** The name of a token resource that is no secret; BAD_REQUEST, which does not repeat it: somebody may have put a secret. */
export function parseTokenName(text: string): string {
  if (text.length <= MAX_LENGTH && TOKEN.test(text)) return text;
  throw new GatehouseError(
    'BAD_REQUEST',
    `must be the name of a token for join method kubernetes: at most ${MAX_LENGTH} letters, digits and . _ - @ + : =`,
  );
}

/** `proxy,node:secret` or `auth:/path/to/file`; BAD_REQUEST never repeats what is behind the colon. */
export function parseStaticToken(text: string): StaticToken {
  const colon = text.indexOf(':');
  if (colon <= 0) {
    throw new GatehouseError(
      'BAD_REQUEST',
      'must be roles, a colon and the token or the path of a file, such as "proxy,node:/path/to/tokenfile"',
    );
  }
  const roles = text.slice(0, colon).split(',').map(parseRole);
  return { roles: [...new Set(roles)], token: parseTokenSource(text.slice(colon + 1)) };
}

/** A system role in any case; BAD_REQUEST with the nearest known one. */
export function parseRole(text: string): SystemRole {
  const word = text.trim().toLowerCase();
  const role = SYSTEM_ROLES.find((known) => known === word);
  if (role !== undefined) return role;
  const hint = nearest(word, SYSTEM_ROLES);
  const suggestion = hint === undefined ? '' : `; did you mean "${hint}"?`;
  throw new GatehouseError('BAD_REQUEST', `a role must be one of ${SYSTEM_ROLES.join(', ')}${suggestion}`);
}
