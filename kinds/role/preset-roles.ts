// The roles that every cluster starts with, as documents of the kind. What each is for stands in its description.
// Changing one here changes it in clusters where nobody touched it; see presets.ts.

const EVERY_VERB = ['list', 'create', 'read', 'update', 'delete'];
const ANY = { '*': ['*'] };

/** Whoever a user may be on targets comes from the traits of the user. */
const OWN_ACCOUNTS = {
  logins: ['{{internal.logins}}'],
  windows_desktop_logins: ['{{internal.windows_logins}}'],
  db_users: ['{{internal.db_users}}'],
  db_names: ['{{internal.db_names}}'],
  db_roles: ['{{internal.db_roles}}'],
  kubernetes_users: ['{{internal.kubernetes_users}}'],
  kubernetes_groups: ['{{internal.kubernetes_groups}}'],
  aws_role_arns: ['{{internal.aws_role_arns}}'],
  azure_identities: ['{{internal.azure_identities}}'],
  gcp_service_accounts: ['{{internal.gcp_service_accounts}}'],
};

const EVERY_TARGET = {
  node_labels: ANY,
  app_labels: ANY,
  db_labels: ANY,
  kubernetes_labels: ANY,
  windows_desktop_labels: ANY,
};

const EDITABLE = [
  'user',
  'role',
  'token',
  'lock',
  'auth_connector',
  'oidc',
  'saml',
  'github',
  'trusted_cluster',
  'remote_cluster',
  'cluster_auth_preference',
  'cluster_name',
  'cluster_networking_config',
  'session_recording_config',
  'cluster_audit_config',
  'cluster_maintenance_config',
  'network_restrictions',
  'ui_config',
  'login_rule',
  'node',
  'app',
  'app_server',
  'db',
  'db_server',
  'kube_cluster',
  'windows_desktop',
  'device',
  'installer',
];

interface PresetDocument {
  readonly name: string;
  readonly description: string;
  readonly spec: object;
}

export const PRESET_DOCUMENTS: readonly PresetDocument[] = [
  {
    name: 'admin',
    description: 'Everything: all resources, and all targets with the accounts in the traits of the user',
    spec: {
      options: { forward_agent: true },
      allow: {
        ...OWN_ACCOUNTS,
        ...EVERY_TARGET,
        cluster_labels: ANY,
        group_labels: ANY,
        db_service_labels: ANY,
        rules: [{ resources: ['*'], verbs: ['*'] }],
      },
    },
  },
  {
    name: 'access',
    description: 'All targets, with the accounts in the traits of the user',
    spec: {
      options: { forward_agent: true },
      allow: {
        ...OWN_ACCOUNTS,
        ...EVERY_TARGET,
        rules: [
          {
            resources: ['event'],
            verbs: ['list', 'read'],
            where: 'contains(session.participants, user.metadata.name)',
          },
          {
            resources: ['session'],
            verbs: ['list', 'read'],
            where: 'contains(session.participants, user.metadata.name)',
          },
        ],
      },
    },
  },
  {
    name: 'editor',
    description: 'The configuration of the cluster, but no targets',
    spec: { allow: { rules: [{ resources: EDITABLE, verbs: EVERY_VERB }] } },
  },
  {
    name: 'auditor',
    description: 'Audit log, session recordings and access monitoring, read only',
    spec: {
      allow: {
        rules: [
          { resources: ['session', 'session_tracker', 'event'], verbs: ['list', 'read'] },
          { resources: ['security_report', 'audit_query'], verbs: ['list', 'read', 'use'] },
          { resources: ['cluster_audit_config', 'session_recording_config'], verbs: ['read'] },
          { resources: ['instance'], verbs: ['list', 'read'] },
        ],
      },
    },
  },
  {
    name: 'requester',
    description: 'May ask for the role access for a while',
    spec: {
      allow: {
        request: { roles: ['access'], search_as_roles: ['access'] },
        rules: [{ resources: ['access_request'], verbs: ['list', 'read', 'create'] }],
      },
    },
  },
  {
    name: 'reviewer',
    description: 'May approve or deny requests for the role access',
    spec: {
      allow: {
        review_requests: { roles: ['access'], preview_as_roles: ['access'] },
        rules: [{ resources: ['access_request'], verbs: ['list', 'read', 'update'] }],
      },
    },
  },
];
