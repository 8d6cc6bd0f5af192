// `allow` and `deny` of a role: the same fields on both sides.
import * as s from '#core/schema/schema.ts';

const texts = (description = '', maxLength = 1024) =>
  s.optional(s.list(s.string({ maxLength }), { single: true, max: 1000, description }));
const labels = (of: string) =>
  s.optional(
    s.map(s.list(s.string({ maxLength: 1024 }), { single: true, max: 256 }), {
      max: 256,
      description: `Selects ${of} by label: every key must match, by one of its values.`,
    }),
  );
const expression = (field: string) =>
  s.optional(s.string({ maxLength: 8192, description: `A condition, beside or in place of ${field}.` }));
const where = (description: string) => s.optional(s.string({ maxLength: 8192, description }));

const claimMapping = s.object({
  claim: s.string({ minLength: 1 }),
  value: s.string(),
  roles: s.list(s.string(), { single: true, max: 256 }),
});

const rule = s.object({
  resources: s.list(s.string({ maxLength: 64 }), { single: true, max: 256, description: 'Kinds, or "*".' }),
  verbs: s.list(s.string({ maxLength: 64 }), {
    single: true,
    max: 64,
    description: 'What may be done, or "*".',
  }),
  where: where('Only for resources for which this is true.'),
  actions: texts(),
});

const kubernetesResource = s.object({
  kind: s.string({ minLength: 1, maxLength: 128, description: 'Such as pod, or "*".' }),
  name: s.optional(s.string({ maxLength: 1024 })),
  namespace: s.optional(s.string({ maxLength: 1024 })),
  api_group: s.optional(s.string({ maxLength: 256 })),
  verbs: texts(),
});

const threshold = s.object({
  name: s.optional(s.string()),
  filter: where('Which reviews count.'),
  approve: s.optional(s.integer({ max: 1000 })),
  deny: s.optional(s.integer({ max: 1000 })),
});

const request = s.object({
  roles: texts('Roles that may be asked for.'),
  search_as_roles: texts(),
  suggested_reviewers: texts(),
  claims_to_roles: s.optional(s.list(claimMapping, { max: 1000 })),
  annotations: s.optional(s.map(s.list(s.string({ maxLength: 1024 }), { single: true, max: 256 }))),
  thresholds: s.optional(s.list(threshold, { max: 64 })),
  max_duration: s.optional(s.duration()),
  kubernetes_resources: s.optional(
    s.list(s.object({ kind: s.string(), api_group: s.optional(s.string()) }), { max: 256 }),
  ),
  reason: s.optional(
    s.object({
      mode: s.optional(s.enumOf(['required', 'optional', ''])),
      prompt: s.optional(s.string({ maxLength: 1024 })),
    }),
  ),
});

const reviewRequests = s.object({
  roles: texts('Roles whose requests may be reviewed.'),
  preview_as_roles: texts(),
  submit_for_users: texts(),
  claims_to_roles: s.optional(s.list(claimMapping, { max: 1000 })),
  where: where('Only requests for which this is true.'),
});

const sessionKinds = s.optional(
  s.list(s.enumOf(['ssh', 'k8s', 'db', 'app', 'desktop', '*']), { single: true }),
);
const sessionModes = s.optional(s.list(s.enumOf(['moderator', 'observer', 'peer', '*']), { single: true }));

const joinPolicy = s.object({
  name: s.string({ minLength: 1 }),
  roles: texts(),
  kinds: sessionKinds,
  modes: sessionModes,
});

const requireJoin = s.object({
  name: s.string({ minLength: 1 }),
  filter: where('Which people count.'),
  kinds: sessionKinds,
  modes: sessionModes,
  count: s.optional(s.integer({ max: 1000 })),
  on_leave: s.optional(s.enumOf(['terminate', 'pause', ''])),
});

const spiffe = s.object({ path: s.optional(s.string()), dns_sans: texts(), ip_sans: texts() });
const dbPermission = s.object({
  match: s.optional(s.map(s.list(s.string(), { single: true }))),
  permissions: s.optional(s.list(s.string(), { single: true })),
});

export const conditions = s.object({
  logins: texts('Accounts on servers.'),
  node_labels: labels('servers'),
  node_labels_expression: expression('node_labels'),
  app_labels: labels('applications'),
  app_labels_expression: expression('app_labels'),
  db_labels: labels('databases'),
  db_labels_expression: expression('db_labels'),
  db_names: texts('Databases on a server, compared exactly, or "*".'),
  db_users: texts('Database accounts, compared exactly, or "*".'),
  db_roles: texts('Roles for accounts that are made as needed.'),
  db_permissions: s.optional(s.list(dbPermission, { max: 256 })),
  db_service_labels: labels('database services'),
  db_service_labels_expression: expression('db_service_labels'),
  kubernetes_labels: labels('Kubernetes clusters'),
  kubernetes_labels_expression: expression('kubernetes_labels'),
  kubernetes_groups: texts('Groups to act in.'),
  kubernetes_users: texts('Users to act as.'),
  kubernetes_resources: s.optional(s.list(kubernetesResource, { max: 1000 })),
  aws_role_arns: texts('AWS roles to take, each spelled out.', 2048),
  azure_identities: texts('', 1024),
  gcp_service_accounts: texts(),
  cluster_labels: labels('trusted clusters'),
  cluster_labels_expression: expression('cluster_labels'),
  group_labels: labels('user groups'),
  group_labels_expression: expression('group_labels'),
  windows_desktop_labels: labels('desktops'),
  windows_desktop_labels_expression: expression('windows_desktop_labels'),
  windows_desktop_logins: texts('Accounts on desktops.'),
  desktop_groups: texts(),
  workload_identity_labels: labels('workload identities'),
  workload_identity_labels_expression: expression('workload_identity_labels'),
  host_groups: texts('Groups for accounts that are made as needed.'),
  host_sudoers: texts('Lines for the sudoers file of such accounts.', 4096),
  rules: s.optional(
    s.list(rule, { max: 1000, description: 'What may be done with resources of the cluster.' }),
  ),
  impersonate: s.optional(s.object({ users: texts(), roles: texts(), where: where('') })),
  request: s.optional(request),
  review_requests: s.optional(reviewRequests),
  join_sessions: s.optional(s.list(joinPolicy, { max: 256 })),
  require_session_join: s.optional(s.list(requireJoin, { max: 256 })),
  spiffe: s.optional(s.list(spiffe, { max: 256 })),
  namespaces: s.optional(
    s.list(s.enumOf(['default', '*']), {
      single: true,
      description: 'Accepted for older files; has no effect.',
    }),
  ),
});
