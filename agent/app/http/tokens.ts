// The tokens by which applications know who comes: made by auth, asked for once for each session, and kept for their
// life. Apart from the engine, because AWS applications take such tokens as well.
import { appToken, type TOKEN_PURPOSES } from '#core/api/web-sessions.ts';
import type { Clock } from '#core/clock.ts';
import { isCode } from '#core/errors/error.ts';
import type { Log } from '#core/log.ts';
import type { Membership } from '#client/member/membership.ts';

export interface AppTokens {
  /**
   * A token for who holds the certificate (DER); undefined while auth cannot be reached. Rejects as auth refuses:
   * ACCESS_DENIED, CERTIFICATE_INVALID, LOCKED.
   */
  get(certificate: Uint8Array, purpose?: (typeof TOKEN_PURPOSES)[number]): Promise<AppToken | undefined>;
}

export interface AppToken {
  readonly token: string;
  /** When to ask for another one, milliseconds since the epoch. */
  readonly until: number;
}

/** A token is asked for anew so long before its end. */
const EARLY_MS = 60_000;
const MOST_KEPT = 10_000;
const AGAIN_MS = 5000;

export function openAppTokens(options: {
  readonly clock: Clock;
  readonly log: Log;
  readonly membership: Pick<Membership, 'api'>;
}): AppTokens {
  const { clock, log, membership } = options;
  const kept = new Map<string, AppToken>();
  const asking = new Map<string, Promise<AppToken | undefined>>();
  let askAgainAt = 0;
  const find = (key: string): AppToken | undefined => {
    const found = kept.get(key);
    return found !== undefined && found.until > clock.now() ? found : undefined;
  };
  const ask = async (
    key: string,
    certificate: Uint8Array,
    purpose: 'app' | 'aws',
  ): Promise<AppToken | undefined> => {
    if (clock.now() < askAgainAt) return undefined;
    try {
      const { token, expires } = await membership
        .api()
        .call(appToken, { certificate: Buffer.from(certificate).toString('base64'), purpose });
      if (kept.size >= MOST_KEPT) forgetOld(kept, clock.now());
      // In the last minute of a session there is no later one to ask for.
      const until = Math.max(Date.parse(expires) - EARLY_MS, clock.now() + AGAIN_MS);
      const made = { token, until };
      kept.set(key, made);
      return made;
    } catch (error) {
      if (!isCode(error, 'UNAVAILABLE')) throw error;
      log.warn({ err: error }, 'auth cannot be reached for the token of an application; requests go without');
      askAgainAt = clock.now() + AGAIN_MS;
      return undefined;
    }
  };
  return {
    async get(certificate, purpose = 'app') {
      const key = keyOf(certificate, purpose);
      const found = find(key);
      if (found !== undefined) return found;
      const running = asking.get(key) ?? ask(key, certificate, purpose).finally(() => asking.delete(key));
      asking.set(key, running);
      return running;
    },
  };
}

const keyOf = (certificate: Uint8Array, purpose: string): string =>
  `${purpose} ${Buffer.from(certificate).toString('base64')}`;

function forgetOld(kept: Map<string, AppToken>, now: number): void {
  for (const [key, { until }] of kept) if (until <= now) kept.delete(key);
  const [first] = kept.keys();
  if (kept.size >= MOST_KEPT && first !== undefined) kept.delete(first);
}
