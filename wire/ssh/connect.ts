// The client's end of an SSH connection: transport, then authentication, then the connection, over one socket. The
// counterpart of accept.ts.
import { GatehouseError } from '#core/errors/error.ts';
import { AuthClient } from './auth-client.ts';
import { candidateOf, type Candidate } from './candidates.ts';
import { Connection } from './connection.ts';
import { sshLimits } from './limits.ts';
import type { ConnectOptions, SshConnection, SshLimits } from './ssh.ts';
import type { Transport, TransportHandlers } from './transport-contract.ts';
import { openTransport } from './transport/transport.ts';

/**
 * Connects over `socket` and authenticates. Rejects with BAD_REQUEST (a key cannot be used), ACCESS_DENIED (the host takes none of the keys), UNAVAILABLE
 * (the connection failed), what `verifyHost` or a signer threw, or another code of TransportHandlers.onClose; the
 * socket is closed then. To give up before it settles, destroy the socket.
 */
export function connectSsh(options: ConnectOptions): Promise<SshConnection> {
  const { socket, clock, log, verifyHost, hostAlgorithms } = options;
  const limits = sshLimits(options.limits);
  return new Promise((resolve, reject) => {
    let client: AuthClient | undefined;
    const candidates = candidatesOrDestroy(options);
    const handlers: TransportHandlers = {
      onMessage: (message) => client?.onMessage(message),
      onDrain: () => {},
      onClose(error) {
        client?.stop();
        reject(client?.refusal ?? error ?? leftEarly());
      },
    };
    openTransport({
      role: 'client',
      socket,
      clock,
      log,
      limits,
      verifyHost,
      ...(hostAlgorithms === undefined ? {} : { hostAlgorithms }),
      handlers,
      onReady(transport) {
        client = authenticateTo(transport, limits, { ...options, candidates }, resolve);
      },
    });
  });
}

/** The same over a transport that is ready; its handlers are the caller's until the host is content. */
export function authenticateTo(
  transport: Transport,
  limits: SshLimits,
  options: Pick<ConnectOptions, 'clock' | 'log' | 'user' | 'handlers' | 'onBanner'> & {
    readonly candidates: readonly Candidate[];
  },
  onConnected: (connection: SshConnection) => void,
): AuthClient {
  const { clock, log, user, candidates, onBanner } = options;
  return new AuthClient({
    transport,
    user,
    candidates,
    onBanner,
    onSuccess() {
      transport.authenticated();
      const connection = new Connection({ transport, limits, clock, log });
      connection.serve(options.handlers ?? {});
      onConnected(connection);
    },
  });
}

function candidatesOrDestroy(options: ConnectOptions): Candidate[] {
  try {
    return options.keys.map(candidateOf);
  } catch (error) {
    options.socket.destroy();
    throw error;
  }
}

function leftEarly(): GatehouseError {
  return new GatehouseError('UNAVAILABLE', 'the host ended the SSH connection during authentication');
}
