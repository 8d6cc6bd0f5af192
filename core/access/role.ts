// The shape of a role as the decisions take it. The names are those of the resource, so that a validated spec of
// kinds/role is assignable as it stands; this file knows no schema, and every field may be left out.

/** Label key to the accepted patterns, any of which may match; all keys must match. */
export type LabelSelector = Readonly<Record<string, readonly string[]>>;

/** Labels of a target: its static and its dynamic labels together. */
export type Labels = Readonly<Record<string, string>>;

/** Trait name to values, as kept with the user or asserted by the identity provider. */
export type Traits = Readonly<Record<string, readonly string[]>>;

type Texts = readonly string[] | undefined;

export interface Rule {
  readonly resources: readonly string[];
  readonly verbs: readonly string[];
  readonly where?: string | undefined;
  readonly actions?: Texts;
}

export interface ImpersonateConditions {
  readonly users?: Texts;
  readonly roles?: Texts;
  readonly where?: string | undefined;
}

export interface KubernetesResource {
  readonly kind: string;
  readonly name?: string | undefined;
  readonly namespace?: string | undefined;
  readonly api_group?: string | undefined;
  readonly verbs?: Texts;
}

export interface ClaimMapping {
  readonly claim: string;
  readonly value: string;
  readonly roles: readonly string[];
}

export interface RequestConditions {
  readonly roles?: Texts;
  readonly search_as_roles?: Texts;
  readonly suggested_reviewers?: Texts;
  readonly claims_to_roles?: readonly ClaimMapping[] | undefined;
  readonly annotations?: Readonly<Record<string, readonly string[]>> | undefined;
  readonly thresholds?: readonly { readonly filter?: string | undefined }[] | undefined;
  readonly max_duration?: string | undefined;
}

export interface ReviewConditions {
  readonly roles?: Texts;
  readonly preview_as_roles?: Texts;
  readonly submit_for_users?: Texts;
  readonly claims_to_roles?: readonly ClaimMapping[] | undefined;
  readonly where?: string | undefined;
}

export interface JoinPolicy {
  readonly name: string;
  readonly roles?: Texts;
  readonly kinds?: Texts;
  readonly modes?: Texts;
}

export interface RequireJoinPolicy {
  readonly name: string;
  readonly filter?: string | undefined;
  readonly kinds?: Texts;
  readonly modes?: Texts;
  readonly count?: number | undefined;
  readonly on_leave?: string | undefined;
}

/** Fields that select targets by label. */
export const LABEL_FIELDS = [
  'node_labels',
  'app_labels',
  'db_labels',
  'db_service_labels',
  'kubernetes_labels',
  'cluster_labels',
  'windows_desktop_labels',
  'group_labels',
  'workload_identity_labels',
] as const;
export type LabelField = (typeof LABEL_FIELDS)[number];
export type ExpressionField = `${LabelField}_expression`;

/** Fields that list whom the user may be on a target. */
export const PRINCIPAL_FIELDS = [
  'logins',
  'windows_desktop_logins',
  'db_users',
  'db_names',
  'db_roles',
  'aws_role_arns',
  'azure_identities',
  'gcp_service_accounts',
  'kubernetes_users',
  'kubernetes_groups',
  'host_groups',
  'host_sudoers',
  'desktop_groups',
] as const;
export type PrincipalField = (typeof PRINCIPAL_FIELDS)[number];

/** One side of a role, `allow` or `deny`. */
export type Conditions = { readonly [F in LabelField]?: LabelSelector | undefined } & {
  readonly [F in ExpressionField]?: string | undefined;
} & { readonly [F in PrincipalField]?: Texts } & {
  readonly rules?: readonly Rule[] | undefined;
  readonly impersonate?: ImpersonateConditions | undefined;
  readonly kubernetes_resources?: readonly KubernetesResource[] | undefined;
  readonly request?: RequestConditions | undefined;
  readonly review_requests?: ReviewConditions | undefined;
  readonly join_sessions?: readonly JoinPolicy[] | undefined;
  readonly require_session_join?: readonly RequireJoinPolicy[] | undefined;
};

export type Toggle = { readonly enabled?: boolean | undefined } | undefined;

/** Durations are Go text, as in the resource. What each option means and how it merges: options.ts. */
export interface RoleOptions {
  readonly max_session_ttl?: string | undefined;
  readonly client_idle_timeout?: string | undefined;
  readonly mfa_verification_interval?: string | undefined;
  readonly forward_agent?: boolean | undefined;
  readonly port_forwarding?: boolean | { readonly local?: Toggle; readonly remote?: Toggle } | undefined;
  readonly ssh_port_forwarding?: { readonly local?: Toggle; readonly remote?: Toggle } | undefined;
  readonly permit_x11_forwarding?: boolean | undefined;
  readonly ssh_file_copy?: boolean | undefined;
  readonly disconnect_expired_cert?: boolean | undefined;
  readonly pin_source_ip?: boolean | undefined;
  readonly max_connections?: number | undefined;
  readonly max_kubernetes_connections?: number | undefined;
  readonly max_sessions?: number | undefined;
  readonly require_session_mfa?: boolean | string | undefined;
  readonly device_trust_mode?: string | undefined;
  readonly lock?: string | undefined;
  readonly record_session?:
    | {
        readonly default?: string | undefined;
        readonly ssh?: string | undefined;
        readonly desktop?: boolean | string | undefined;
      }
    | undefined;
  readonly cert_format?: string | undefined;
  readonly cert_extensions?: readonly CertExtension[] | undefined;
  readonly enhanced_recording?: Texts;
  readonly create_host_user?: boolean | undefined;
  readonly create_host_user_mode?: string | undefined;
  readonly create_host_user_default_shell?: string | undefined;
  readonly create_db_user?: boolean | undefined;
  readonly create_db_user_mode?: string | undefined;
  readonly create_desktop_user?: boolean | undefined;
  readonly desktop_clipboard?: boolean | undefined;
  readonly desktop_directory_sharing?: boolean | undefined;
  readonly idp?: { readonly saml?: Toggle } | undefined;
  readonly request_access?: string | undefined;
  readonly request_prompt?: string | undefined;
}

export interface CertExtension {
  readonly type?: string | undefined;
  readonly mode?: string | undefined;
  readonly name: string;
  readonly value?: string | undefined;
}

export interface AccessRole {
  readonly name: string;
  readonly allow: Conditions;
  readonly deny: Conditions;
  readonly options: RoleOptions;
}

/** The person the roles are held by. */
export interface Subject {
  readonly name: string;
  readonly roles: readonly string[];
  readonly traits: Traits;
}
