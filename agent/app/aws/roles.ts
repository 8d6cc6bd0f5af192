// Credentials of a role for a person: by the agent's own credentials, or by a token of the cluster (`aws.oidc`). Apart from
// who uses them, because what stays inside and what is handed out have different lives (S16).
import type { Clock } from '#core/clock.ts';
import { GatehouseError } from '#core/errors/error.ts';
import type { AwsCredentials, AwsCredentialsSource } from '../../aws/credentials.ts';
import type { AppTokens } from '../http/tokens.ts';
import type { AwsDialer } from './endpoints.ts';
import type { Visit } from './visit.ts';
import { openWebIdentity } from './web-identity.ts';

/** The shortest that AWS gives credentials for. */
export const MIN_SECONDS = 900;
const MAX_SECONDS = 12 * 3600;
const USUAL_SECONDS = 3600;

export interface RoleSource {
  /** For requests that the agent signs; kept and used for all connections of the person. */
  forSigning(visit: Visit): Promise<AwsCredentials>;
  /** For the console and for programs; INVALID_CREDENTIALS when the certificate ends before any that AWS gives. */
  toGiveAway(visit: Visit): Promise<AwsCredentials>;
}

export function openRoleSource(options: {
  readonly credentials: AwsCredentialsSource;
  readonly tokens: AppTokens;
  readonly dialer: AwsDialer;
  readonly clock: Clock;
}): RoleSource {
  const webIdentity = openWebIdentity(options);
  const get = (visit: Visit, durationSeconds: number): Promise<AwsCredentials> => {
    const { role, sessionName, app } = visit;
    if (app.spec.aws?.oidc === true) return webIdentity.get(visit, durationSeconds);
    const externalId = app.spec.aws?.external_id;
    return options.credentials.get({
      assumeRoleArn: role.arn,
      sessionName,
      durationSeconds,
      ...(externalId === undefined || externalId === '' ? {} : { externalId }),
    });
  };
  return {
    forSigning: (visit) => get(visit, signingSeconds(visit.left)),
    async toGiveAway(visit) {
      const seconds = Math.floor(visit.left / 60_000) * 60;
      if (seconds < MIN_SECONDS)
        throw new GatehouseError(
          'INVALID_CREDENTIALS',
          'your login ends in less than 15 minutes, the shortest time that AWS gives access for; log in again',
        );
      return get(visit, Math.min(seconds, MAX_SECONDS));
    },
  };
}

/** Few different values, so that what is kept serves many connections. */
function signingSeconds(left: number): number {
  const quarters = Math.floor(left / 1000 / MIN_SECONDS);
  return Math.min(Math.max(quarters, 1) * MIN_SECONDS, USUAL_SECONDS);
}
