// A TCP connection to an address of the cluster, through the HTTP proxy of the environment where one stands in between
// (HTTP CONNECT). What runs over it proves who is at the other end.
import { randomInt } from 'node:crypto';
import { lookup, type LookupAddress } from 'node:dns';
import { connect as connectTcp, type LookupFunction, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { GatehouseError, isCode } from '#core/errors/error.ts';
import { httpProxyFor, type Environment, type HttpProxy } from './http-proxy.ts';

const DIAL_MS = 10_000;
const MAX_HEAD_BYTES = 16 * 1024;
const END_OF_HEAD = '\r\n\r\n';

export interface TcpDialOptions {
  readonly environment: Environment;
  /** For all of it. Default 10 s. */
  readonly timeoutMs?: number;
  /** Gives up earlier. */
  readonly signal?: AbortSignal;
}

/** Fires when the time for it is over, or the caller gives up. */
export function dialSignal({ timeoutMs = DIAL_MS, signal }: TcpDialOptions): AbortSignal {
  const late = AbortSignal.timeout(timeoutMs);
  return signal === undefined ? late : AbortSignal.any([late, signal]);
}

/**
 * `address` is `host:port`. The socket is connected, does not wait to send, and is not read yet; the caller destroys it.
 * UNAVAILABLE when it cannot be reached, with the code of the system in `cause`; USAGE when the environment names no
 * usable proxy.
 */
export async function dialTcp(address: string, options: TcpDialOptions): Promise<Socket> {
  const { host, port } = splitAddress(address);
  const proxy = httpProxyFor(host, port, options.environment);
  const signal = dialSignal(options);
  if (proxy !== undefined) return await dialThrough(proxy, address, signal);
  return await connected(connectTcp({ host, port, noDelay: true, lookup: anyOrder }), address, signal);
}

/** Behind a name with several addresses each of them is to be reached sometime, and the resolver sorts. */
const anyOrder: LookupFunction = (host, options, callback) => {
  lookup(host, { ...options, all: true }, (error, found) => {
    for (let last = (found ?? []).length - 1; last > 0; last--) {
      const other = randomInt(last + 1);
      [found[last], found[other]] = [found[other] as LookupAddress, found[last] as LookupAddress];
    }
    const [first] = found ?? [];
    if (error !== null || first === undefined || options.all === true) callback(error, found ?? []);
    else callback(null, first.address, first.family);
  });
};

/** A connection to `address` (`host:port`) that `proxy` makes. The proxy is told the name and resolves it. */
export async function dialThrough(proxy: HttpProxy, address: string, signal: AbortSignal): Promise<Socket> {
  const { host, port } = proxy;
  const at = `${host.includes(':') ? `[${host}]` : host}:${port}`;
  const says = `the HTTP proxy ${at}`;
  const tcp = await connected(connectTcp({ host, port, noDelay: true }), says, signal);
  const socket = proxy.isTls ? await secured(tcp, host, says, signal) : tcp;
  try {
    const credentials = proxy.credentials?.reveal();
    const authorization =
      credentials === undefined
        ? ''
        : `Proxy-Authorization: Basic ${Buffer.from(credentials).toString('base64')}\r\n`;
    socket.write(
      `CONNECT ${address} HTTP/1.1\r\nHost: ${address}\r\n${authorization}${END_OF_HEAD.slice(2)}`,
    );
    requireSuccess(await readHead(socket, says, signal), address, says);
    return socket;
  } catch (error) {
    socket.destroy();
    throw error;
  }
}

/**
 * Reads the head of an HTTP answer off `socket`, up to its empty line; what follows is put back. UNAVAILABLE when it is
 * too long, when the connection ends first, or when the signal fires.
 */
export function readHead(socket: Socket, says: string, signal: AbortSignal): Promise<string> {
  return new Promise((resolve, reject) => {
    let bytes: Buffer = Buffer.alloc(0);
    const settle = (run: () => void): void => {
      signal.removeEventListener('abort', onAbort);
      socket.off('readable', onReadable).off('end', onEnd).off('close', onEnd).off('error', onEnd);
      run();
    };
    const fail = (why: string): void =>
      settle(() => reject(new GatehouseError('UNAVAILABLE', `${says} ${why}`)));
    const onReadable = (): void => {
      for (let part = socket.read() as Buffer | null; part !== null; part = socket.read() as Buffer | null) {
        bytes = Buffer.concat([bytes, part]);
        const end = bytes.indexOf(END_OF_HEAD);
        if (end >= 0) {
          const rest = bytes.subarray(end + END_OF_HEAD.length);
          settle(() => {
            if (rest.length > 0) socket.unshift(rest);
            resolve(bytes.toString('latin1', 0, end));
          });
          return;
        }
        if (bytes.length > MAX_HEAD_BYTES) {
          fail('sent an answer without end');
          return;
        }
      }
    };
    const onEnd = (): void => fail('ended the connection');
    const onAbort = (): void => fail('gave no answer in time');
    signal.addEventListener('abort', onAbort, { once: true });
    socket.on('readable', onReadable).once('end', onEnd).once('close', onEnd).once('error', onEnd);
    if (signal.aborted) onAbort();
  });
}

function requireSuccess(head: string, address: string, says: string): void {
  const [, status = ''] = /^HTTP\/1\.[01] (\d{3})(?: |\r|$)/.exec(head) ?? [];
  if (/^2\d\d$/.test(status)) return;
  const why =
    status === ''
      ? 'does not answer as an HTTP proxy'
      : `refused the connection to ${address} (status ${status})`;
  const hint = status === '407' ? '; put user and password into the URL of HTTPS_PROXY' : '';
  // Another address may be reached by it.
  const cause = { code: 'EHOSTUNREACH' };
  throw new GatehouseError('UNAVAILABLE', `${says} ${why}${hint}`, { cause });
}

/** Also for sockets that are connected already. */
export function connected(socket: Socket, says: string, signal: AbortSignal): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const settle = (error?: Error): void => {
      signal.removeEventListener('abort', onAbort);
      socket.off('connect', onConnect).off('error', onError);
      if (error === undefined) resolve(socket);
      else {
        socket.once('error', () => {});
        socket.destroy();
        reject(error);
      }
    };
    const onConnect = (): void => settle();
    const onError = (cause: NodeJS.ErrnoException): void => {
      const why = cause.code ?? cause.message;
      settle(new GatehouseError('UNAVAILABLE', `cannot reach ${says} (${why})`, { cause }));
    };
    const onAbort = (): void => onError(Object.assign(new Error('no answer in time'), { code: 'ETIMEDOUT' }));
    socket.once('connect', onConnect).once('error', onError);
    signal.addEventListener('abort', onAbort, { once: true });
    if (signal.aborted) onAbort();
  });
}

function secured(tcp: Socket, host: string, says: string, signal: AbortSignal): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connectTls({ socket: tcp, servername: host, rejectUnauthorized: true }, () => {
      signal.removeEventListener('abort', onAbort);
      socket.off('error', fail);
      resolve(socket);
    });
    const fail = (cause: unknown): void => {
      signal.removeEventListener('abort', onAbort);
      socket.destroy();
      if (isCode(cause)) reject(cause);
      else reject(new GatehouseError('UNAVAILABLE', `cannot reach ${says} by TLS`, { cause }));
    };
    const onAbort = (): void => fail(new GatehouseError('UNAVAILABLE', `${says} gave no answer in time`));
    signal.addEventListener('abort', onAbort, { once: true });
    socket.once('error', fail);
  });
}

/** BAD_REQUEST when it is not `host:port`: nothing else may get into the request line. */
export function splitAddress(address: string): { readonly host: string; readonly port: number } {
  const [, v6, name, digits] = /^(?:\[([0-9A-Fa-f:.]+)\]|([A-Za-z0-9._-]+)):(\d{1,5})$/.exec(address) ?? [];
  const port = Number(digits);
  const host = v6 ?? name;
  if (host !== undefined && port > 0 && port <= 65_535) return { host, port };
  throw new GatehouseError('BAD_REQUEST', 'an address must be host:port');
}
