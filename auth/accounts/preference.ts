// How users log in to this cluster, as its settings say. Apart from login.ts because invites ask too. Pure.
import { effectiveSecondFactor } from '#core/cluster-settings.ts';
import { GatehouseError } from '#core/errors/error.ts';
import { parseResource } from '#core/kind.ts';
import type { Resource } from '#core/resource.ts';
import { authPreferenceKind, type AuthPreferenceSpec } from '#kinds/cluster-auth-preference/kind.ts';
import type { ClusterState } from '../state/state.ts';

export function authPreference(state: Pick<ClusterState, 'get'>): AuthPreferenceSpec {
  const stored = state.get(authPreferenceKind.name, 'cluster-auth-preference');
  // The copy holds what parseResource of this kind accepted.
  if (stored !== undefined) return (stored as Resource<AuthPreferenceSpec>).spec;
  return parseResource(authPreferenceKind, { kind: authPreferenceKind.name, spec: {} }).spec;
}

/**
 * What is asked for besides the password, and enrolled with an invite. NOT_SUPPORTED when the cluster wants logins that
 * this release does not offer: a weaker one than was asked for is never taken in its place.
 */
export function requireLoginFactor(preference: AuthPreferenceSpec): 'off' | 'otp' | 'optional' {
  const { type, second_factor, allow_local_auth } = preference;
  if (!allow_local_auth) {
    throw notSupported('local users may not log in to this cluster (allow_local_auth is off)');
  }
  if (type !== 'local') {
    throw notSupported(
      `users of this cluster log in by ${type === 'false' ? 'nothing (type is false)' : type}, and single sign-on is not part of this release; an admin can set the authentication type to local`,
    );
  }
  const factor = effectiveSecondFactor(second_factor);
  if (factor !== undefined) return factor;
  throw notSupported(
    `this cluster asks for hardware keys (second_factor ${second_factor}), which arrive with the web UI; until then an admin can set second_factor to otp or on`,
  );
}

function notSupported(message: string): GatehouseError {
  return new GatehouseError('NOT_SUPPORTED', message);
}
