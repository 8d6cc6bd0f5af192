// What happens to a connection of the web port, by what it speaks:
//
//   SSH-…                       the SSH door
//   TLS, gatehouse-auth         passed on to auth unread
//   TLS, gatehouse-proxy-ssh    ends here, with the certificate of the user: the SSH door
//   TLS, gatehouse-db, …-app    ends here, with a certificate for a target: the doors of targets; so does `postgresql`
//   PostgreSQL in clear         asks for TLS first: the same
//   TLS, anything else          ends here: HTTP
//   plain HTTP                  HTTP where a balancer ends TLS, else a hint to come back with TLS
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type { SecureContext } from 'node:tls';
import { AUTH_PROTOCOL } from '#core/api/web.ts';
import type { Clock } from '#core/clock.ts';
import { GatehouseError } from '#core/errors/error.ts';
import type { Log } from '#core/log.ts';
import { PROXY_SSH_PROTOCOL } from '#wire/proxy-request.ts';
import type { AuthDoor } from './auth-door.ts';
import type { ClientHello } from './client-hello.ts';
import type { ListenerOptions } from './listener.ts';
import type { Origin, Origins } from './origin.ts';
import { acceptTls } from './tls/handshake.ts';
import { ASKS_FOR_CERTIFICATE, type MemberDoor, type ProvenUser } from './tls/member-door.ts';
import { targetServiceOf, type TargetDoors } from '../target/doors.ts';

export interface WebPortOptions {
  readonly clock: Clock;
  readonly log: Log;
  readonly origins: Origins;
  readonly ssh: {
    accept(stream: Duplex, origin: Origin): void;
    proxySsh(stream: Duplex, proven: Pick<ProvenUser, 'identity' | 'validBefore'>, origin: Origin): void;
  };
  readonly authDoor: Pick<AuthDoor, 'accept'>;
  readonly memberDoor: MemberDoor;
  readonly targets: Pick<TargetDoors, 'tls' | 'postgres' | 'shown'>;
  /** Host names of applications, where programs may show a certificate in place of a cookie. */
  readonly appClients: AppClients;
  /** `serverName` as TLS had it. */
  readonly web: { accept(socket: Socket, serverName?: string): void };
  /** The certificate for a name that a client asks for; undefined where something in front ends TLS. */
  readonly certificate:
    | ((serverName: string, authorities?: readonly string[]) => SecureContext | undefined)
    | undefined;
  /** `host:port` to come back to with TLS. */
  readonly publicAddress: () => string;
}

export interface AppClients {
  /** The application at this name, and who signs certificates for it (PEM); undefined for all other names. */
  at(serverName: string): { readonly app: string; readonly authorities: readonly string[] } | undefined;
}

/** By then an SSH client has logged in, or was sent away. */
const SSH_LOGIN_MS = 35_000;

/** For ports that speak SSH alone, and for SSH on the web port. */
export function acceptSshOn(options: Pick<WebPortOptions, 'clock' | 'ssh'>): ListenerOptions['accept'] {
  return (socket, origin, _spoken, settled) => acceptSshStream(socket, origin, settled, options);
}

/** The same for a stream of whatever sort. */
export function acceptSshStream(
  stream: Duplex,
  origin: Origin,
  settled: () => void,
  { clock, ssh }: Pick<WebPortOptions, 'clock' | 'ssh'>,
): void {
  const timer = clock.after(SSH_LOGIN_MS, settled);
  stream.once('close', () => timer.cancel());
  ssh.accept(stream, origin);
}

export function acceptOnWebPort(options: WebPortOptions): ListenerOptions['accept'] {
  const acceptSsh = acceptSshOn(options);
  return (socket, origin, spoken, settled) => {
    switch (spoken?.type) {
      case 'ssh':
        acceptSsh(socket, origin, spoken, settled);
        return;
      case 'tls':
        acceptHello(socket, origin, spoken.hello, settled, options);
        return;
      case 'http':
        acceptHttp(socket, origin, settled, options);
        return;
      case 'postgres':
        options.targets.postgres(socket, origin, settled, spoken.asks);
        return;
      case undefined:
        socket.destroy();
    }
  };
}

function acceptHello(
  socket: Socket,
  origin: Origin,
  { protocols, serverName = '' }: ClientHello,
  settled: () => void,
  options: WebPortOptions,
): void {
  const service = targetServiceOf(protocols);
  if (service !== undefined) options.targets.tls(socket, origin, settled, service);
  else if (protocols.includes(AUTH_PROTOCOL)) options.authDoor.accept(socket, origin, settled);
  else if (protocols.includes(PROXY_SSH_PROTOCOL)) void acceptMember(socket, origin, settled, options);
  else void acceptWeb(socket, origin, { serverName, settled }, options);
}

async function acceptMember(
  socket: Socket,
  origin: Origin,
  settled: () => void,
  { memberDoor, ssh, log }: WebPortOptions,
): Promise<void> {
  try {
    const { stream, ...proven } = await memberDoor.accept(socket);
    settled();
    ssh.proxySsh(stream, proven, origin);
  } catch (error) {
    log.debug({ err: error, address: origin.remoteAddress }, 'a connection is refused');
    socket.destroy();
  }
}

async function acceptWeb(
  socket: Socket,
  origin: Origin,
  { serverName, settled }: { readonly serverName: string; readonly settled: () => void },
  { certificate, clock, log, origins, web, appClients, targets }: WebPortOptions,
): Promise<void> {
  try {
    const asked = appClients.at(serverName);
    const secureContext = certificate?.(serverName, asked?.authorities);
    if (secureContext === undefined) {
      throw new GatehouseError('UNAVAILABLE', 'TLS ends in front of this proxy');
    }
    origins.remember(socket, origin, settled);
    const asks = asked === undefined ? {} : ASKS_FOR_CERTIFICATE;
    const tls = await acceptTls(socket, { secureContext, ALPNProtocols: ['http/1.1'], ...asks }, clock);
    if (asked !== undefined && tls.getPeerX509Certificate() !== undefined)
      targets.shown(tls, origin, settled, asked.app);
    else web.accept(tls, serverName);
  } catch (error) {
    log.debug({ err: error, address: origin.remoteAddress }, 'a connection is refused');
    socket.destroy();
  }
}

function acceptHttp(socket: Socket, origin: Origin, settled: () => void, options: WebPortOptions): void {
  if (options.certificate === undefined) {
    options.origins.remember(socket, origin, settled);
    options.web.accept(socket);
    return;
  }
  // The path is not repeated: it may hold the token of an invite, which must not travel in clear again.
  const place = `https://${options.publicAddress()}/`;
  const body = `This port speaks HTTPS: ${place}\n`;
  socket.end(
    `HTTP/1.1 307 Temporary Redirect\r\nlocation: ${place}\r\nconnection: close\r\ncontent-type: text/plain\r\n` +
      `cache-control: no-store\r\ncontent-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
    () => socket.destroySoon(),
  );
}
