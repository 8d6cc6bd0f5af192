// Takes connections on this machine for -L and -D: loopback unless more was asked for, and never beside another
// listener of the same port.
import { rm } from 'node:fs/promises';
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { GatehouseError } from '#core/errors/error.ts';
import type { End } from './specs.ts';

export interface Listening {
  /** For messages: `127.0.0.1:8080`. */
  readonly text: string;
  /** Of TCP, as bound. */
  readonly port?: number;
  close(): void;
}

/** `localhost` is both loopback addresses, as far as the machine has them. ALREADY_EXISTS when one is taken. */
export async function listenOn(end: End, onSocket: (socket: Socket) => void): Promise<Listening> {
  if (end.is === 'socket') {
    const server = await open({ path: end.path }, end.path, onSocket);
    return {
      text: end.path,
      close() {
        server.close();
        void rm(end.path, { force: true });
      },
    };
  }
  const { host, port } = end;
  const name = host === '' ? '*' : host;
  const where = `${name}:${port}`;
  if (host !== 'localhost') {
    const server = await open({ port, ...(host === '' ? {} : { host }) }, where, onSocket);
    const { port: bound } = server.address() as AddressInfo;
    return { text: `${name}:${bound}`, port: bound, close: () => void server.close() };
  }
  const first = await open({ host: '127.0.0.1', port }, where, onSocket);
  const bound = (first.address() as AddressInfo).port;
  const second = await open({ host: '::1', port: bound }, where, onSocket).catch(() => undefined);
  return {
    text: `localhost:${bound}`,
    port: bound,
    close() {
      first.close();
      second?.close();
    },
  };
}

function open(
  place: { host?: string; port?: number; path?: string },
  where: string,
  onSocket: (socket: Socket) => void,
): Promise<Server> {
  const server = createServer({ allowHalfOpen: true, noDelay: true }, onSocket);
  return new Promise((resolve, reject) => {
    server.once('error', (cause: NodeJS.ErrnoException) => {
      const why = cause.code === 'EADDRINUSE' ? 'something else does' : (cause.code ?? cause.message);
      reject(
        new GatehouseError(
          cause.code === 'EADDRINUSE' ? 'ALREADY_EXISTS' : 'BAD_REQUEST',
          `cannot listen on ${where}: ${why}`,
          { cause, details: { remedy: 'Choose another port.' } },
        ),
      );
    });
    server.listen(place, () => resolve(server));
  });
}
