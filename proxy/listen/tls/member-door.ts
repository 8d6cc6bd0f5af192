// TLS with the proxy itself, for members who prove who they are by certificate: the proxy shows its host certificate of
// the cluster, so its pin and not the web's authorities tell that it is the right one.
import type { Socket } from 'node:net';
import { createSecureContext, type SecureContext, type TLSSocket } from 'node:tls';
import type { HostRecord } from '#client/credentials.ts';
import type { ParsedCertificate } from '#core/certs/x509/parse.ts';
import type { Clock } from '#core/clock.ts';
import { GatehouseError } from '#core/errors/error.ts';
import type { UserIdentity } from '#core/identity.ts';
import { UserCertificates } from '#core/user-certificates.ts';
import { acceptTls } from './handshake.ts';
import { MEMBER_TLS, RESUMED_TLS } from './settings.ts';

export interface MemberDoorOptions {
  readonly clock: Clock;
  readonly record: () => HostRecord | undefined;
  readonly view: {
    clusterName(): string;
    tlsAuthorities(type: 'user'): readonly string[];
    x509Authorities(type: 'user'): readonly ParsedCertificate[];
  };
  /** Of ALPN, in our order of preference; a client that names none of them gets no further, one that names nothing does. */
  readonly protocols: readonly string[];
  /**
   * Clients may come again with a ticket of their last handshake, for five minutes: the certificate they showed then is in
   * it, and is verified as if they had shown it now. Default false.
   */
  readonly takesTickets?: boolean;
}

export interface ProvenUser {
  readonly stream: TLSSocket;
  readonly identity: UserIdentity;
  /** DER. */
  readonly certificate: Uint8Array;
  /** When the certificate ends: the first millisecond at which it is no longer valid. */
  readonly validBefore: number;
}

/** TLS is spoken; whose certificate it was is not known yet. */
export interface MemberStream {
  readonly stream: TLSSocket;
  /** UNAUTHENTICATED without a certificate, CERTIFICATE_INVALID with one that is not a user's of this cluster. */
  identify(): Omit<ProvenUser, 'stream'>;
}

export interface MemberDoor {
  /** Owns the socket until it returns. UNAUTHENTICATED when there is no TLS, UNAVAILABLE before the proxy has joined. */
  handshake(socket: Socket): Promise<MemberStream>;
  /** Of a connection whose handshake was done elsewhere, and asked for a certificate; throws as `accept`. */
  identify(stream: TLSSocket): Omit<ProvenUser, 'stream'>;
  /** Owns the socket. UNAUTHENTICATED without a certificate, CERTIFICATE_INVALID with one that is not a user's of this cluster. */
  accept(socket: Socket): Promise<ProvenUser>;
}

/** What is wrong with a certificate is found above TLS (`identify`), and said in the protocol there. */
export const ASKS_FOR_CERTIFICATE = { requestCert: true, rejectUnauthorized: false } as const;

export function openMemberDoor(options: MemberDoorOptions): MemberDoor {
  const { clock, record, view, takesTickets = false } = options;
  const ALPNProtocols = [...options.protocols];
  const certificates = new UserCertificates();
  let known:
    | {
        readonly of: HostRecord['certificates'];
        readonly authorities: string;
        readonly context: SecureContext;
      }
    | undefined;
  const contextNow = (): SecureContext => {
    const current = record();
    if (current === undefined) throw new GatehouseError('UNAVAILABLE', 'this proxy has not joined yet');
    const authorities = view.tlsAuthorities('user').join('');
    if (known?.of !== current.certificates || known.authorities !== authorities) {
      const context = contextOf(current, view.tlsAuthorities('user'), takesTickets);
      known = { of: current.certificates, authorities, context };
    }
    return known.context;
  };
  const handshake = async (socket: Socket): Promise<MemberStream> => {
    const secureContext = contextNow();
    const stream = await acceptTls(socket, { secureContext, ALPNProtocols, ...ASKS_FOR_CERTIFICATE }, clock);
    return { stream, identify: () => identify(stream, certificates, view, clock.now()) };
  };
  return {
    handshake,
    identify: (stream) => identify(stream, certificates, view, clock.now()),
    async accept(socket) {
      const { stream, identify: prove } = await handshake(socket);
      try {
        return { stream, ...prove() };
      } catch (error) {
        stream.destroy();
        throw error;
      }
    },
  };
}

function contextOf(
  record: HostRecord,
  userAuthorities: readonly string[],
  takesTickets: boolean,
): SecureContext {
  const { tls_certificate: certificate, tls_authorities: authorities } = record.certificates;
  return createSecureContext({
    ...(takesTickets ? RESUMED_TLS : MEMBER_TLS),
    key: record.tls_private_key,
    cert: [certificate, ...authorities.host.slice(0, 1)].join(''),
    // Only names for the client to choose its certificate by; `identify` does the checking.
    ca: [...userAuthorities],
  });
}

function identify(
  stream: TLSSocket,
  certificates: UserCertificates,
  view: MemberDoorOptions['view'],
  now: number,
): Omit<ProvenUser, 'stream'> {
  const shown = stream.getPeerX509Certificate();
  if (shown === undefined) throw new GatehouseError('UNAUTHENTICATED', 'no certificate was shown');
  const certificate = new Uint8Array(shown.raw);
  const context = { authorities: view.x509Authorities('user'), clusterName: view.clusterName(), now };
  const { identity, validBefore } = certificates.verify(certificate, context);
  return { identity, certificate, validBefore };
}
