// Agents by their tunnels: the one that ends here, else the one at another proxy. For services that are reached by tunnels
// alone.
import { isCode } from '#core/errors/error.ts';
import type { ChannelPort } from '#wire/splice-channel.ts';
import type { Peers } from '../peer/peers.ts';
import type { TunnelRegistry, TunnelRequest } from './registry.ts';

export interface AgentDialer {
  /** A tunnel of the host ends at this proxy. */
  has(hostId: string): boolean;
  /** Errors as TunnelRegistry.dial and Peers.dial: what went wrong here is told when no other proxy has a tunnel. */
  dial(hostId: string, proxyIds: readonly string[], request: TunnelRequest): Promise<ChannelPort>;
}

export function agentDialer(
  tunnels: Pick<TunnelRegistry, 'has' | 'dial'>,
  peers: Pick<Peers, 'dial'>,
): AgentDialer {
  return {
    has: (hostId) => tunnels.has(hostId),
    async dial(hostId, proxyIds, request) {
      try {
        return await tunnels.dial(hostId, request);
      } catch (error) {
        // It was asked and gave no answer: another proxy would ask the same host.
        if (!isCode(error, 'NOT_FOUND')) throw error;
        return await peers.dial(hostId, proxyIds, request);
      }
    },
  };
}
