// All forwards of one connection: -L and -D take connections here and open channels, -R is asked of the server, whose
// channels are connected here, and -A hands the server's requests to the agent. What was not asked for is refused.
import { connect, type Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type { Clock } from '#core/clock.ts';
import { GatehouseError, isCode } from '#core/errors/error.ts';
import { ChannelPort, spliceChannel } from '#wire/splice-channel.ts';
import { splice } from '#wire/splice.ts';
import { acceptChannelStream } from '#wire/ssh/channel-stream.ts';
import {
  boundPort,
  directStreamlocal,
  directTcpip,
  emptyPayload,
  forwardedStreamlocal,
  forwardedTcpip,
  streamlocalForward,
  tcpipForward,
} from '#wire/ssh/payloads.ts';
import type { ConnectionHandlers, IncomingChannel, SshConnection } from '#wire/ssh/ssh.ts';
import { listenOn, type Listening } from './listen.ts';
import { takeSocksRequest } from './socks-server.ts';
import type { End, ForwardSpec } from './specs.ts';

export interface ForwardOptions {
  readonly clock: Clock;
  readonly locals: readonly ForwardSpec[];
  readonly remotes: readonly ForwardSpec[];
  /** Socket of the agent that the server may use; undefined: none. */
  readonly agentSocket: string | undefined;
  /** One that cannot be is an error, and not a remark. */
  readonly mustWork: boolean;
  readonly onNote: (text: string) => void;
}

const PROHIBITED = 1;
const CONNECT_FAILED = 2;
const UNKNOWN_TYPE = 3;
/** The text for a channel of a socket in the file system. */
const NO_ORIGIN = { originHost: '127.0.0.1', originPort: 0 };

export class Forwards {
  readonly #options: ForwardOptions;
  readonly #listening: Listening[] = [];
  /** What the server was asked for: `host:port` or a path, to where it leads. */
  readonly #asked = new Map<string, End | undefined>();
  #open = 0;
  #onIdle: (() => void) | undefined;

  constructor(options: ForwardOptions) {
    this.#options = options;
  }

  /** Connections that are forwarded now. */
  get openCount(): number {
    return this.#open;
  }

  /** For the connection that is to be opened. */
  readonly handlers: ConnectionHandlers = {
    onChannel: (opening) => {
      void this.#take(opening).catch((error: unknown) => {
        opening.reject(CONNECT_FAILED, 'cannot be connected');
        this.#note(error);
      });
    },
  };

  /** What cannot be is a remark, or thrown when it must work. */
  async start(connection: SshConnection): Promise<void> {
    for (const spec of this.#options.locals)
      await this.#orNote(spec, () => this.#startLocal(connection, spec));
    for (const spec of this.#options.remotes)
      await this.#orNote(spec, () => this.#startRemote(connection, spec));
  }

  /** Resolves when no connection is forwarded any more. New ones are not taken. */
  async idle(): Promise<void> {
    this.close();
    if (this.#open > 0) await new Promise<void>((resolve) => (this.#onIdle = resolve));
  }

  /** No new ones; those that are open go on while the connection does. */
  close(): void {
    for (const one of this.#listening.splice(0)) one.close();
  }

  async #orNote(spec: ForwardSpec, start: () => Promise<void>): Promise<void> {
    try {
      await start();
    } catch (error) {
      if (this.#options.mustWork || !isCode(error)) throw error;
      this.#options.onNote(`${spec.text} is not forwarded: ${error.message}`);
    }
  }

  async #startLocal(connection: SshConnection, { listen, target }: ForwardSpec): Promise<void> {
    this.#listening.push(
      await listenOn(listen, (socket) => {
        socket.on('error', () => socket.destroy());
        void this.#serveLocal(connection, socket, target).catch((error: unknown) => {
          socket.destroy();
          this.#note(error);
        });
      }),
    );
  }

  async #serveLocal(connection: SshConnection, socket: Socket, target: End | undefined): Promise<void> {
    const origin = originOf(socket);
    if (target !== undefined) {
      socket.pause();
      await this.#openChannel(connection, socket, target, origin);
      return;
    }
    const request = await takeSocksRequest(socket, this.#options.clock);
    try {
      const to: End = { is: 'tcp', host: request.host, port: request.port };
      await this.#openChannel(connection, socket, to, origin, () => request.grant());
    } catch (error) {
      request.refuse();
      throw error;
    }
  }

  async #openChannel(
    connection: SshConnection,
    socket: Socket,
    target: End,
    origin: typeof NO_ORIGIN,
    onOpen: () => void = () => {},
  ): Promise<void> {
    const port = new ChannelPort();
    const channel =
      target.is === 'tcp'
        ? await connection.open(
            'direct-tcpip',
            directTcpip.encode({ host: target.host, port: target.port, ...origin }),
            port,
          )
        : await connection.open(
            'direct-streamlocal@openssh.com',
            directStreamlocal.encode({ path: target.path, reservedText: '', reservedNumber: 0 }),
            port,
          );
    port.bind(channel);
    onOpen();
    this.#count(port);
    spliceChannel(port, socket, this.#options.clock);
  }

  async #startRemote(connection: SshConnection, { listen, target, text }: ForwardSpec): Promise<void> {
    const key = listen.is === 'socket' ? listen.path : `${listen.host}:${listen.port}`;
    if (this.#asked.has(key)) throw new GatehouseError('ALREADY_EXISTS', 'it is asked for twice');
    // Before the answer: what comes through it may come with the answer.
    this.#asked.set(key, target);
    const refused = (): GatehouseError => {
      this.#asked.delete(key);
      return new GatehouseError('ACCESS_DENIED', 'the server refuses it', {
        details: { remedy: 'Roles, the server, or the port may not permit it.' },
      });
    };
    if (listen.is === 'socket') {
      const { path } = listen;
      if (
        (await connection.request('streamlocal-forward@openssh.com', streamlocalForward.encode({ path }))) ===
        undefined
      )
        throw refused();
      return;
    }
    const { host, port } = listen;
    const reply = await connection.request('tcpip-forward', tcpipForward.encode({ host, port }));
    if (reply === undefined) throw refused();
    if (port !== 0) return;
    const bound = boundPort.decode(reply).port;
    this.#asked.delete(key);
    this.#asked.set(`${host}:${bound}`, target);
    this.#options.onNote(`Allocated port ${bound} for remote forward ${text}`);
  }

  async #take(opening: IncomingChannel): Promise<void> {
    switch (opening.type) {
      case 'forwarded-tcpip': {
        const { host, port } = forwardedTcpip.decode(opening.payload);
        return this.#connectAsked(opening, `${host}:${port}`);
      }
      case 'forwarded-streamlocal@openssh.com':
        return this.#connectAsked(opening, forwardedStreamlocal.decode(opening.payload).path);
      case 'auth-agent@openssh.com': {
        const { agentSocket } = this.#options;
        emptyPayload.decode(opening.payload);
        if (agentSocket === undefined) opening.reject(PROHIBITED, 'no agent was forwarded');
        else await this.#connect(opening, { is: 'socket', path: agentSocket });
        return;
      }
      default:
        opening.reject(UNKNOWN_TYPE, 'not served here');
    }
  }

  async #connectAsked(opening: IncomingChannel, key: string): Promise<void> {
    if (!this.#asked.has(key)) {
      opening.reject(PROHIBITED, 'this forward was not asked for');
      return;
    }
    const target = this.#asked.get(key);
    if (target !== undefined) {
      await this.#connect(opening, target);
      return;
    }
    // -R without a target: the server's side says in SOCKS where this machine is to connect.
    const stream = acceptChannelStream(opening);
    stream.on('error', () => stream.destroy());
    const request = await takeSocksRequest(stream, this.#options.clock);
    try {
      const socket = await dial({ is: 'tcp', host: request.host, port: request.port });
      request.grant();
      this.#open++;
      void splice(stream, socket).done.then(() => this.#done());
    } catch (error) {
      request.refuse();
      this.#note(error);
    }
  }

  async #connect(opening: IncomingChannel, target: End): Promise<void> {
    const socket = await dial(target);
    const port = new ChannelPort();
    port.bind(opening.accept(port));
    this.#count(port);
    spliceChannel(port, socket, this.#options.clock);
  }

  #count(port: ChannelPort): void {
    this.#open++;
    port.onClosed = () => this.#done();
  }

  #done(): void {
    this.#open--;
    if (this.#open === 0) this.#onIdle?.();
  }

  #note(error: unknown): void {
    const why = error instanceof Error ? error.message : String(error);
    this.#options.onNote(`a forwarded connection failed: ${why}`);
  }
}

function dial(end: End): Promise<Socket> {
  const where = end.is === 'tcp' ? `${end.host}:${end.port}` : end.path;
  return new Promise((resolve, reject) => {
    const socket: Socket = connect({
      ...(end.is === 'tcp' ? { host: end.host, port: end.port } : { path: end.path }),
      allowHalfOpen: true,
      noDelay: true,
    });
    const fail = (cause: NodeJS.ErrnoException): void =>
      reject(
        new GatehouseError('UNAVAILABLE', `cannot connect to ${where} (${cause.code ?? ''})`, { cause }),
      );
    socket.once('error', fail);
    socket.once('connect', () => {
      socket.off('error', fail);
      socket.on('error', () => socket.destroy());
      resolve(socket);
    });
  });
}

/** Streams of both kinds have one; a socket in the file system has no address. */
function originOf(stream: Duplex): typeof NO_ORIGIN {
  const { remoteAddress, remotePort } = stream as Socket;
  return remoteAddress === undefined ? NO_ORIGIN : { originHost: remoteAddress, originPort: remotePort ?? 0 };
}
