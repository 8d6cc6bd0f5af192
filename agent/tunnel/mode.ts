// Whether a host needs tunnels: one that was given the address of a proxy does, one that reaches the auth service itself
// is dialed by the proxies.
import { backoffMs } from '#client/member/backoff.ts';
import type { Environment } from '#client/outbound/http-proxy.ts';
import { findProxy, type FoundProxy } from '#client/outbound/web-port.ts';
import { sleep, type Clock } from '#core/clock.ts';

const BACKOFF = { firstMs: 500, maxMs: 10_000 };

export interface TunnelModeOptions {
  readonly clock: Clock;
  readonly environment: Environment;
  /** `host:port` of the configuration. */
  readonly addresses: readonly string[];
  readonly signal: AbortSignal;
  /** For tests. */
  readonly find?: (address: string) => Promise<FoundProxy | undefined>;
}

/**
 * True when one of the addresses is a proxy, false when others answer; asks until somebody does. Rejects with the
 * signal's reason.
 */
export async function needsTunnels(options: TunnelModeOptions): Promise<boolean> {
  const { clock, environment, addresses, signal } = options;
  const find = options.find ?? ((address) => findProxy(address, { environment, signal }));
  for (let failures = 1; ; failures++) {
    let isAnswered = false;
    for (const address of addresses) {
      try {
        if ((await find(address)) !== undefined) return true;
        isAnswered = true;
      } catch {
        // Another address may answer.
      }
    }
    if (isAnswered) return false;
    await sleep(clock, backoffMs(BACKOFF, failures), signal);
  }
}
