// The schema of `auth_service:`, with the cluster settings that it may set.
import {
  AUTHENTICATION_TYPES,
  clusterNameFormat,
  LISTENER_MODES,
  LOCKING_MODES,
  RECORDING_MODES,
  ROUTING_STRATEGIES,
  SECOND_FACTORS,
  TUNNEL_STRATEGIES,
} from '#core/cluster-settings.ts';
import * as s from '#core/schema/schema.ts';
import { flag, text, time, words } from './fields.ts';

const authentication = s.object({
  type: s.optional(
    s.enumOf(AUTHENTICATION_TYPES, { description: 'Default: local, which is the only one of this release.' }),
  ),
  second_factor: s.optional(s.enumOf(SECOND_FACTORS, { description: 'Default: otp.' })),
  u2f: s.optional(
    s.object({
      app_id: s.string({ minLength: 1, maxLength: 2048 }),
      facets: words(),
      device_attestation_cas: words(),
    }),
  ),
  webauthn: s.optional(
    s.object({
      rp_id: s.string({ minLength: 1, maxLength: 253 }),
      attestation_allowed_cas: words(),
      attestation_denied_cas: words(),
    }),
  ),
  connector_name: text('The connector to log in with.'),
  local_auth: flag('Local users may log in. Default: yes.'),
  passwordless: flag('Accepted; hardware keys are not part of this release.'),
  headless: flag(),
  require_session_mfa: s.optional(s.choice([s.boolean(), s.enumOf(['hardware_key', 'hardware_key_touch'])])),
  locking_mode: s.optional(s.enumOf(LOCKING_MODES, { description: 'Default: best_effort.' })),
  default_session_ttl: time('How long a login lasts. Default: 12h.', 60_000),
  device_trust: s.optional(
    s.object({ mode: s.optional(s.enumOf(['off', 'optional', 'required'])), auto_enroll: flag() }),
  ),
  signature_algorithm_suite: s.optional(s.enumOf(['legacy', 'balanced-v1', 'fips-v1', 'hsm-v1'])),
});

const accessMonitoring = s.object({
  enabled: flag(),
  role_arn: text(),
  report_results: text(),
  workgroup: text(),
});

export const authSection = s.object({
  enabled: flag(),
  cluster_name: s.optional(
    s.string({ format: clusterNameFormat, description: 'Fixed at the first start. Default: an id.' }),
  ),
  listen_addr: text('Default: 0.0.0.0:3025.'),
  public_addr: words('Names and addresses that members use for this server.'),
  tokens: s.optional(
    s.list(s.string({ maxLength: 4096, secret: true }), {
      single: true,
      max: 1024,
      description: 'Join tokens that do not expire: roles, a colon, and the token or the path of its file.',
    }),
  ),
  license_file: text('Accepted and ignored.'),
  authentication: s.optional(authentication),
  message_of_the_day: s.optional(s.string({ description: 'Shown before each login.' })),
  disconnect_expired_cert: flag('Sessions end when the certificate that opened them does. Default: no.'),
  client_idle_timeout: time('Sessions without activity end after this time. Default: never.'),
  client_idle_timeout_message: text('Shown when that happens.'),
  web_idle_timeout: time('The same for the web UI.'),
  keep_alive_interval: time('How often an idle connection is probed. Default: 5m.', 1000),
  keep_alive_count_max: s.optional(s.integer({ min: 1, max: 1000 })),
  session_control_timeout: time('How long session limits may be unknown before sessions end. Default: 2m.'),
  proxy_listener_mode: s.optional(s.enumOf(LISTENER_MODES)),
  routing_strategy: s.optional(s.enumOf(ROUTING_STRATEGIES)),
  case_insensitive_routing: flag('Host names match in any case.'),
  tunnel_strategy: s.optional(
    s.object({
      type: s.optional(s.enumOf(TUNNEL_STRATEGIES)),
      agent_connection_count: s.optional(s.integer({ min: 1, max: 64 })),
    }),
  ),
  session_recording: s.optional(s.enumOf(RECORDING_MODES, { description: 'Default: node.' })),
  proxy_checks_host_keys: flag(),
  access_monitoring: s.optional(accessMonitoring),
});

export type AuthSection = s.Infer<typeof authSection>;
