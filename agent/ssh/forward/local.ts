// Forwards that the client opens (-L, -D, -W): a channel to a host and port, or to a socket of this machine.
import type { Socket } from 'node:net';
import { GatehouseError } from '#core/errors/error.ts';
import { ChannelPort, spliceChannel } from '#wire/splice-channel.ts';
import { directStreamlocal, directTcpip } from '#wire/ssh/payloads.ts';
import type { IncomingChannel } from '#wire/ssh/ssh.ts';
import { asUser } from './as-user.ts';
import { dial } from './dial.ts';
import type { ForwardedTo, ForwardGround } from './ground.ts';

const PROHIBITED = 1;
const CONNECT_FAILED = 2;

/** A channel `direct-tcpip`: dialed by this machine, with what it may reach. */
export function openTcp(ground: ForwardGround, opening: IncomingChannel): void {
  const { host, port } = directTcpip.decode(opening.payload);
  const to: ForwardedTo = { forward: 'local-tcp', addr: host, port };
  void serve(ground, opening, to, () => dial({ host, port }, ground.parts.host.clock));
}

/** A channel `direct-streamlocal@openssh.com`: connected with the rights of the account. */
export function openSocket(ground: ForwardGround, opening: IncomingChannel): void {
  const { path } = directStreamlocal.decode(opening.payload);
  const { account, host } = ground.parts;
  const to: ForwardedTo = { forward: 'local-socket', addr: path, port: 0 };
  void serve(ground, opening, to, () => asUser(account, host.clock, ground.turns).connect(path));
}

async function serve(
  ground: ForwardGround,
  opening: IncomingChannel,
  to: ForwardedTo,
  connect: () => Promise<Socket>,
): Promise<void> {
  const refusal = ground.refusal(to.forward);
  if (refusal !== undefined) {
    ground.record(to, refusal);
    opening.reject(PROHIBITED, 'forwarding is not permitted');
    return;
  }
  try {
    const socket = await connect();
    const lost = ground.refusal(to.forward);
    if (lost !== undefined) {
      socket.destroy();
      throw new GatehouseError('ACCESS_DENIED', lost);
    }
    const port = new ChannelPort();
    const channel = opening.accept(port);
    port.bind(channel);
    ground.track(to.forward, port, channel);
    spliceChannel(port, socket, ground.parts.host.clock);
    ground.record(to);
  } catch (error) {
    const isOurs = error instanceof GatehouseError;
    ground.record(to, isOurs ? error.message : 'internal error');
    if (!isOurs) ground.parts.host.log.error({ err: error }, 'a forwarded connection could not be served');
    const isDenied = isOurs && error.code !== 'UNAVAILABLE';
    opening.reject(isDenied ? PROHIBITED : CONNECT_FAILED, isOurs ? error.message : 'connect failed');
  }
}
