// What a member of the cluster may do on a connection to the SSH side of the proxy: an agent makes it its tunnel, another
// proxy asks for agents whose tunnels end here. A member of both roles may do both; nobody else anything.
import { isCode } from '#core/errors/error.ts';
import type { HostIdentity } from '#core/identity.ts';
import { ChannelPort, spliceChannels } from '#wire/splice-channel.ts';
import type { ConnectionHandlers, IncomingChannel, SshConnection } from '#wire/ssh/ssh.ts';
import { PEER_CHANNEL, peerDial, TUNNEL_REQUEST, tunnelHello, tunnelWelcome } from '#wire/tunnel/protocol.ts';
import type { NewTunnel, TunnelRequest } from '../tunnel/registry.ts';

/** RFC 4254 5.1. */
const PROHIBITED = 1;
const CONNECT_FAILED = 2;

export interface HostContext {
  readonly identity: HostIdentity;
  readonly connection: SshConnection;
  readonly stream: NewTunnel['stream'];
  /** Of this proxy. */
  readonly hostId: () => string;
  readonly tunnels: {
    add(tunnel: NewTunnel): void;
    dial(hostId: string, request: TunnelRequest): Promise<ChannelPort>;
  };
}

export function hostHandlers(context: HostContext): ConnectionHandlers {
  let isTunnel = false;
  return {
    onRequest(name, payload) {
      const mayBeTunnel = context.identity.roles.some((role) => role !== 'proxy' && role !== 'auth');
      if (name !== TUNNEL_REQUEST || isTunnel || !mayBeTunnel) return false;
      const services = servicesOf(payload);
      if (services === undefined) return false;
      isTunnel = true;
      const { connection, stream, identity, tunnels, hostId } = context;
      tunnels.add({ hostId: identity.host_id, connection, stream, services });
      return tunnelWelcome.encode({ proxy_id: hostId() });
    },
    onChannel(opening) {
      const isPeer = context.identity.roles.includes('proxy');
      if (opening.type === PEER_CHANNEL && isPeer) void openForPeer(context, opening);
      else opening.reject(PROHIBITED, 'a member of the cluster opens no such channel');
    },
  };
}

function servicesOf(payload: Uint8Array): readonly string[] | undefined {
  try {
    return tunnelHello.decode(payload).services;
  } catch {
    return undefined;
  }
}

/** Only to tunnels of this proxy: peers do not pass on what peers ask. */
async function openForPeer({ tunnels }: HostContext, opening: IncomingChannel): Promise<void> {
  try {
    const { target, ...request } = peerDial.decode(opening.payload);
    const far = await tunnels.dial(target, request);
    const near = new ChannelPort();
    const channel = opening.accept(near);
    if (channel.isOpen) spliceChannels(near.bind(channel), far);
    else far.drop();
  } catch (error) {
    opening.reject(CONNECT_FAILED, isCode(error) ? error.message : 'the proxy failed to open the connection');
  }
}
