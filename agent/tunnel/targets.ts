// Where a proxy may be dialed for a tunnel, and how: SSH on its tunnel port, SSH on its web port, or a stream through the
// web port where a balancer ends TLS. What worked last is tried first. Pure but for what it remembers.
import type { FoundProxy } from '#client/outbound/web-port.ts';
import type { Resource } from '#core/resource.ts';
import type { ProxySpec } from '#kinds/proxy/kind.ts';

export interface TunnelTarget {
  /** `host:port`. */
  readonly address: string;
  readonly way: 'ssh' | 'upgrade';
}

/** Of a proxy that announced itself. */
export function targetsOfProxy({ spec }: Resource<ProxySpec>): readonly TunnelTarget[] {
  const tunnel = spec.tunnel_addrs.map((address) => ({ address, way: 'ssh' }) as const);
  return distinct([...tunnel, ...spec.public_addrs.flatMap((address) => both(address))]);
}

/** Of a configured address, by what answers there. Nothing for one that is no proxy. */
export function targetsOfAddress(address: string, found: FoundProxy | undefined): readonly TunnelTarget[] {
  if (found === undefined) return [];
  const { tunnelAddress, endsTls } = found;
  const tunnel: TunnelTarget[] = tunnelAddress === undefined ? [] : [{ address: tunnelAddress, way: 'ssh' }];
  const web = both(address);
  return distinct(endsTls ? [...tunnel, ...web] : [...web.toReversed(), ...tunnel]);
}

const both = (address: string): readonly TunnelTarget[] => [
  { address, way: 'ssh' },
  { address, way: 'upgrade' },
];

const keyOf = ({ way, address }: TunnelTarget): string => `${way} ${address}`;

function distinct(targets: readonly TunnelTarget[]): readonly TunnelTarget[] {
  return [...new Map(targets.map((target) => [keyOf(target), target])).values()];
}

/** Which targets failed last time: a firewall that lets one port through is learned once. */
export class TargetMemory {
  readonly #failures = new Map<string, number>();

  note(target: TunnelTarget, isReached: boolean): void {
    if (isReached) this.#failures.delete(keyOf(target));
    else this.#failures.set(keyOf(target), (this.#failures.get(keyOf(target)) ?? 0) + 1);
  }

  /** Those without failures first, in their own order; then by how often they failed. */
  sort(targets: readonly TunnelTarget[]): readonly TunnelTarget[] {
    const failures = (target: TunnelTarget): number => this.#failures.get(keyOf(target)) ?? 0;
    return targets.toSorted((a, b) => failures(a) - failures(b));
  }
}
