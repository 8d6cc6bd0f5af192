// Where a user wants to go, as the three ways of asking write it: the host and port of a direct-tcpip channel,
// `proxy:host:port@cluster` of the subsystem, and the request line over TLS. Reading only; who is meant is resolve.ts.
import { GatehouseError } from '#core/errors/error.ts';

export interface RouteRequest {
  /** A node's name or id, an address of it, or labels: `env=prod,role=db`. */
  readonly host: string;
  /** Undefined: the one of the node. */
  readonly port?: number;
}

const MAX_HOST = 512;
/** What clients fill in when the user said nothing about the port. */
const OWN_PORTS: readonly number[] = [0, 22, 3022];

/** BAD_REQUEST when it cannot be meant. */
export function routeRequest(host: string, port?: number): RouteRequest {
  const plain = host.replace(/^\[([0-9A-Fa-f:.]+)\]$/, '$1');
  if (plain === '' || plain.length > MAX_HOST || !/^[\x21-\x7e]+$/.test(plain)) {
    throw new GatehouseError(
      'BAD_REQUEST',
      `the target must be the name, id, address or labels of a server, in at most ${MAX_HOST} printable characters`,
    );
  }
  if (port === undefined || OWN_PORTS.includes(port)) return { host: plain };
  if (Number.isInteger(port) && port > 0 && port <= 65_535) return { host: plain, port };
  throw new GatehouseError('BAD_REQUEST', 'the port must be a number from 1 to 65535');
}

/** Reads `host`, `host:port`, `host:port@cluster`. BAD_REQUEST when it is none, NOT_FOUND for another cluster. */
export function parseRouteRequest(text: string, clusterName: string): RouteRequest {
  const at = text.lastIndexOf('@');
  const cluster = at < 0 ? undefined : text.slice(at + 1);
  if (cluster !== undefined && cluster !== '' && cluster.toLowerCase() !== clusterName.toLowerCase()) {
    throw new GatehouseError(
      'NOT_FOUND',
      `this proxy does not know a cluster of that name; it is of ${clusterName}`,
    );
  }
  const target = at < 0 ? text : text.slice(0, at);
  const match = /^(.*):(\d{1,5})$/s.exec(target);
  // An IPv6 address without brackets and without a port ends like one that has a port: `%h:%p` always has one.
  if (match === null) return routeRequest(target);
  return routeRequest(match[1] ?? '', Number(match[2]));
}
