// The web port of a proxy as the way to what is behind it: what it says of itself, and raw streams through it where a
// balancer ends TLS. The certificate of the web port is not judged here: over each of these streams the cluster's own
// protocols run, SSH with host certificates or TLS with the host authority, and they prove both ends. What it says only
// decides which way is tried first.
import { request as httpRequest, type IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import { connect as connectTls, type TLSSocket } from 'node:tls';
import {
  CONNECT_PATH,
  webFind,
  type UPGRADE_TO_APP,
  type UPGRADE_TO_AUTH,
  type UPGRADE_TO_DB,
  type UPGRADE_TO_SSH,
} from '#core/api/web.ts';
import { GatehouseError } from '#core/errors/error.ts';
import { parseJson, readText } from '../body.ts';
import { dialSignal, dialTcp, readHead, splitAddress, type TcpDialOptions } from './tcp-dial.ts';

const MAX_ANSWER_BYTES = 512 * 1024;

/** The part of the answer that outbound connections need. */
export interface FoundProxy {
  /** Host id of the one that answered; behind a balancer another may the next time. */
  readonly id: string;
  /** False: something in front ends TLS, so only HTTP and its upgrades get through. */
  readonly endsTls: boolean;
  /** `host:port` for tunnels. */
  readonly tunnelAddress?: string;
  /** `host:port` for SSH of users. */
  readonly sshAddress?: string;
  /** PEM; to be believed when `isTrusted`, or when a pin proves them. */
  readonly hostAuthorities: readonly string[];
  /** The web certificate is good for this name by the authorities that this machine trusts. */
  readonly isTrusted: boolean;
}

/** What the proxy at `address` says of itself; undefined when somebody answers who is no proxy. UNAVAILABLE when nobody does. */
export async function findProxy(address: string, options: TcpDialOptions): Promise<FoundProxy | undefined> {
  const signal = dialSignal(options);
  const tcp = await dialTcp(address, options);
  try {
    const socket = await openTls(tcp, address, signal);
    const answer = await get(socket, address, signal);
    return answer.statusCode === 200
      ? readFound(parseJson(await readText(answer, MAX_ANSWER_BYTES)), socket.authorized)
      : undefined;
  } catch {
    // It is there, and no proxy: an auth service, for one, ends connections that show no certificate.
    return undefined;
  } finally {
    tcp.destroy();
  }
}

export type UpgradeProtocol =
  | typeof UPGRADE_TO_AUTH
  | typeof UPGRADE_TO_SSH
  | typeof UPGRADE_TO_DB
  | typeof UPGRADE_TO_APP;

/** A raw stream through the web port. UNAVAILABLE when it cannot be had. The caller destroys it. */
export async function dialUpgraded(
  address: string,
  protocol: UpgradeProtocol,
  options: TcpDialOptions,
): Promise<TLSSocket> {
  const signal = dialSignal(options);
  const tcp = await dialTcp(address, options);
  try {
    const socket = await openTls(tcp, address, signal);
    socket.write(
      `GET ${CONNECT_PATH} HTTP/1.1\r\nHost: ${address}\r\nConnection: Upgrade\r\nUpgrade: ${protocol}\r\n\r\n`,
    );
    const head = await readHead(socket, address, signal);
    if (/^HTTP\/1\.[01] 101(?: |\r|$)/.test(head)) return socket;
    throw new GatehouseError('UNAVAILABLE', `${address} does not pass on ${protocol}`);
  } catch (error) {
    tcp.destroy();
    throw error;
  }
}

function openTls(tcp: Socket, address: string, signal: AbortSignal): Promise<TLSSocket> {
  const { host } = splitAddress(address);
  const isName = !/^[\d.]+$|:/.test(host);
  return new Promise((resolve, reject) => {
    const settle = (error?: unknown): void => {
      signal.removeEventListener('abort', onAbort);
      socket.off('error', settle).off('close', settle);
      if (error === undefined) resolve(socket);
      else {
        socket.on('error', () => {});
        socket.destroy();
        reject(
          new GatehouseError('UNAVAILABLE', `${address} does not answer as a web port`, { cause: error }),
        );
      }
    };
    const onAbort = (): void => settle(signal.reason);
    const socket = connectTls({
      socket: tcp,
      // What its certificate is compared with.
      host,
      ...(isName ? { servername: host } : {}),
      ALPNProtocols: ['http/1.1'],
      minVersion: 'TLSv1.2',
      rejectUnauthorized: false,
    });
    socket.once('secureConnect', () => {
      socket.setNoDelay(true);
      settle();
    });
    socket.once('error', settle).once('close', () => settle(new Error('closed')));
    signal.addEventListener('abort', onAbort, { once: true });
    if (signal.aborted) onAbort();
  });
}

function get(socket: TLSSocket, address: string, signal: AbortSignal): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const request = httpRequest({
      createConnection: () => socket,
      path: webFind.path,
      headers: { host: address, accept: 'application/json', connection: 'close' },
      signal,
    });
    request.once('response', resolve).once('error', reject);
    request.end();
  });
}

/** Fields that are not needed, or not known, may be anything: the proxy may be newer. */
function readFound(document: unknown, isTrusted: boolean): FoundProxy | undefined {
  const proxy = fieldOf(document, 'proxy');
  const id = fieldOf(proxy, 'id');
  if (typeof id !== 'string' || id === '') return undefined;
  const tunnel = fieldOf(fieldOf(proxy, 'ssh'), 'ssh_tunnel_public_addr');
  const ssh = fieldOf(fieldOf(proxy, 'ssh'), 'ssh_public_addr');
  const authorities = fieldOf(document, 'host_authorities');
  return {
    id,
    endsTls: fieldOf(proxy, 'ends_tls') !== false,
    ...(typeof tunnel === 'string' && isAddress(tunnel) ? { tunnelAddress: tunnel } : {}),
    ...(typeof ssh === 'string' && isAddress(ssh) ? { sshAddress: ssh } : {}),
    hostAuthorities: Array.isArray(authorities) ? authorities.filter((pem) => typeof pem === 'string') : [],
    isTrusted,
  };
}

function fieldOf(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null && Object.hasOwn(value, name)
    ? (value as Record<string, unknown>)[name]
    : undefined;
}

/** True for what dialTcp takes. */
export function isAddress(text: string): boolean {
  try {
    splitAddress(text);
    return true;
  } catch {
    return false;
  }
}
