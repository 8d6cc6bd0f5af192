// The ways to a node that was chosen, tried in order: its tunnel at this proxy, its tunnel at another proxy, its address.
// Which of them come first is what the node says of itself; the error says what was tried.
import { formatAddress, parseAddress } from '#config/address.ts';
import type { Clock } from '#core/clock.ts';
import { GatehouseError, isCode } from '#core/errors/error.ts';
import type { Log } from '#core/log.ts';
import { writeRelayHeader } from '#core/relay-header.ts';
import type { CertifiedKey } from '#wire/host-keys.ts';
import type { ChannelPort } from '#wire/splice-channel.ts';
import type { TunnelRequest } from '../tunnel/registry.ts';
import { dialNode, type Resolve } from './dial-node.ts';
import type { DialRules } from './dial-policy.ts';
import type { Link } from './link.ts';
import type { RouteNode } from './resolve.ts';

const PLAIN_SSH_PORT = 22;

export interface ReachOptions {
  readonly clock: Clock;
  readonly log: Log;
  readonly tunnels: { dial(hostId: string, request: TunnelRequest): Promise<ChannelPort> };
  readonly peers: {
    dial(hostId: string, proxyIds: readonly string[], request: TunnelRequest): Promise<ChannelPort>;
  };
  /** This proxy, and what it signs relay headers with. */
  readonly hostId: () => string;
  readonly key: () => CertifiedKey;
  readonly dialTimeoutMs: () => number;
  /** Nodes that announce loopback addresses are dialed: only where nothing of this cluster has another address. */
  readonly allowsLoopback: boolean;
  readonly resolve?: Resolve;
}

interface Way {
  readonly says: string;
  readonly open: () => Promise<Link>;
}

/** UNAVAILABLE names the node and what was tried. `client` is `ip:port`. */
export async function reachNode(node: RouteNode, client: string, options: ReachOptions): Promise<Link> {
  const tried: string[] = [];
  for (const way of waysTo(node, client, options)) {
    try {
      return await way.open();
    } catch (error) {
      if (!isCode(error))
        options.log.error({ err: error, hostId: node.metadata.name }, 'a dial failed unexpectedly');
      tried.push(`${way.says}: ${isCode(error) ? error.message : 'failed'}`);
    }
  }
  const all = tried.length === 0 ? 'it has announced neither an address nor a tunnel' : tried.join('; ');
  throw new GatehouseError('UNAVAILABLE', `cannot reach ${node.spec.hostname}: ${all}`);
}

function waysTo(node: RouteNode, client: string, options: ReachOptions): Way[] {
  const { tunnels, peers } = options;
  const { use_tunnel: usesTunnel, proxy_ids: proxyIds = [], addr } = node.spec;
  const request: TunnelRequest = { service: 'ssh', client };
  const id = node.metadata.name;
  const channel = (port: ChannelPort): Link => ({ is: 'channel', port });
  const byTunnel: Way = { says: 'tunnel', open: async () => channel(await tunnels.dial(id, request)) };
  const byPeer: Way = {
    says: 'other proxies',
    open: async () => channel(await peers.dial(id, proxyIds, request)),
  };
  // Behind a NAT an address may be that of somebody else's machine, so a node with tunnels is reached by those alone.
  if (usesTunnel || addr === '') return [byTunnel, byPeer];
  return [{ says: 'address', open: () => dialAddress(node, client, options) }];
}

async function dialAddress(node: RouteNode, client: string, options: ReachOptions): Promise<Link> {
  const { clock, hostId, key, dialTimeoutMs, allowsLoopback, resolve } = options;
  const isPlain = node.sub_kind === 'openssh';
  const isOwn = node.metadata.name === hostId();
  const rules: DialRules = { allowsLoopback: allowsLoopback || isOwn };
  const { privateKey, certificate } = key();
  const socket = await dialNode({
    address: isPlain ? formatAddress(parseAddress(node.spec.addr, PLAIN_SSH_PORT)) : node.spec.addr,
    rules,
    clock,
    timeoutMs: dialTimeoutMs(),
    // A plain sshd takes no line before its greeting.
    ...(isPlain
      ? {}
      : {
          header: writeRelayHeader({
            client,
            target: node.metadata.name,
            now: clock.now(),
            key: privateKey,
            certificate,
          }),
        }),
    ...(resolve === undefined ? {} : { resolve }),
  });
  return { is: 'socket', socket };
}
