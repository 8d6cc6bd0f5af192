// A role: what its holders may do, may not do, and how. The decisions are in core/access; this folder says what a role
// may look like, and what the versions of the format mean.
import { checkRole } from '#core/access/check-role.ts';
import type { AccessRole, Conditions, LabelSelector } from '#core/access/role.ts';
import { defineKind, type Reader } from '#core/kind.ts';
import type { Resource } from '#core/resource.ts';
import type { Problem } from '#core/schema/check.ts';
import * as s from '#core/schema/schema.ts';
import { conditions } from './conditions.ts';
import { roleOptions } from './options.ts';
import { singularOf } from './resource-words.ts';

const spec = s.object({
  options: s.withDefault(roleOptions, {}),
  allow: s.withDefault(conditions, {}),
  deny: s.withDefault(conditions, {}),
});

export type RoleSpec = s.Infer<typeof spec>;
export type Role = Resource<RoleSpec>;

export const ROLE_VERSIONS = ['v3', 'v4', 'v5', 'v6', 'v7'] as const;

export const roleKind = defineKind<RoleSpec>({
  name: 'role',
  description: 'What its holders may do, what they may not, and how sessions are held.',
  versions: ROLE_VERSIONS,
  spec,
  columns: [
    { title: 'Role', value: (role) => role.metadata.name },
    { title: 'Allowed Logins', value: (role) => (role.spec.allow.logins ?? []).join(',') },
    { title: 'Node Labels', value: (role) => selectorText(role.spec.allow.node_labels) },
    { title: 'Access to resources', value: (role) => rulesText(role.spec) },
  ],
  check: (role) => [...checkRole(asAccessRole(role)), ...pluralProblems(role)],
  checkDelete,
});

function pluralProblems({ spec: { allow, deny } }: Role): Problem[] {
  return Object.entries({ allow, deny }).flatMap(([side, { rules = [] }]) =>
    rules.flatMap(({ resources }, rule) =>
      resources.flatMap((word, index) => {
        const meant = singularOf(word);
        const path = ['spec', side, 'rules', rule, 'resources', index];
        return meant === undefined
          ? []
          : [{ path, message: `must be the name of one kind; did you mean "${meant}"?` }];
      }),
    ),
  );
}

/** The role as decisions take it: with what its version leaves unsaid filled in. Pure and cheap. */
export function accessRoleOf(role: Role): AccessRole {
  const { name, allow, deny, options } = asAccessRole(role);
  return { name, allow: withVersionDefaults(allow, role.version), deny, options };
}

/**
 * The roles that somebody has now, for decisions about a certificate that was made for some of them (`certified`): those
 * in full, and of the others only what they deny. A deny holds at once; anything else needs a new certificate.
 */
export function accessRolesOf(held: readonly Role[], certified: readonly string[]): readonly AccessRole[] {
  return held.map((role) => {
    const full = accessRoleOf(role);
    return certified.includes(role.metadata.name) ? full : { ...full, allow: {}, options: {} };
  });
}

function asAccessRole(role: Role): AccessRole {
  const { allow, deny, options } = role.spec;
  return { name: role.metadata.name, allow, deny, options };
}

const EVERYTHING: LabelSelector = { '*': ['*'] };

/**
 * v3 selected every target when it had no labels. That is kept where the role itself names accounts to use there;
 * applications, which need no account, must be selected in so many words.
 */
function withVersionDefaults(allow: Conditions, version: string): Conditions {
  const resources = allow.kubernetes_resources ?? defaultKubernetesResources(version);
  const common = { ...allow, kubernetes_resources: resources };
  if (version !== 'v3') return common;
  const when = (names: readonly string[] | undefined): boolean => (names ?? []).length > 0;
  const missing = (field: 'node_labels' | 'db_labels' | 'kubernetes_labels'): boolean =>
    allow[field] === undefined && allow[`${field}_expression`] === undefined;
  return {
    ...common,
    ...(missing('node_labels') && when(allow.logins) ? { node_labels: EVERYTHING } : {}),
    ...(missing('db_labels') && when(allow.db_users) ? { db_labels: EVERYTHING } : {}),
    ...(missing('kubernetes_labels') && (when(allow.kubernetes_groups) || when(allow.kubernetes_users))
      ? { kubernetes_labels: EVERYTHING }
      : {}),
  };
}

function defaultKubernetesResources(version: string): Conditions['kubernetes_resources'] {
  if (version === 'v6') return [];
  return [{ kind: version === 'v7' ? '*' : 'pod', name: '*', namespace: '*', verbs: ['*'] }];
}

/** A role that somebody holds is not deleted from under them. */
function checkDelete(role: Role, reader: Reader): Problem[] {
  const holders: string[] = [];
  for (const user of reader.list('user')) {
    const { roles } = user.spec as { readonly roles?: readonly string[] };
    if (roles?.includes(role.metadata.name) === true) holders.push(user.metadata.name);
  }
  if (holders.length === 0) return [];
  const shown =
    holders.slice(0, 5).join(', ') + (holders.length > 5 ? ` and ${holders.length - 5} more` : '');
  return [
    {
      path: ['metadata', 'name'],
      message: `is held by ${holders.length === 1 ? 'the user' : 'the users'} ${shown}; take the role from them first`,
    },
  ];
}

function selectorText(labels: LabelSelector | undefined): string {
  return Object.entries(labels ?? {})
    .map(([key, values]) => `${key}=${values.join('|')}`)
    .join(',');
}

function rulesText({ allow }: RoleSpec): string {
  return (allow.rules ?? []).map((rule) => `${rule.resources.join('|')}:${rule.verbs.join('|')}`).join(',');
}
