// TLS from this agent to a PostgreSQL server: the request for it, the handshake, and what a certificate that does not
// pass means. Never without TLS, and nothing is believed that came before it.
import type { Socket } from 'node:net';
import {
  checkServerIdentity,
  connect,
  type PeerCertificate,
  type SecureContext,
  type TLSSocket,
} from 'node:tls';
import { GatehouseError } from '#core/errors/error.ts';

export interface TargetTls {
  readonly mode: 'verify-full' | 'verify-ca' | 'insecure';
  /** The name that the certificate must have. */
  readonly serverName: string;
  readonly context: SecureContext;
  /** What to do when the authority is not trusted. */
  readonly trustHint: string;
  /** `host:port`, for messages. */
  readonly at: string;
}

const SSL_REQUEST = Buffer.from([0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f]);
const YES = 0x53;
const NO = 0x4e;
const UNTRUSTED: ReadonlySet<string> = new Set([
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
  'UNABLE_TO_GET_ISSUER_CERT',
  'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
  'SELF_SIGNED_CERT_IN_CHAIN',
  'DEPTH_ZERO_SELF_SIGNED_CERT',
  'CERT_UNTRUSTED',
  'CERT_SIGNATURE_FAILURE',
]);
const LEGACY =
  'certificate relies on legacy Common Name field, use SANs instead: renew the certificate of the database (for RDS, rotate it to a current CA)';

/** Owns the socket from then on: on failure it is destroyed. UNAVAILABLE, or CERTIFICATE_INVALID with what to change. */
export async function secureTarget(socket: Socket, tls: TargetTls, signal: AbortSignal): Promise<TLSSocket> {
  try {
    socket.write(SSL_REQUEST);
    const answer = await firstPiece(socket, tls.at, signal);
    if (answer[0] === NO && answer.length === 1)
      throw new GatehouseError(
        'UNAVAILABLE',
        `the database at ${tls.at} offers no TLS: turn on ssl in its postgresql.conf; nothing is sent without it`,
      );
    // More than the one byte would have been sent in the clear and be taken for encrypted.
    if (answer[0] !== YES || answer.length !== 1)
      throw new GatehouseError('UNAVAILABLE', `what answers at ${tls.at} does not speak PostgreSQL`);
    return await handshake(socket, tls, signal);
  } catch (error) {
    socket.on('error', () => {});
    socket.destroy();
    throw error;
  }
}

function firstPiece(socket: Socket, at: string, signal: AbortSignal): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const settle = (act: () => void): void => {
      signal.removeEventListener('abort', onAbort);
      socket.off('readable', onReadable).off('error', onEnd).off('close', onEnd).off('end', onEnd);
      act();
    };
    const onReadable = (): void => {
      const piece = socket.read() as Buffer | null;
      if (piece !== null) settle(() => resolve(piece));
    };
    const onEnd = (): void =>
      settle(() =>
        reject(
          new GatehouseError('UNAVAILABLE', `the database at ${at} ended the connection before it began`),
        ),
      );
    const onAbort = (): void => settle(() => reject(signal.reason as Error));
    if (signal.aborted) return onAbort();
    signal.addEventListener('abort', onAbort, { once: true });
    socket.on('readable', onReadable).once('error', onEnd).once('close', onEnd).once('end', onEnd);
  });
}

function handshake(socket: Socket, tls: TargetTls, signal: AbortSignal): Promise<TLSSocket> {
  return new Promise((resolve, reject) => {
    const secure = connect({
      socket,
      secureContext: tls.context,
      ...(isName(tls.serverName) ? { servername: tls.serverName } : {}),
      minVersion: 'TLSv1.2',
      rejectUnauthorized: tls.mode !== 'insecure',
      checkServerIdentity: (_, certificate) => identityProblem(tls, certificate),
    });
    const settle = (error?: Error): void => {
      signal.removeEventListener('abort', onAbort);
      secure.off('secureConnect', onSecure).off('error', onError).off('close', onClose);
      // Whoever gets it may not look at it at once, and it may be reset at any time.
      secure.on('error', () => {});
      if (error === undefined) return resolve(secure);
      secure.destroy();
      reject(error);
    };
    const onSecure = (): void => settle();
    const onError = (error: Error): void => settle(tlsFailure(error, tls));
    const onClose = (): void =>
      settle(new GatehouseError('UNAVAILABLE', `the database at ${tls.at} ended the TLS handshake`));
    const onAbort = (): void => settle(signal.reason as Error);
    signal.addEventListener('abort', onAbort, { once: true });
    secure.once('secureConnect', onSecure).once('error', onError).once('close', onClose);
  });
}

function identityProblem({ mode, serverName }: TargetTls, certificate: PeerCertificate): Error | undefined {
  if (mode !== 'verify-full') return undefined;
  // Node would take the common name then.
  if (certificate.subjectaltname === undefined) return new Error(LEGACY);
  return checkServerIdentity(serverName, certificate);
}

function tlsFailure(error: Error, { at, serverName, trustHint }: TargetTls): GatehouseError {
  const code = 'code' in error ? String(error.code) : '';
  const fail = (why: string): GatehouseError =>
    new GatehouseError('CERTIFICATE_INVALID', `the certificate of the database at ${at}: ${why}`, {
      cause: error,
    });
  if (UNTRUSTED.has(code)) return fail(`signed by an authority that is not trusted here; ${trustHint}`);
  if (error.message === LEGACY) return fail(`x509: ${LEGACY}`);
  if (code === 'CERT_HAS_EXPIRED') return fail('it has expired; renew it');
  if (code === 'CERT_NOT_YET_VALID') return fail('it is not valid yet; check the clocks');
  if (code === 'INVALID_PURPOSE') return fail('it is not one for servers');
  if (code === 'ERR_TLS_CERT_ALTNAME_INVALID')
    return fail(`it is not for ${serverName}; set tls.server_name to a name that it has (${error.message})`);
  return new GatehouseError('UNAVAILABLE', `no TLS with the database at ${at}: ${error.message}`, {
    cause: error,
  });
}

const isName = (host: string): boolean => !/^[0-9.]+$/.test(host) && !host.includes(':');
