// Takes connections on this machine and gives each to the target by a connection of its own, with the certificate that the
// caller of the listener holds. Whoever can reach the listener is that person to the target, so it is on loopback or a
// socket in a folder of the user's own, nowhere else.
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { splice } from '#wire/splice.ts';
import { listenOn } from '../ssh/forward/listen.ts';

export interface LocalListenerOptions {
  /** A port on 127.0.0.1 (0: any), or the path of a socket. */
  readonly at: { readonly port: number } | { readonly path: string };
  /** Opens the far side. */
  open(): Promise<Duplex>;
  /** Speaks with a client before the far side is opened; false when it is answered and done. */
  greet?(socket: Socket): Promise<boolean>;
  /** Tells a client, in its protocol, why there is no connection; ends it. */
  refuse(socket: Socket, error: unknown): void;
  /** Hears of each failure. */
  failed(error: unknown): void;
}

export interface LocalListener {
  readonly port: number;
  /** `127.0.0.1:5432`, or the path. */
  readonly text: string;
  /** Ends the connections as well. */
  close(): void;
}

const LOOPBACK = '127.0.0.1';

/** ALREADY_EXISTS when the port is taken. The caller closes it. */
export async function listenLocally(options: LocalListenerOptions): Promise<LocalListener> {
  const { at } = options;
  const open = new Set<Socket>();
  const end =
    'path' in at
      ? { is: 'socket' as const, path: at.path }
      : { is: 'tcp' as const, host: LOOPBACK, port: at.port };
  const listening = await listenOn(end, (socket) => {
    open.add(socket);
    socket.once('close', () => open.delete(socket));
    socket.on('error', () => {});
    void serve(socket, options);
  });
  return {
    port: listening.port ?? 0,
    text: listening.text,
    close() {
      listening.close();
      for (const socket of open) socket.destroy();
    },
  };
}

async function serve(socket: Socket, options: LocalListenerOptions): Promise<void> {
  try {
    if (options.greet !== undefined && !(await options.greet(socket))) return;
    const far = await options.open();
    if (socket.destroyed) far.destroy();
    else splice(socket, far);
  } catch (error) {
    options.failed(error);
    options.refuse(socket, error);
  }
}
