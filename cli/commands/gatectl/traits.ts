// The flags that set traits of a user: facts that roles refer to.
import type { Flag } from '../../arguments.ts';
import * as flag from '../../arguments.ts';

type Lists = Readonly<Record<string, Flag<readonly string[] | undefined>>>;

/** Flag → trait. */
const TRAITS = {
  logins: ['logins', 'Accounts on servers.'],
  'db-users': ['db_users', 'Accounts in databases.'],
  'db-names': ['db_names', 'Databases by name.'],
  'aws-role-arns': ['aws_role_arns', 'AWS roles.'],
  'kubernetes-users': ['kubernetes_users', 'Users in Kubernetes.'],
  'kubernetes-groups': ['kubernetes_groups', 'Groups in Kubernetes.'],
} as const;

type TraitFlag = keyof typeof TRAITS;

export const traitFlags = Object.fromEntries(
  Object.entries(TRAITS).map(([name, [, says]]) => [name, flag.list({ says })]),
) as Lists & { readonly [N in TraitFlag]: Flag<readonly string[] | undefined> };

/** Traits that were given; an empty list takes one away. */
export function traitsOf(flags: Readonly<Record<string, unknown>>): Record<string, readonly string[]> {
  const traits: Record<string, readonly string[]> = {};
  for (const [name, [trait]] of Object.entries(TRAITS)) {
    const values = flags[name] as readonly string[] | undefined;
    if (values !== undefined) traits[trait] = values;
  }
  return traits;
}
