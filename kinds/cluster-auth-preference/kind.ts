// How users prove who they are: one record per cluster, `cap` for short. The config file of the auth service can
// set the same fields.
import {
  AUTHENTICATION_TYPES,
  effectiveSecondFactor,
  LOCKING_MODES,
  SECOND_FACTORS,
} from '#core/cluster-settings.ts';
import { defineKind } from '#core/kind.ts';
import type { Resource } from '#core/resource.ts';
import type { Problem } from '#core/schema/check.ts';
import * as s from '#core/schema/schema.ts';

const webauthn = s.object({
  rp_id: s.string({ minLength: 1, maxLength: 253, description: 'Domain name that the keys are bound to.' }),
  attestation_allowed_cas: s.optional(s.list(s.string(), { single: true, max: 64 })),
  attestation_denied_cas: s.optional(s.list(s.string(), { single: true, max: 64 })),
});

const u2f = s.object({
  app_id: s.string({ minLength: 1, maxLength: 2048, description: 'URL of the web door.' }),
  facets: s.withDefault(s.list(s.string({ maxLength: 2048 }), { single: true, max: 64 }), []),
  device_attestation_cas: s.optional(s.list(s.string(), { single: true, max: 64 })),
});

const deviceTrust = s.object({
  mode: s.withDefault(s.enumOf(['off', 'optional', 'required']), 'off'),
  auto_enroll: s.optional(s.boolean()),
});

const spec = s.object({
  type: s.withDefault(s.enumOf(AUTHENTICATION_TYPES, { description: 'Where users come from.' }), 'local'),
  second_factor: s.withDefault(
    s.enumOf(SECOND_FACTORS, { description: 'What is asked for besides the password.' }),
    'otp',
  ),
  webauthn: s.optional(webauthn),
  u2f: s.optional(u2f),
  connector_name: s.optional(s.string({ maxLength: 253, description: 'The connector to log in with.' })),
  allow_local_auth: s.withDefault(s.boolean({ description: 'Local users may log in.' }), true),
  allow_passwordless: s.optional(s.boolean()),
  allow_headless: s.optional(s.boolean()),
  require_session_mfa: s.withDefault(
    s.choice([s.boolean(), s.enumOf(['hardware_key', 'hardware_key_touch'])], {
      description: 'Each session asks for the second factor again.',
    }),
    false,
  ),
  disconnect_expired_cert: s.withDefault(
    s.boolean({ description: 'Sessions end when the certificate that opened them does.' }),
    false,
  ),
  locking_mode: s.withDefault(
    s.enumOf(LOCKING_MODES, {
      description: 'Whether sessions are refused (strict) or let through when locks may be out of date.',
    }),
    'best_effort',
  ),
  message_of_the_day: s.optional(s.string({ maxLength: 65_536, description: 'Shown before each login.' })),
  device_trust: s.optional(deviceTrust),
  default_session_ttl: s.withDefault(
    s.duration({ minMs: 60_000, description: 'How long a login lasts unless a role or the user says less.' }),
    '12h',
  ),
  signature_algorithm_suite: s.optional(
    s.enumOf(['legacy', 'balanced-v1', 'fips-v1', 'hsm-v1'], { description: 'Kept for older files.' }),
  ),
});

export type AuthPreferenceSpec = s.Infer<typeof spec>;

export const authPreferenceKind = defineKind<AuthPreferenceSpec>({
  name: 'cluster_auth_preference',
  aliases: ['cap', 'auth_preference'],
  description: 'How users of the cluster prove who they are.',
  versions: ['v1', 'v2'],
  singleton: 'cluster-auth-preference',
  spec,
  columns: [
    { title: 'Type', value: (record) => record.spec.type },
    { title: 'Second Factor', value: (record) => record.spec.second_factor },
    { title: 'Locking Mode', value: (record) => record.spec.locking_mode },
  ],
  check: checkPreference,
});

function checkPreference({ spec: preference }: Resource<AuthPreferenceSpec>): Problem[] {
  const problems: Problem[] = [];
  if (preference.second_factor === 'webauthn' && preference.webauthn === undefined) {
    problems.push({
      path: ['spec', 'webauthn'],
      message: 'is required with second_factor webauthn: give rp_id, the domain name of the cluster',
    });
  }
  if (preference.second_factor === 'u2f' && preference.u2f === undefined) {
    problems.push({
      path: ['spec', 'u2f'],
      message: 'is required with second_factor u2f: give app_id, the https URL of the cluster',
    });
  }
  if (preference.require_session_mfa !== false && effectiveSecondFactor(preference.second_factor) === 'off') {
    problems.push({
      path: ['spec', 'require_session_mfa'],
      message: 'needs a second factor, but second_factor is off',
    });
  }
  return problems;
}
