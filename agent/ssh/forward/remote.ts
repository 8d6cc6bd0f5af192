// Forwards that begin on this machine (-R): what is listened on for a connection, by address and port or by path, until
// it is cancelled or the connection ends. Each connection that comes becomes a channel to the client.
import type { Server, Socket } from 'node:net';
import { isCode } from '#core/errors/error.ts';
import { ChannelPort, spliceChannel } from '#wire/splice-channel.ts';
import { boundPort, forwardedStreamlocal, forwardedTcpip } from '#wire/ssh/payloads.ts';
import { asUser } from './as-user.ts';
import { bindTcp } from './bind.ts';
import type { ForwardedTo, ForwardGround } from './ground.ts';

/** Of one connection. */
const MAX_LISTENERS = 64;

interface Listening {
  readonly forward: 'remote-tcp' | 'remote-socket';
  close(): void;
}

export class RemoteForwards {
  readonly #ground: ForwardGround;
  readonly #listening = new Map<string, Listening>();
  #isClosed = false;

  constructor(ground: ForwardGround) {
    this.#ground = ground;
  }

  get isListening(): boolean {
    return this.#listening.size > 0;
  }

  /** tcpip-forward: the reply, or false. */
  async bind(host: string, port: number): Promise<boolean | Uint8Array> {
    const to = { forward: 'remote-tcp', addr: host, port } as const;
    if (!this.#isPermitted(to, keyOf(host, port))) return false;
    const { account } = this.#ground.parts;
    try {
      const bound = await bindTcp(host, port, account.uid === 0);
      const isNews = this.#keep(keyOf(host, bound.port), {
        forward: 'remote-tcp',
        close: () => bound.servers.forEach((server) => server.close()),
      });
      if (!isNews) return false;
      for (const server of bound.servers) {
        this.#serve(server, to.forward, 'forwarded-tcpip', (socket) =>
          forwardedTcpip.encode({
            host,
            port: bound.port,
            originHost: socket.remoteAddress ?? '127.0.0.1',
            originPort: socket.remotePort ?? 0,
          }),
        );
      }
      this.#ground.record({ ...to, port: bound.port });
      return port === 0 ? boundPort.encode({ port: bound.port }) : true;
    } catch (error) {
      return this.#failed(to, error);
    }
  }

  /** streamlocal-forward@openssh.com: the path is made, and later removed, with the rights of the account. */
  async bindPath(path: string): Promise<boolean> {
    const to = { forward: 'remote-socket', addr: path, port: 0 } as const;
    if (!this.#isPermitted(to, path)) return false;
    const { account, host } = this.#ground.parts;
    const user = asUser(account, host.clock, this.#ground.turns);
    try {
      const server = await user.listen(path);
      const close = (): void => {
        server.close();
        void user.remove(path);
      };
      if (!this.#keep(path, { forward: 'remote-socket', close })) return false;
      this.#serve(server, to.forward, 'forwarded-streamlocal@openssh.com', () =>
        forwardedStreamlocal.encode({ path, reserved: '' }),
      );
      this.#ground.record(to);
      return true;
    } catch (error) {
      return this.#failed(to, error);
    }
  }

  /** False when there is no such forward. Connections that came by it go on. */
  cancel(host: string, port: number): boolean {
    return this.#end(keyOf(host, port));
  }

  cancelPath(path: string): boolean {
    return this.#end(path);
  }

  /** Ends what is no longer permitted. */
  review(): void {
    for (const [key, { forward }] of this.#listening) {
      if (this.#ground.refusal(forward) !== undefined) this.#end(key);
    }
  }

  close(): void {
    this.#isClosed = true;
    for (const key of this.#listening.keys()) this.#end(key);
  }

  #isPermitted(to: ForwardedTo, key: string): boolean {
    const refusal =
      this.#ground.refusal(to.forward) ??
      (this.#listening.has(key) ? 'it is forwarded already' : undefined) ??
      (this.#listening.size >= MAX_LISTENERS ? `more than ${MAX_LISTENERS} remote forwards` : undefined);
    if (refusal !== undefined) this.#ground.record(to, refusal);
    return refusal === undefined;
  }

  /** False, with all closed, when the connection or the permission ended, or another of the key came meanwhile. */
  #keep(key: string, listening: Listening): boolean {
    const isLost = this.#isClosed || this.#ground.refusal(listening.forward) !== undefined;
    if (isLost || this.#listening.has(key)) {
      listening.close();
      return false;
    }
    this.#listening.set(key, listening);
    return true;
  }

  #end(key: string): boolean {
    const listening = this.#listening.get(key);
    if (listening === undefined) return false;
    this.#listening.delete(key);
    listening.close();
    return true;
  }

  #serve(
    server: Server,
    forward: Listening['forward'],
    type: string,
    payloadOf: (socket: Socket) => Uint8Array,
  ): void {
    server.on('connection', (socket) => {
      void passOn(this.#ground, forward, socket, type, payloadOf(socket));
    });
  }

  #failed(to: ForwardedTo, error: unknown): false {
    const isOurs = isCode(error);
    this.#ground.record(to, isOurs ? error.message : 'internal error');
    if (!isOurs) this.#ground.parts.host.log.error({ err: error }, 'a remote forward could not be made');
    return false;
  }
}

/** A connection that came to this machine becomes a channel to the client, or is closed. */
export async function passOn(
  ground: ForwardGround,
  forward: ForwardedTo['forward'],
  socket: Socket,
  type: string,
  payload: Uint8Array,
): Promise<void> {
  const { peer, host } = ground.parts;
  socket.on('error', () => {});
  const port = new ChannelPort();
  try {
    const channel = await peer.connection.open(type, payload, port);
    port.bind(channel);
    // The client took its time, and what was permitted may be no more.
    if (ground.refusal(forward) !== undefined) {
      channel.close();
      socket.destroy();
      return;
    }
    ground.track(forward, port, channel);
    spliceChannel(port, socket, host.clock);
  } catch {
    // The client does not want it, or is gone.
    socket.destroy();
  }
}

const keyOf = (host: string, port: number): string => `${port} ${host}`;
