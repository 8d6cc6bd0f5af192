// From `auth_service:` and the storage settings to what the auth service is started with.
import { effectiveSecondFactor } from '#core/cluster-settings.ts';
import { parseAddress } from './address.ts';
import type { AuthConfig, SettingKind, StorageConfig } from './config.ts';
import type { FileContents } from './file.ts';
import type { Findings } from './findings.ts';
import { given } from './given.ts';
import { PORTS } from './ports.ts';
import type { AuthSection } from './sections/auth.ts';
import { parseStaticToken } from './tokens.ts';

const EMBEDDED_STORES = ['sqlite', 'dir', 'memory'];
const KNOWN_SINKS = /^(?:file|stdout):\/\//;

export function buildAuth(file: FileContents, findings: Findings): AuthConfig {
  const section: AuthSection = file.auth ?? {};
  const { storage, ca_signature_algo } = file.global;
  const at = (...path: (string | number)[]) => ['auth_service', ...path];
  const listen = section.listen_addr ?? '0.0.0.0';
  const listenAddr = findings.attempt(at('listen_addr'), () =>
    parseAddress(listen, PORTS.auth, '0.0.0.0'),
  ) ?? {
    host: '0.0.0.0',
    port: PORTS.auth,
  };
  noticeAuth(section, findings);
  return given({
    listenAddr,
    publicAddrs: findings.attemptAll(at('public_addr'), section.public_addr, (text) =>
      parseAddress(text, listenAddr.port),
    ),
    clusterName: section.cluster_name,
    tokens: findings.attemptAll(at('tokens'), section.tokens, parseStaticToken),
    storage: buildStorage(file, findings),
    audit: given({
      eventsUris: storage?.audit_events_uri ?? [],
      sessionsUri: isFolder(storage?.audit_sessions_uri) ? storage?.audit_sessions_uri : undefined,
    }),
    caSignatureAlgo: ca_signature_algo,
    settings: buildSettings(section, findings),
  });
}

function buildStorage(file: FileContents, findings: Findings): StorageConfig {
  const { audit_events_uri, audit_sessions_uri, type = 'sqlite', ...options } = file.global.storage ?? {};
  const at = (...path: (string | number)[]) => [file.top, 'storage', ...path];
  if (!EMBEDDED_STORES.includes(type)) {
    findings.notice(
      at('type'),
      `${type} is not part of this release; the auth service will not start with it`,
    );
  }
  if (type === 'memory') findings.notice(at('type'), 'memory forgets the whole cluster at each restart');
  (audit_events_uri ?? []).forEach((uri, index) => {
    if (KNOWN_SINKS.test(uri)) return;
    const scheme = /^[a-z0-9+]{1,32}:/i.exec(uri)?.[0];
    if (scheme === undefined) {
      findings.problem(at('audit_events_uri', index), 'must begin with file:// or be stdout://');
    } else {
      findings.notice(
        at('audit_events_uri', index),
        `${scheme}// is not part of this release; the auth service will not start with it`,
      );
    }
  });
  if (audit_sessions_uri !== undefined && !isFolder(audit_sessions_uri)) {
    findings.notice(
      at('audit_sessions_uri'),
      'session recordings are kept in log/sessions of the data directory: this release knows no other place than a folder (file:///path)',
    );
  }
  const upper = (text: string | undefined, key: string): object =>
    text === undefined ? {} : { [key]: text.toUpperCase() };
  return { type, ...options, ...upper(options.sync, 'sync'), ...upper(options.journal, 'journal') };
}

/** `file:///path`, or a path. */
const isFolder = (uri: string | undefined): boolean => uri !== undefined && /^(?:file:\/\/)?\/./.test(uri);

function noticeAuth(section: AuthSection, findings: Findings): void {
  const { authentication = {}, access_monitoring, license_file } = section;
  const at = (...path: string[]) => ['auth_service', ...path];
  if (license_file !== undefined) findings.notice(at('license_file'), 'no license is needed; it is ignored');
  if (access_monitoring?.enabled === true) {
    findings.notice(at('access_monitoring'), 'access monitoring is not part of this release; it is ignored');
  }
  noticeLogin(authentication, findings);
}

function noticeLogin(login: NonNullable<AuthSection['authentication']>, findings: Findings): void {
  const at = (...path: string[]) => ['auth_service', 'authentication', ...path];
  const { second_factor: factor, require_session_mfa, device_trust, type = 'local' } = login;
  if (factor !== undefined && effectiveSecondFactor(factor) === undefined) {
    findings.notice(
      at('second_factor'),
      `hardware keys (${factor}) are not part of this release, and nothing weaker is taken in their place: users can log in once it is otp or on`,
    );
  }
  if (require_session_mfa !== undefined && require_session_mfa !== false) {
    findings.notice(
      at('require_session_mfa'),
      'a second factor for each session is not part of this release; logins ask for it, sessions do not',
    );
  }
  if ((device_trust?.mode ?? 'off') !== 'off') {
    findings.notice(at('device_trust'), 'device trust is not part of this release; it is ignored');
  }
  if (type !== 'local') {
    findings.notice(
      at('type'),
      `single sign-on (${type}) is not part of this release: users can log in once it is local`,
    );
  }
}

/** Only what the file sets, so that the rest stays as an admin set it with gatectl. */
function buildSettings(section: AuthSection, findings: Findings): AuthConfig['settings'] {
  const { authentication: login = {} } = section;
  if (login.second_factor === 'u2f' && login.u2f === undefined) {
    findings.problem(
      ['auth_service', 'authentication', 'u2f'],
      'is required with second_factor u2f: give app_id',
    );
  }
  if (login.second_factor === 'webauthn' && login.webauthn === undefined) {
    findings.problem(
      ['auth_service', 'authentication', 'webauthn'],
      'is required with second_factor webauthn: give rp_id',
    );
  }
  const { local_auth, passwordless, headless, ...same } = login;
  const all: Record<SettingKind, Record<string, unknown>> = {
    cluster_auth_preference: given({
      ...same,
      allow_local_auth: local_auth,
      allow_passwordless: passwordless,
      allow_headless: headless,
      disconnect_expired_cert: section.disconnect_expired_cert,
      message_of_the_day: section.message_of_the_day,
    }),
    cluster_networking_config: given({
      client_idle_timeout: section.client_idle_timeout,
      client_idle_timeout_message: section.client_idle_timeout_message,
      web_idle_timeout: section.web_idle_timeout,
      keep_alive_interval: section.keep_alive_interval,
      keep_alive_count_max: section.keep_alive_count_max,
      session_control_timeout: section.session_control_timeout,
      proxy_listener_mode: section.proxy_listener_mode,
      routing_strategy: section.routing_strategy,
      case_insensitive_routing: section.case_insensitive_routing,
      tunnel_strategy: section.tunnel_strategy,
    }),
    session_recording_config: given({
      mode: section.session_recording,
      proxy_checks_host_keys: section.proxy_checks_host_keys,
    }),
  };
  const settings: Partial<Record<SettingKind, Record<string, unknown>>> = {};
  for (const [kind, fields] of Object.entries(all) as [SettingKind, Record<string, unknown>][]) {
    if (Object.keys(fields).length > 0) settings[kind] = fields;
  }
  return settings;
}
