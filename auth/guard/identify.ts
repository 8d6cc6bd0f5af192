// From a connection to an identity: the client certificate is verified by our own rules, once per connection, against
// the authority that may issue that sort of identity. TLS has proven only that the peer holds the key.
import type { TLSSocket } from 'node:tls';
import { identityOfCertificate } from '#core/certs/x509/identity.ts';
import { parseX509, type ParsedCertificate } from '#core/certs/x509/parse.ts';
import { derFromPem } from '#core/certs/x509/pem.ts';
import { verifyX509 } from '#core/certs/x509/verify.ts';
import type { Clock } from '#core/clock.ts';
import { GatehouseError } from '#core/errors/error.ts';
import { parseIdentity, type Identity } from '#core/identity.ts';
import type { AuthorityType, CertificateAuthorities } from '../authority/authority.ts';

export interface Identified {
  readonly identity: Identity;
  /** First millisecond at which the certificate is no longer valid. */
  readonly expires: number;
}

/** A host cannot speak as a user, nor a user as a host: each sort of identity has the one authority that issues it. */
const ISSUER: Readonly<Record<Identity['kind'], AuthorityType>> = {
  user: 'user',
  admin: 'user',
  host: 'host',
};

interface Seen extends Identified {
  /** Which set of trusted authorities it was checked against. */
  readonly generation: number;
}

export interface IdentifyOptions {
  readonly authorities: Pick<CertificateAuthorities, 'publicPart'>;
  readonly clock: Clock;
  readonly clusterName: string;
}

export class Identifier {
  readonly #options: IdentifyOptions;
  readonly #seen = new WeakMap<TLSSocket, Seen>();
  readonly #trusted = new Map<AuthorityType, readonly ParsedCertificate[]>();
  #generation = 0;

  constructor(options: IdentifyOptions) {
    this.#options = options;
  }

  /** To be called when an authority changed: every connection is checked anew at its next request. */
  authoritiesChanged(): void {
    this.#generation += 1;
    this.#trusted.clear();
  }

  /** Undefined when the peer showed no certificate; CERTIFICATE_INVALID when it showed one that is not good now. */
  identify(socket: TLSSocket): Identified | undefined {
    const seen = this.#seen.get(socket);
    if (seen !== undefined && seen.generation === this.#generation) return this.#requireUnexpired(seen);
    const certificate = socket.getPeerX509Certificate();
    if (certificate === undefined) return undefined;
    const identified = this.verify(new Uint8Array(certificate.raw));
    this.#seen.set(socket, { ...identified, generation: this.#generation });
    return identified;
  }

  /** The identity of a client certificate, in full. */
  verify(der: Uint8Array): Identified {
    const claimed = parseIdentity(identityOfCertificate(parseX509(der)));
    const certificate = verifyX509(der, {
      authorities: this.#authorities(ISSUER[claimed.kind]),
      purpose: 'clientAuth',
      now: this.#options.clock.now(),
    });
    if (claimed.cluster !== this.#options.clusterName) {
      throw new GatehouseError('CERTIFICATE_INVALID', 'the certificate is for another cluster');
    }
    return { identity: claimed, expires: certificate.notAfter + 1000 };
  }

  #requireUnexpired(seen: Seen): Identified {
    if (this.#options.clock.now() < seen.expires) return seen;
    throw new GatehouseError('CERTIFICATE_INVALID', 'the certificate has expired', {
      details: { reason: 'expired' },
    });
  }

  #authorities(type: AuthorityType): readonly ParsedCertificate[] {
    const known = this.#trusted.get(type);
    if (known !== undefined) return known;
    const { tlsCertificates } = this.#options.authorities.publicPart(type);
    const parsed = tlsCertificates.map((pem) => parseX509(derFromPem(pem)));
    this.#trusted.set(type, parsed);
    return parsed;
  }
}
