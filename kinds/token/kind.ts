// A join token: what lets machines become members. For join method `token` the NAME of the resource is the secret, so
// reading or listing tokens is as sensitive as holding them; use shownTokenName in logs and events. For other methods the
// name is a name, and a machine proves itself by something else.
import { createHash } from 'node:crypto';
import { SYSTEM_ROLES, type SystemRole } from '#core/identity.ts';
import { defineKind } from '#core/kind.ts';
import type { Resource } from '#core/resource.ts';
import type { Problem } from '#core/schema/check.ts';
import { nearest } from '#core/schema/nearest.ts';
import * as s from '#core/schema/schema.ts';
import { checkKubernetes, kubernetesSpec } from './kubernetes.ts';

export const JOIN_METHOD_NAMES = ['token', 'kubernetes'] as const;
export type JoinMethodName = (typeof JOIN_METHOD_NAMES)[number];

/** Shorter names could be guessed by trying. */
const MIN_NAME = 8;

const spec = s.object({
  roles: s.list(s.string() as s.Schema<SystemRole>, {
    single: true,
    max: SYSTEM_ROLES.length,
    description: `What a machine may join as: ${SYSTEM_ROLES.join(', ')}; upper and lower case are the same.`,
  }),
  join_method: s.withDefault(
    s.enumOf(JOIN_METHOD_NAMES, {
      description:
        'How the machine proves itself: by the name of this token, which is a secret then, or by its ServiceAccount.',
    }),
    'token',
  ),
  kubernetes: s.optional(kubernetesSpec),
  suggested_labels: s.optional(
    s.map(s.list(s.string({ maxLength: 1024 }), { single: true, max: 64 }), {
      max: 64,
      description: 'Labels that the joining machine is asked to take on.',
    }),
  ),
});

export type TokenSpec = s.Infer<typeof spec>;

export const tokenKind = defineKind<TokenSpec>({
  name: 'token',
  aliases: ['provision_token'],
  description:
    'What lets machines join the cluster in the given roles until it expires: a secret, or rules for pods.',
  versions: ['v2'],
  spec,
  columns: [
    { title: 'Token', value: (token) => token.metadata.name },
    { title: 'Type', value: ({ spec }) => `${spec.roles.map(titleOf).join(',')}${methodNote(spec)}` },
    { title: 'Labels', value: (token) => formatLabels(token.spec.suggested_labels ?? {}) },
    { title: 'Expiry Time (UTC)', value: (token) => formatExpiry(token.metadata.expires) },
  ],
  normalize: (token) => ({
    ...token,
    spec: { ...token.spec, roles: [...new Set(token.spec.roles.map(lowerRole))] },
  }),
  check: checkToken,
});

/** The name for logs, events and messages: hidden when it is the secret, or when it is not known what it is. */
export function shownTokenName(name: string, spec: Pick<TokenSpec, 'join_method'> | undefined): string {
  return spec === undefined || spec.join_method === 'token' ? safeTokenName(name) : name;
}

/** The name with most of it hidden, for logs, events and error messages: "e94d****". */
export function safeTokenName(name: string): string {
  const shown = Math.min(4, Math.floor(name.length / 4));
  return `${name.slice(0, shown)}****`;
}

/** The name as one may show it to those who must not hold the token: `sha256:` and a digest in hex. */
export function tokenDigest(name: string): string {
  return `sha256:${createHash('sha256').update(name).digest('hex')}`;
}

/** "14 Jun 23 21:21 UTC", or "never". */
export function formatExpiry(expires: string | undefined): string {
  if (expires === undefined) return 'never';
  const [, day, month, year, time] =
    /^\w+, (\d+) (\w+) \d\d(\d\d) (\d\d:\d\d)/.exec(new Date(expires).toUTCString()) ?? [];
  return day === undefined ? expires : `${day} ${month} ${year} ${time} UTC`;
}

const lowerRole = (role: string): SystemRole => role.toLowerCase() as SystemRole;
const titleOf = (role: string): string => role.charAt(0).toUpperCase() + role.slice(1);

/** The documented table has no column for it. */
const methodNote = ({ join_method: method }: TokenSpec): string => (method === 'token' ? '' : ` (${method})`);

function formatLabels(labels: Readonly<Record<string, readonly string[]>>): string {
  return Object.entries(labels)
    .map(([key, values]) => `${key}=${values.join(';')}`)
    .sort()
    .join(',');
}

function checkToken(token: Resource<TokenSpec>): Problem[] {
  const problems: Problem[] = [];
  const { join_method: method, kubernetes } = token.spec;
  if (method === 'token' && token.metadata.name.length < MIN_NAME) {
    problems.push({
      path: ['metadata', 'name'],
      message: `must have at least ${MIN_NAME} characters: the name of a token is the secret; \`gatectl tokens add\` makes a strong one`,
    });
  }
  if (method === 'token' && kubernetes !== undefined) {
    problems.push({ path: ['spec', 'kubernetes'], message: 'is for join_method: kubernetes only' });
  }
  if (method === 'kubernetes') {
    if (kubernetes === undefined) {
      problems.push({ path: ['spec', 'kubernetes'], message: 'is required for join_method: kubernetes' });
    } else problems.push(...checkKubernetes(kubernetes));
  }
  if (token.spec.roles.length === 0) {
    problems.push({
      path: ['spec', 'roles'],
      message: `must name one or more of ${SYSTEM_ROLES.join(', ')}`,
    });
  }
  token.spec.roles.forEach((role, index) => {
    if (SYSTEM_ROLES.includes(role)) return;
    const hint = nearest(role, SYSTEM_ROLES);
    const suggestion = hint === undefined ? '' : `; did you mean "${hint}"?`;
    problems.push({
      path: ['spec', 'roles', index],
      message: `must be one of ${SYSTEM_ROLES.join(', ')}${suggestion}`,
    });
  });
  return problems;
}
