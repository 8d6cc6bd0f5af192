// Dials for a person from this machine (direct-tcpip). A name is looked up once, here, and what it stands for is checked
// before any of it is dialed. Credentials of the machine itself are not for those who may pass through it: the metadata
// services of clouds give them to whoever asks from here, so link-local addresses are not dialed (S25).
import { connect, type Socket } from 'node:net';
import { parseIp, parseNetwork, isInNetwork, type IpNetwork } from '#core/certs/ip-address.ts';
import type { Clock } from '#core/clock.ts';
import { GatehouseError } from '#core/errors/error.ts';
import { checkedLookup } from '../../checked-lookup.ts';

const MAX_HOST = 255;
const TIMEOUT_MS = 30_000;

/** Link-local, and the addresses of metadata services that are elsewhere. */
const REFUSED: readonly IpNetwork[] = [
  '169.254.0.0/16',
  'fe80::/10',
  'fd00:ec2::/32',
  'fd20:ce::254/128',
  '100.100.100.200/32',
  '192.0.0.192/32',
  '168.63.129.16/32',
  // The first of them behind NAT64.
  '64:ff9b::a9fe:0/112',
].flatMap((text) => parseNetwork(text) ?? []);

export interface DialTarget {
  readonly host: string;
  readonly port: number;
}

/** True when the address (textual IP, zone allowed) may be dialed for somebody. */
export function mayDial(address: string): boolean {
  const ip = parseIp(address.split('%', 1)[0] ?? '');
  return ip !== undefined && !REFUSED.some((network) => isInNetwork(ip, network));
}

/**
 * A connected socket that nobody has read from; half-open. ACCESS_DENIED for addresses that are not dialed, UNAVAILABLE
 * with the code of the system otherwise; BAD_REQUEST when it is no host and port.
 */
export function dial({ host, port }: DialTarget, clock: Clock): Promise<Socket> {
  const isHost = host !== '' && host.length <= MAX_HOST && !/[\s\p{C}]/u.test(host);
  if (!isHost || !Number.isInteger(port) || port < 1 || port > 65_535) {
    return Promise.reject(new GatehouseError('BAD_REQUEST', 'a host and a port from 1 to 65535 are needed'));
  }
  const literal = host.replace(/^\[(.*)\]$/, '$1');
  const isIp = parseIp(literal.split('%', 1)[0] ?? '') !== undefined;
  if (isIp && !mayDial(literal)) return Promise.reject(refused());
  return new Promise((resolve, reject) => {
    const socket = connect({
      host: literal,
      port,
      allowHalfOpen: true,
      noDelay: true,
      lookup: guarded,
      autoSelectFamily: true,
    });
    socket.pause();
    const timer = clock.after(TIMEOUT_MS, () =>
      fail(Object.assign(new Error('late'), { code: 'ETIMEDOUT' })),
    );
    const fail = (error: NodeJS.ErrnoException): void => {
      timer.cancel();
      socket.on('error', () => {}).destroy();
      const isOurs = error instanceof GatehouseError;
      reject(isOurs ? error : new GatehouseError('UNAVAILABLE', codeOf(error), { cause: error }));
    };
    socket.once('error', fail).once('connect', () => {
      timer.cancel();
      socket.off('error', fail);
      resolve(socket);
    });
  });
}

/** Only addresses that may be dialed, so that a name cannot stand for others. */
const guarded = checkedLookup(mayDial, () => refused());

/** Several addresses fail together; the first says it best. */
function codeOf(error: NodeJS.ErrnoException): string {
  const first = error instanceof AggregateError ? (error.errors[0] as NodeJS.ErrnoException) : error;
  return first.code ?? error.code ?? 'failed';
}

const refused = (): GatehouseError =>
  new GatehouseError('ACCESS_DENIED', 'link-local and metadata addresses are not dialed for anybody');
