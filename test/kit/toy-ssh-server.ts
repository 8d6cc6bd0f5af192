// A small SSH server on wire/ssh for tests of the wire itself: commands run as whoever runs the tests, forwards go
// where they ask. No policy at all: the real one is the agent.
import { spawn, type ChildProcess } from 'node:child_process';
import { createConnection, createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { verifySshCertificate } from '#core/certs/ssh/verify.ts';
import { systemClock } from '#core/clock.ts';
import type { GatehouseError } from '#core/errors/error.ts';
import { silentLog } from '#core/log.ts';
import { acceptSsh } from '#wire/ssh/accept.ts';
import {
  boundPort,
  directTcpip,
  execRequest,
  exitSignal,
  exitStatus,
  forwardedTcpip,
  signalRequest,
  subsystemRequest,
  tcpipForward,
} from '#wire/ssh/payloads.ts';
import { acceptChannelStream, openChannelStream } from '#wire/ssh/channel-stream.ts';
import type {
  ConnectionHandlers,
  IncomingChannel,
  PublicKeyOffer,
  SshConnection,
  SshKey,
  SshLimits,
} from '#wire/ssh/ssh.ts';
import type { OpenSshFiles } from './openssh.ts';

const SFTP_SERVER = '/usr/lib/openssh/sftp-server';

export interface ToyOptions {
  readonly limits?: Partial<SshLimits>;
  readonly hostKeys?: readonly SshKey[];
  /** Instead of certificates of the user authority. */
  readonly accepts?: (offer: PublicKeyOffer) => boolean;
}

export interface ToyServer {
  readonly port: number;
  /** Everybody who was let in, in order. */
  readonly connections: SshConnection[];
  readonly refusals: GatehouseError[];
  close(): Promise<void>;
}

export async function startToySshServer(files: OpenSshFiles, options: ToyOptions = {}): Promise<ToyServer> {
  const connections: SshConnection[] = [];
  const refusals: GatehouseError[] = [];
  const isCertified = (offer: PublicKeyOffer): boolean => {
    const context = { type: 'user', authorities: [files.userAuthority.publicKey] } as const;
    verifySshCertificate(offer.blob, { ...context, principal: offer.user, now: Date.now() });
    return true;
  };
  const accepts = options.accepts ?? isCertified;
  const sockets = new Set<Socket>();
  const server = createServer({ noDelay: true }, (socket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
    acceptSsh({
      socket,
      clock: systemClock,
      log: silentLog,
      hostKeys: options.hostKeys ?? [files.host],
      ...(options.limits === undefined ? {} : { limits: options.limits }),
      authenticate: (offer) => (accepts(offer) ? { accept: true, identity: offer } : { accept: false }),
      serve(connection) {
        connections.push(connection);
        return serveEverything(connection);
      },
      onRefused: (error) => refusals.push(error),
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    port: (server.address() as AddressInfo).port,
    connections,
    refusals,
    async close() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

export function serveEverything(connection: SshConnection): ConnectionHandlers {
  const listeners = new Map<string, Server>();
  void connection.closed.then(() => listeners.forEach((listener) => listener.close()));
  return {
    onChannel(opening) {
      if (opening.type === 'session') serveSession(opening);
      else if (opening.type === 'direct-tcpip') dial(opening);
      else opening.reject(3, `no ${opening.type} here`);
    },
    async onRequest(name, payload) {
      if (name === 'tcpip-forward') return listen(connection, listeners, payload);
      if (name !== 'cancel-tcpip-forward') return false;
      const { port } = tcpipForward.decode(payload);
      listeners.get(String(port))?.close();
      return listeners.delete(String(port));
    },
  };
}

function serveSession(opening: IncomingChannel): void {
  let child: ChildProcess | undefined;
  const run = (command: string, args: readonly string[]): boolean => {
    child = spawn(command, args, { stdio: 'pipe' });
    const { stdin, stdout, stderr } = child;
    stdin?.on('error', () => {});
    if (stdin !== null) stream.pipe(stdin);
    stdout?.on('data', (data: Buffer) => {
      if (!stream.channel.write(data)) stdout.pause();
    });
    stderr?.on('data', (data: Buffer) => stream.channel.writeStderr(data));
    stream.onDrain = () => void stdout?.resume();
    child.once('close', (code, signal) => {
      const { channel } = stream;
      if (signal === null) channel.notify('exit-status', exitStatus.encode({ code: code ?? 255 }));
      else {
        const said = { signal: signal.slice(3), coreDumped: false, message: '', language: '' };
        channel.notify('exit-signal', exitSignal.encode(said));
      }
      channel.close();
    });
    return true;
  };
  const stream = acceptChannelStream(opening, {
    onRequest(name, payload) {
      if (name === 'env') return true;
      if (name === 'exec') return run('/bin/sh', ['-c', execRequest.decode(payload).command]);
      if (name === 'subsystem')
        return subsystemRequest.decode(payload).name === 'sftp' && run(SFTP_SERVER, []);
      if (name !== 'signal') return false;
      return child?.kill(`SIG${signalRequest.decode(payload).signal}` as NodeJS.Signals) ?? false;
    },
  });
  stream.on('error', () => {});
  stream.on('close', () => child?.kill('SIGHUP'));
}

function dial(opening: IncomingChannel): void {
  const { host, port } = directTcpip.decode(opening.payload);
  const socket = createConnection({ host, port, noDelay: true, allowHalfOpen: true });
  socket.once('error', () => opening.reject(2, 'cannot connect'));
  socket.once('connect', () => {
    const stream = acceptChannelStream(opening);
    stream.on('error', () => socket.destroy());
    socket.on('error', () => stream.destroy());
    socket.pipe(stream).pipe(socket);
  });
}

async function listen(
  connection: SshConnection,
  listeners: Map<string, Server>,
  payload: Uint8Array,
): Promise<Uint8Array> {
  const { host, port } = tcpipForward.decode(payload);
  const listener = createServer({ allowHalfOpen: true }, (socket) => {
    const bound = (listener.address() as AddressInfo).port;
    const open = forwardedTcpip.encode({ host, port: bound, originHost: '127.0.0.1', originPort: 1 });
    void pass(connection, open, socket);
  });
  await new Promise<void>((resolve) => listener.listen(port, '127.0.0.1', resolve));
  const bound = (listener.address() as AddressInfo).port;
  listeners.set(String(bound), listener);
  return port === 0 ? boundPort.encode({ port: bound }) : new Uint8Array();
}

async function pass(connection: SshConnection, open: Uint8Array, socket: Socket): Promise<void> {
  try {
    const stream = await openChannelStream(connection, 'forwarded-tcpip', open);
    stream.on('error', () => socket.destroy());
    socket.on('error', () => stream.destroy());
    socket.pipe(stream).pipe(socket);
  } catch {
    socket.destroy();
  }
}
