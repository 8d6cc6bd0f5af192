// The words that rules use for what they speak of, as far as they are known: the kinds of this release and those of
// other programs that share the format. Others are let through, since a role may be older or newer than this list; but
// the plural of a known word would grant nothing, and on the deny side take nothing away, so it is refused.

export const RESOURCE_WORDS: ReadonlySet<string> = new Set([
  'access_list',
  'access_request',
  'app',
  'app_server',
  'audit_query',
  'auth_connector',
  'auth_server',
  'bot',
  'cert_authority',
  'cluster_audit_config',
  'cluster_auth_preference',
  'cluster_maintenance_config',
  'cluster_name',
  'cluster_networking_config',
  'connection_diagnostic',
  'db',
  'db_server',
  'db_service',
  'device',
  'event',
  'github',
  'installer',
  'instance',
  'integration',
  'kube_cluster',
  'kube_server',
  'license',
  'lock',
  'login_rule',
  'network_restrictions',
  'node',
  'oidc',
  'okta_assignment',
  'plugin',
  'proxy',
  'remote_cluster',
  'role',
  'saml',
  'saml_idp_service_provider',
  'security_report',
  'semaphore',
  'session',
  'session_recording_config',
  'session_tracker',
  'ssh_session',
  'token',
  'trusted_cluster',
  'tunnel',
  'ui_config',
  'user',
  'user_group',
  'web_session',
  'windows_desktop',
  'windows_desktop_service',
]);

/** The word that was meant when `word` is the plural of a known one. */
export function singularOf(word: string): string | undefined {
  if (RESOURCE_WORDS.has(word)) return undefined;
  return [word.replace(/s$/, ''), word.replace(/ies$/, 'y')].find(
    (candidate) => candidate !== word && RESOURCE_WORDS.has(candidate),
  );
}
