// Listens on this machine for a person (tcpip-forward): on loopback unless other addresses were asked for by name.
import { createServer, type Server } from 'node:net';
import { GatehouseError } from '#core/errors/error.ts';

/** Below it only root may listen, whoever does it on a person's behalf. */
const FIRST_FREE_PORT = 1024;

export interface Bound {
  readonly port: number;
  readonly servers: readonly Server[];
}

/**
 * `host` is as RFC 4254 7.1 has it: empty and "*" are all addresses, "localhost" is both loopback addresses; port 0 is
 * one that is free. Servers pause on each connection, half-open. ACCESS_DENIED for privileged ports, UNAVAILABLE with the
 * code of the system; nothing listens then.
 */
export async function bindTcp(host: string, port: number, isRoot: boolean): Promise<Bound> {
  if (!Number.isInteger(port) || port < 0 || port > 65_535) {
    throw new GatehouseError('BAD_REQUEST', 'a port is at most 65535');
  }
  if (port !== 0 && port < FIRST_FREE_PORT && !isRoot) {
    throw new GatehouseError('ACCESS_DENIED', `ports below ${FIRST_FREE_PORT} are for root`);
  }
  const [first = '', ...others] = addressesOf(host);
  const servers = [await listen(first, port)];
  const bound = portOf(servers[0]);
  for (const other of others) {
    // A machine may have no IPv6; what was asked for is there already.
    const server = await listen(other, bound).catch(() => undefined);
    if (server !== undefined) servers.push(server);
  }
  return { port: bound, servers };
}

function addressesOf(host: string): readonly string[] {
  switch (host) {
    case '':
    case '*':
      return ['0.0.0.0', '::'];
    case 'localhost':
      return ['127.0.0.1', '::1'];
    default:
      return [host];
  }
}

function listen(host: string, port: number): Promise<Server> {
  return new Promise((resolve, reject) => {
    const server = createServer({ pauseOnConnect: true, allowHalfOpen: true, noDelay: true });
    const fail = (error: NodeJS.ErrnoException): void =>
      reject(new GatehouseError('UNAVAILABLE', error.code ?? 'failed', { cause: error }));
    server.once('error', fail).listen({ host, port, ipv6Only: true, backlog: 64 }, () => {
      server.off('error', fail).on('error', () => {});
      resolve(server);
    });
  });
}

function portOf(server: Server | undefined): number {
  const address = server?.address();
  return typeof address === 'object' && address !== null ? address.port : 0;
}
