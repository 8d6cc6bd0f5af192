// The kinds of target, the fields of a role that speak of each, and what a request for one must name. Adding a kind
// is one entry here.
import type { LabelField, Labels, PrincipalField } from './role.ts';

export const TARGET_KINDS = {
  node: { labels: 'node_labels', says: 'server' },
  app: { labels: 'app_labels', says: 'application' },
  aws: { labels: 'app_labels', says: 'application' },
  db: { labels: 'db_labels', says: 'database' },
  kube: { labels: 'kubernetes_labels', says: 'Kubernetes cluster' },
  windows_desktop: { labels: 'windows_desktop_labels', says: 'desktop' },
  cluster: { labels: 'cluster_labels', says: 'trusted cluster' },
  db_service: { labels: 'db_service_labels', says: 'database service' },
  group: { labels: 'group_labels', says: 'user group' },
} as const satisfies Record<string, { labels: LabelField; says: string }>;
export type TargetKind = keyof typeof TARGET_KINDS;

export interface Target {
  readonly name: string;
  readonly labels: Labels;
}

/** What somebody wants to do. Everything that a role could limit must be named; there are no silent defaults. */
export type TargetRequest =
  | { readonly kind: 'node'; readonly target: Target; readonly login: string }
  | { readonly kind: 'windows_desktop'; readonly target: Target; readonly login: string }
  /** Not for applications that lead to AWS: those ask with `aws`, which names the role to take. */
  | {
      readonly kind: 'app';
      readonly target: Target;
      readonly azureIdentity?: string;
      readonly gcpServiceAccount?: string;
    }
  | { readonly kind: 'aws'; readonly target: Target; readonly roleArn: string }
  | {
      readonly kind: 'db';
      readonly target: Target;
      readonly user: string;
      /** Null only for engines that have no databases to choose from. */
      readonly database: string | null;
      /** Set for engines that take `Alice` and `alice` for one user. */
      readonly foldsUserCase?: boolean;
      /** The database has an account that makes accounts: roles with create_db_user_mode grant the one of the own name. */
      readonly makesUsers?: boolean;
    }
  | {
      readonly kind: 'kube';
      readonly target: Target;
      readonly users: readonly string[];
      readonly groups: readonly string[];
    }
  | { readonly kind: 'cluster' | 'db_service' | 'group'; readonly target: Target };

/** A name that one role must grant; `fold` compares without case on both sides. */
export interface Claim {
  readonly field: PrincipalField;
  readonly value: string;
  readonly fold?: boolean;
  /** Granted as well by a role that makes accounts, when it is the name of the person. */
  readonly made?: boolean;
}

/** Groups of claims; each group must be granted whole by a single role that selects the target. */
export function claimsOf(request: TargetRequest): readonly (readonly Claim[])[] {
  switch (request.kind) {
    case 'node':
      return [[{ field: 'logins', value: request.login }]];
    case 'windows_desktop':
      return [[{ field: 'windows_desktop_logins', value: request.login }]];
    case 'aws':
      return [[{ field: 'aws_role_arns', value: request.roleArn }]];
    case 'app':
      return [
        [
          ...claim('azure_identities', request.azureIdentity),
          ...claim('gcp_service_accounts', request.gcpServiceAccount),
        ],
      ];
    case 'db': {
      const fold = request.foldsUserCase === true ? { fold: true } : {};
      const made = request.makesUsers === true ? { made: true } : {};
      return [
        [
          { field: 'db_users', value: request.user, ...fold, ...made },
          ...claim('db_names', request.database ?? undefined),
        ],
      ];
    }
    case 'kube': {
      const groups: Claim[][] = [
        ...request.users.map((value) => claim('kubernetes_users', value)),
        ...request.groups.map((value) => claim('kubernetes_groups', value)),
      ];
      return groups.length === 0 ? [[]] : groups;
    }
    default:
      return [[]];
  }
}

function claim(field: PrincipalField, value: string | undefined): Claim[] {
  return value === undefined ? [] : [{ field, value }];
}
