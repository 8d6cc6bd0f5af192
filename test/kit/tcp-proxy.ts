// A TCP proxy on loopback whose connections can be cut, held and refused: the network between two real parties.
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';

export interface TcpProxy {
  readonly port: number;
  /** Connections it took so far. */
  readonly taken: number;
  /** Ends all connections at once, without goodbye. */
  cut(): void;
  /** While true, new connections are ended at once. */
  refuse(isRefusing: boolean): void;
  /** Where new connections go. */
  pointTo(port: number): void;
  close(): Promise<void>;
}

/** The caller closes it. */
export async function startTcpProxy(targetPort: number): Promise<TcpProxy> {
  const sockets = new Set<Socket>();
  let target = targetPort;
  let isRefusing = false;
  let taken = 0;
  const keep = (socket: Socket): Socket => {
    sockets.add(socket);
    socket.on('error', () => socket.destroy());
    socket.once('close', () => sockets.delete(socket));
    return socket;
  };
  const server = createServer((near) => {
    keep(near);
    taken++;
    if (isRefusing) {
      near.destroy();
      return;
    }
    const far = keep(connect(target, '127.0.0.1'));
    near.pipe(far).pipe(near);
    near.once('close', () => far.destroy());
    far.once('close', () => near.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const cut = (): void => {
    for (const socket of sockets) socket.resetAndDestroy();
  };
  return {
    port: (server.address() as AddressInfo).port,
    get taken() {
      return taken;
    },
    cut,
    refuse(on) {
      isRefusing = on;
    },
    pointTo(port) {
      target = port;
    },
    close() {
      cut();
      return new Promise((resolve) => server.close(() => resolve()));
    },
  };
}
