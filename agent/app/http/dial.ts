// Connects to an application at the address that an admin wrote: checked when it is dialed, because a name may stand for
// something else by then (S25). TLS is verified unless the application says otherwise.
import { connect, isIP, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { addressClass } from '#core/address-class.ts';
import type { Clock } from '#core/clock.ts';
import { GatehouseError } from '#core/errors/error.ts';
import { checkedLookup } from '../../checked-lookup.ts';

export interface AppAddress {
  readonly uri: string;
  readonly insecureSkipVerify: boolean;
}

const DIAL_MS = 10_000;
const KEEP_ALIVE_MS = 30_000;

/** UNAVAILABLE with the reason; ACCESS_DENIED for an address at which no application is. */
export function dialApp({ uri, insecureSkipVerify }: AppAddress, clock: Clock): Promise<Socket> {
  const url = new URL(uri);
  const host = url.hostname.replace(/^\[(.*)\]$/, '$1');
  const isTls = url.protocol === 'https:';
  const port = url.port === '' ? (isTls ? 443 : 80) : Number(url.port);
  if (isIP(host) !== 0 && !mayDial(host)) return Promise.reject(refused(host));
  const options = {
    host,
    port,
    noDelay: true,
    keepAlive: true,
    keepAliveInitialDelay: KEEP_ALIVE_MS,
    allowHalfOpen: false,
    autoSelectFamily: true,
    lookup: guarded,
  };
  return new Promise((resolve, reject) => {
    const socket = isTls
      ? connectTls({
          ...options,
          ALPNProtocols: ['http/1.1'],
          rejectUnauthorized: !insecureSkipVerify,
          ...(isIP(host) === 0 ? { servername: host } : {}),
        })
      : connect(options);
    const fail = (error: NodeJS.ErrnoException): void => {
      timer.cancel();
      socket.on('error', () => {}).destroy();
      reject(error instanceof GatehouseError ? error : unreachable(url.host, error));
    };
    const timer = clock.after(DIAL_MS, () =>
      fail(Object.assign(new Error('no answer'), { code: 'ETIMEDOUT' })),
    );
    socket.once('error', fail).once(isTls ? 'secureConnect' : 'connect', () => {
      timer.cancel();
      socket.off('error', fail);
      resolve(socket);
    });
  });
}

const mayDial = (address: string): boolean => {
  const found = addressClass(address);
  return found !== undefined && found !== 'never';
};

const guarded = checkedLookup(mayDial, refused);

function refused(host: string): GatehouseError {
  return new GatehouseError(
    'ACCESS_DENIED',
    `${host} is a link-local or metadata address: no application is served from there`,
  );
}

/** Codes of certificates that are not trusted. */
const TLS_TROUBLE = /^(?:CERT_|DEPTH_|SELF_SIGNED|UNABLE_TO_|ERR_TLS_|HOSTNAME)/;

function unreachable(host: string, error: NodeJS.ErrnoException): GatehouseError {
  const first = error instanceof AggregateError ? (error.errors[0] as NodeJS.ErrnoException) : error;
  const code = first.code ?? error.code ?? 'failed';
  const why = TLS_TROUBLE.test(code)
    ? `its certificate is not trusted (${code}); give the agent its authority (NODE_EXTRA_CA_CERTS) or set insecure_skip_verify`
    : code;
  return new GatehouseError('UNAVAILABLE', `the application at ${host} cannot be reached: ${why}`, {
    cause: error,
  });
}
