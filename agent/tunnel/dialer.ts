// How proxies are reached for tunnels: the targets of each, learned from what they announced or from what answers at the
// configured addresses, and a stream to one of them.
import type { Socket } from 'node:net';
import type { Environment } from '#client/outbound/http-proxy.ts';
import { dialTcp } from '#client/outbound/tcp-dial.ts';
import { dialUpgraded, findProxy, type FoundProxy } from '#client/outbound/web-port.ts';
import { UPGRADE_TO_SSH } from '#core/api/web.ts';
import type { Clock } from '#core/clock.ts';
import type { Resource } from '#core/resource.ts';
import type { ProxySpec } from '#kinds/proxy/kind.ts';
import { TargetMemory, targetsOfAddress, targetsOfProxy, type TunnelTarget } from './targets.ts';

const DIAL_MS = 4000;
/** What answers at a configured address is asked again after this. */
const FOUND_MS = 60_000;

export interface TunnelDialerOptions {
  readonly clock: Clock;
  /** Variables of the process: HTTP proxies are named there. */
  readonly environment: Environment;
  /** `host:port` of the configuration; those that are no proxy are passed over. */
  readonly addresses: readonly string[];
  readonly signal: AbortSignal;
  /** For tests: how a target is reached, and what is known of an address. */
  readonly dial?: (target: TunnelTarget) => Promise<Socket>;
  readonly find?: (address: string) => Promise<FoundProxy | undefined>;
}

export class TunnelDialer {
  readonly #options: TunnelDialerOptions;
  readonly #memory = new TargetMemory();
  readonly #found = new Map<string, { readonly at: number; readonly proxy: FoundProxy | undefined }>();

  constructor(options: TunnelDialerOptions) {
    this.#options = options;
  }

  /** Best first; of the configured addresses when `proxy` is not given or has announced none. */
  async targetsOf(proxy: Resource<ProxySpec> | undefined): Promise<readonly TunnelTarget[]> {
    const own = proxy === undefined ? [] : targetsOfProxy(proxy);
    if (own.length > 0) return this.#memory.sort(own);
    const targets: TunnelTarget[] = [];
    for (const address of this.#options.addresses) {
      targets.push(...targetsOfAddress(address, await this.#find(address)));
    }
    return this.#memory.sort(targets);
  }

  /** UNAVAILABLE when it cannot be reached. The caller notes how it went on. */
  async dial(target: TunnelTarget): Promise<Socket> {
    const { environment, signal, dial } = this.#options;
    const options = { environment, signal, timeoutMs: DIAL_MS };
    try {
      if (dial !== undefined) return await dial(target);
      return target.way === 'ssh'
        ? await dialTcp(target.address, options)
        : await dialUpgraded(target.address, UPGRADE_TO_SSH, options);
    } catch (error) {
      this.note(target, false);
      throw error;
    }
  }

  note(target: TunnelTarget, isReached: boolean): void {
    this.#memory.note(target, isReached);
  }

  async #find(address: string): Promise<FoundProxy | undefined> {
    const { clock, environment, signal, find } = this.#options;
    const known = this.#found.get(address);
    if (known !== undefined && clock.now() - known.at < FOUND_MS) return known.proxy;
    try {
      const proxy =
        find === undefined
          ? await findProxy(address, { environment, signal, timeoutMs: DIAL_MS })
          : await find(address);
      this.#found.set(address, { at: clock.now(), proxy });
      return proxy;
    } catch {
      // Nobody answers there now.
      return known?.proxy;
    }
  }
}
