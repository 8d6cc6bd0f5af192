// A TCP connection from this agent to a database, and why there is none. What a name resolves to is judged at the very
// lookup that is dialed: nobody gets to a metadata service by a name (S25).
import { lookup, type LookupAddress } from 'node:dns';
import { connect, isIP, type LookupFunction, type Socket } from 'node:net';
import { addressClass } from '#core/address-class.ts';
import { GatehouseError } from '#core/errors/error.ts';

export interface DialOptions {
  readonly host: string;
  readonly port: number;
  /** Fires when time is up or nobody wants it any more. */
  readonly signal: AbortSignal;
  readonly resolve?: typeof lookup;
}

const KEEP_ALIVE_MS = 30_000;

/** Connected, nothing read; the caller destroys it. UNAVAILABLE says what to check; an abort rejects with its reason. */
export function dialDatabase({ host, port, signal, resolve = lookup }: DialOptions): Promise<Socket> {
  const at = `${host.includes(':') ? `[${host}]` : host}:${port}`;
  return new Promise((done, reject) => {
    if (isIP(host) !== 0 && isForbidden(host)) return reject(forbidden(at));
    if (signal.aborted) return reject(signal.reason as Error);
    const socket = connect({
      host,
      port,
      noDelay: true,
      keepAlive: true,
      keepAliveInitialDelay: KEEP_ALIVE_MS,
      lookup: guarded(at, resolve),
    });
    const settle = (error?: Error): void => {
      signal.removeEventListener('abort', onAbort);
      socket.off('connect', onConnect).off('error', onError);
      if (error === undefined) return done(socket);
      // It may still report what it ended with.
      socket.on('error', () => {});
      socket.destroy();
      reject(error);
    };
    const onConnect = (): void => settle();
    const onError = (error: Error): void => settle(dialFailure(error, at));
    const onAbort = (): void => settle(signal.reason as Error);
    signal.addEventListener('abort', onAbort, { once: true });
    socket.once('connect', onConnect).once('error', onError);
  });
}

function guarded(at: string, resolve: typeof lookup): LookupFunction {
  return (host, options, callback) => {
    resolve(host, { ...options, all: true }, (error: Error | null, found: LookupAddress[] | undefined) => {
      if (error !== null) return callback(error, []);
      const fine = (found ?? []).filter(({ address }) => !isForbidden(address));
      const [first] = fine;
      if (first === undefined) callback(forbidden(at), []);
      else if (options.all === true) callback(null, fine);
      else callback(null, first.address, first.family);
    });
  };
}

const isForbidden = (ip: string): boolean => addressClass(ip) === 'never';

const forbidden = (at: string): GatehouseError =>
  new GatehouseError('UNAVAILABLE', `${at} is a link-local, reserved or metadata address; correct the uri`);

const HINTS: Readonly<Record<string, string>> = {
  ENOTFOUND: 'its name is not known: check the uri, and the DNS that this agent uses',
  EAI_AGAIN: 'its name cannot be resolved now: check the DNS that this agent uses',
  ECONNREFUSED: 'nothing listens there: check host and port of the uri, and that the database runs',
  ECONNRESET: 'the connection was reset: check what stands between this agent and the database',
};

/** UNAVAILABLE with what to check. */
export function dialFailure(error: unknown, at: string): GatehouseError {
  if (error instanceof GatehouseError) return error;
  const found = error instanceof AggregateError ? (error.errors[0] as unknown) : error;
  const code = found instanceof Error && 'code' in found ? String(found.code) : '';
  const hint = HINTS[code] ?? `no way there (${code === '' ? String(found) : code}); ${FIREWALL}`;
  return new GatehouseError('UNAVAILABLE', `the database at ${at} cannot be reached: ${hint}`, {
    cause: error,
  });
}

const FIREWALL =
  'security groups, network ACLs and firewalls must let this agent through: `nc -zv HOST PORT` on its machine shows it';

/** For the caller's clock. */
export function dialTimeout(at: string, seconds: number): GatehouseError {
  return new GatehouseError(
    'UNAVAILABLE',
    `the database at ${at} did not answer within ${seconds} s: ${FIREWALL}`,
  );
}
