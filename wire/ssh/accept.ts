// The server's end of an SSH connection: transport, then authentication, then the connection, over one socket. Separate
// from each because this is the order in which they are put on top of each other.
import { GatehouseError } from '#core/errors/error.ts';
import { AuthServer } from './auth-server.ts';
import { Connection } from './connection.ts';
import { sshLimits } from './limits.ts';
import { DISCONNECT, MSG } from './messages.ts';
import type { AcceptOptions, SshLimits } from './ssh.ts';
import type { Transport, TransportHandlers } from './transport-contract.ts';
import { openTransport } from './transport/transport.ts';

/**
 * Serves one client. Never throws: what goes wrong before the client is authenticated goes to `onRefused`, once, and
 * afterwards to the connection's `closed`. To give up before that, destroy the socket.
 */
export function acceptSsh<T>(options: AcceptOptions<T>): void {
  const { socket, clock, log, hostKeys } = options;
  const limits = sshLimits(options.limits);
  let server: AuthServer<T> | undefined;
  const handlers: TransportHandlers = {
    onMessage: (message) => server?.onMessage(message),
    onDrain: () => {},
    onClose(error) {
      server?.stop();
      options.onRefused?.(server?.refusal ?? error ?? leftEarly(), server?.lastUser);
    },
  };
  openTransport({
    role: 'server',
    socket,
    clock,
    log,
    limits,
    hostKeys,
    handlers,
    onReady(transport) {
      server = serveAuthentication(transport, limits, options);
    },
  });
}

/** The same over a transport that is ready; its handlers are the caller's until the client is authenticated. */
export function serveAuthentication<T>(
  transport: Transport,
  limits: SshLimits,
  options: Pick<AcceptOptions<T>, 'clock' | 'log' | 'authenticate' | 'serve'>,
): AuthServer<T> {
  const { clock, log, authenticate, serve } = options;
  return new AuthServer({
    transport,
    log,
    maxAuthTries: limits.maxAuthTries,
    authenticate,
    onSuccess(identity) {
      const connection = new Connection({ transport, limits, clock, log });
      transport.send(Uint8Array.of(MSG.userauthSuccess));
      transport.authenticated();
      try {
        connection.serve(serve(connection, identity));
      } catch (error) {
        log.error({ err: error }, 'SSH connection ended: it could not be served');
        connection.disconnect(DISCONNECT.byApplication, 'the connection cannot be served');
      }
    },
  });
}

function leftEarly(): GatehouseError {
  return new GatehouseError('UNAUTHENTICATED', 'the client left before it was authenticated');
}
