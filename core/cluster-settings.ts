// The closed sets of words in cluster-wide settings, and the form of a cluster name.
// Here because both the config file and the resources of the same settings speak them.
import type { Format } from './schema/schema.ts';

export const AUTHENTICATION_TYPES = ['local', 'github', 'oidc', 'saml', 'false'] as const;
export const SECOND_FACTORS = ['off', 'otp', 'webauthn', 'u2f', 'on', 'optional'] as const;
export const LOCKING_MODES = ['strict', 'best_effort'] as const;
export const RECORDING_MODES = ['node', 'proxy', 'node-sync', 'proxy-sync', 'off'] as const;
export const LISTENER_MODES = ['separate', 'multiplex'] as const;
export const ROUTING_STRATEGIES = ['unambiguous_match', 'most_recent'] as const;
export const TUNNEL_STRATEGIES = ['agent_mesh', 'proxy_peering'] as const;

export type SecondFactor = (typeof SECOND_FACTORS)[number];
export type RecordingMode = (typeof RECORDING_MODES)[number];

/** Host names of members end in the cluster name, so it is a DNS name and leaves room for a host id. */
const MAX_CLUSTER_NAME = 190;
const DNS_LABEL = /^[A-Za-z0-9](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9])?$/;

export const clusterNameFormat: Format = {
  says: `a DNS name such as staging.example.com (letters, digits, "-" and ".", at most ${MAX_CLUSTER_NAME} characters)`,
  accepts: (text) =>
    text.length <= MAX_CLUSTER_NAME && text.split('.').every((label) => DNS_LABEL.test(label)),
};

/**
 * What a login asks for besides the password. Undefined where a cluster asks for hardware keys and nothing else: they
 * are not there yet, and neither a one-time code nor nothing takes their place, so there is no login.
 */
export function effectiveSecondFactor(setting: SecondFactor): 'off' | 'otp' | 'optional' | undefined {
  switch (setting) {
    case 'off':
    case 'optional':
    case 'otp':
      return setting;
    case 'on':
      return 'otp';
    case 'webauthn':
    case 'u2f':
      return undefined;
  }
}
