// An SSH connection to a server, through the proxy: TLS to the proxy, and inside it SSH whose other end is the server
// itself, proven by its certificate. The proxy sees bytes pass and holds no key to them.
import type { Environment } from '#client/outbound/http-proxy.ts';
import type { Duplex } from 'node:stream';
import { GatehouseError, isCode } from '#core/errors/error.ts';
import type { Clock } from '#core/clock.ts';
import { silentLog } from '#core/log.ts';
import { connectSsh } from '#wire/ssh/connect.ts';
import type { ConnectionHandlers, SshConnection, SshLimits } from '#wire/ssh/ssh.ts';
import type { Profile, ProfileProxy } from '../profile/profile.ts';
import { HOST_CERTIFICATE_ALGORITHMS, hostNamesOf, requireHost } from './host-certificate.ts';
import type { SshIdentity } from './identity.ts';
import { reachServer } from './reach.ts';

export interface ServerAddress {
  /** Name, id or address, for the proxy. */
  readonly target: string;
  readonly port?: number | undefined;
  /** What its certificate must say, when that is not `target`. */
  readonly names?: readonly string[];
}

export interface OpenServerOptions {
  readonly clock: Clock;
  readonly profile: Profile & { readonly proxy: ProfileProxy };
  readonly identity: SshIdentity;
  readonly server: ServerAddress;
  readonly login: string;
  /** Names the HTTP proxy in between, if there is one. */
  readonly environment: Environment;
  readonly limits?: Partial<SshLimits>;
  readonly handlers?: ConnectionHandlers;
  /** For all of it, from the proxy to the login; left out: each step has its own time. */
  readonly timeoutMs?: number | undefined;
  /** Text of the server for the person; not safe for a terminal yet. */
  readonly onBanner?: (text: string) => void;
}

const BY_APPLICATION = 11;
const MIB = 1024 ** 2;
/** More than OpenSSH's 2 MiB: on a long way a transfer goes as fast as the window allows. */
const WINDOW_BYTES = 4 * MIB;

/**
 * The caller disconnects. Rejects as reachServer and connectSsh; CERTIFICATE_INVALID when the server is not the one that
 * was asked for: nothing of the user was sent to it then.
 */
export async function openServer(options: OpenServerOptions): Promise<SshConnection> {
  const { clock, profile, identity, server, timeoutMs } = options;
  const { target, port } = server;
  const request = { target, cluster: profile.cluster, ...(port === undefined ? {} : { port }) };
  let socket: Duplex | undefined;
  const opening = (async () => {
    const { environment } = options;
    socket = await reachServer({ profile, clock, request, environment, identity: async () => identity });
    return openServerOn(socket, options);
  })();
  if (timeoutMs === undefined) return opening;
  return new Promise((resolve, reject) => {
    const timer = clock.after(timeoutMs, () => {
      // Whatever comes of it now is not wanted any more.
      opening.then((late) => late.disconnect(BY_APPLICATION, 'too late')).catch(() => {});
      socket?.destroy();
      reject(
        new GatehouseError('UNAVAILABLE', `${target} cannot be reached within ${timeoutMs / 1000} seconds`),
      );
    });
    opening.then(resolve, reject).finally(() => timer.cancel());
  });
}

/** The same on a connection to the server, which is owned from now on. */
export async function openServerOn(
  socket: Duplex,
  options: Omit<OpenServerOptions, 'profile' | 'environment' | 'timeoutMs'>,
): Promise<SshConnection> {
  const { clock, identity, server, login } = options;
  const { target, names = hostNamesOf(target) } = server;
  try {
    return await connectSsh({
      socket,
      clock,
      log: silentLog,
      user: login,
      keys: [identity.key],
      hostAlgorithms: HOST_CERTIFICATE_ALGORITHMS,
      verifyHost: ({ blob }) =>
        requireHost(blob, { authorities: identity.authorities, names, now: clock.now() }),
      limits: { windowBytes: WINDOW_BYTES, ...options.limits },
      ...(options.handlers === undefined ? {} : { handlers: options.handlers }),
      ...(options.onBanner === undefined ? {} : { onBanner: options.onBanner }),
    });
  } catch (error) {
    throw explain(error, `${login}@${target}`);
  }
}

/** What the server says to a certificate that it does not take is in its banner. */
function explain(error: unknown, who: string): unknown {
  if (!isCode(error, 'ACCESS_DENIED')) return error;
  return new GatehouseError('ACCESS_DENIED', `${who}: the server does not let this login in`, {
    cause: error,
  });
}
