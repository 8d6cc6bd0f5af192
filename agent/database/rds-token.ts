// Passwords for managed databases of AWS: a request to sign in, signed for fifteen minutes. The same one is used for its
// life, because AWS limits how many different ones a database takes in a second.
import { EMPTY_PAYLOAD_HASH } from '#core/aws/canonical.ts';
import { presignRequest } from '#core/aws/sigv4.ts';
import type { Clock } from '#core/clock.ts';
import type { AwsCredentials } from '../aws/credentials.ts';

export interface RdsLogin {
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly region: string;
}

const LIFE_SECONDS = 900;
const EARLY_MS = 60_000;
const MOST = 4096;

/** One token, valid for 15 minutes from `now` and as long as the credentials are. */
export function rdsToken(
  { host, port, user, region }: RdsLogin,
  credentials: AwsCredentials,
  now: number,
): string {
  const at = `${host}:${port}`;
  const { target } = presignRequest(
    {
      method: 'GET',
      target: `/?Action=connect&DBUser=${encodeURIComponent(user)}`,
      headers: [['Host', at]],
    },
    credentials,
    { service: 'rds-db', region, date: now, payload: EMPTY_PAYLOAD_HASH, expires: LIFE_SECONDS },
  );
  return `${at}${target}`;
}

export class RdsTokens {
  readonly #clock: Clock;
  readonly #kept = new Map<string, { readonly token: string; readonly until: number }>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** A token with at least a minute left. */
  get(login: RdsLogin, credentials: AwsCredentials): string {
    const now = this.#clock.now();
    const key = JSON.stringify([login.host, login.port, login.user, login.region, credentials.accessKeyId]);
    const known = this.#kept.get(key);
    if (known !== undefined && now < known.until) return known.token;
    this.#kept.delete(key);
    const token = rdsToken(login, credentials, now);
    const end = Math.min(now + LIFE_SECONDS * 1000, credentials.expires ?? Number.POSITIVE_INFINITY);
    this.#kept.set(key, { token, until: end - EARLY_MS });
    const [oldest] = this.#kept.keys();
    if (this.#kept.size > MOST && oldest !== undefined) this.#kept.delete(oldest);
    return token;
  }
}
