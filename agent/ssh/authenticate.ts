// From a proven SSH certificate to who it is. Only what the certificate and its bytes say: what the person may do with
// it is decided in decide.ts.
import { RELAY_NODE_EXTENSION } from '#core/api/relay.ts';
import { keyAlgorithmOfCertificate } from '#core/certs/ssh/algorithms.ts';
import { refuseCertificate } from '#core/certs/refusal.ts';
import type { SshPublicKey } from '#core/certs/ssh/public-key.ts';
import { verifySshCertificate, type SshGrant } from '#core/certs/ssh/verify.ts';
import { GatehouseError } from '#core/errors/error.ts';
import type { UserIdentity } from '#core/identity.ts';
import { readSshIdentity, SSH_IDENTITY_EXTENSION } from '#core/ssh-identity.ts';

export interface CertificateOffer {
  /** As negotiated, such as `ssh-ed25519-cert-v01@openssh.com`. */
  readonly algorithm: string;
  readonly blob: Uint8Array;
}

export interface CertificateGround {
  /** This server: certificates that proxies got for another one are refused. */
  readonly hostId: string;
  /** Keys of the user authority. */
  readonly authorities: readonly SshPublicKey[];
  readonly now: number;
  /** IP of the person's client. */
  readonly remoteIp: string;
}

export interface Holder {
  readonly identity: UserIdentity;
  readonly grant: SshGrant;
}

/** The text for the person when the form of the certificate has no place for an identity. */
export const OLD_FORMAT_MESSAGE =
  'this certificate was made in the oldssh format, which carries no identity; get one in the standard format';

/**
 * Who an offered certificate says it is for; the proof that the peer holds its key is the caller's. The login is not
 * compared here, so that a wrong one can be explained. CERTIFICATE_INVALID for plain keys, other authorities, times
 * and addresses; NOT_SUPPORTED for the oldssh format.
 */
export function readHolder(offer: CertificateOffer, ground: CertificateGround): Holder {
  if (!isCertificate(offer.algorithm)) {
    throw refuseCertificate('wrong-type', 'a certificate of the cluster is needed, not a plain key');
  }
  const grant = verifySshCertificate(offer.blob, {
    type: 'user',
    authorities: ground.authorities,
    principal: null,
    now: ground.now,
    sourceAddress: ground.remoteIp,
  });
  const { extensions } = grant.certificate;
  const relayedTo = extensions.get(RELAY_NODE_EXTENSION);
  if (relayedTo !== undefined && relayedTo !== ground.hostId) {
    throw refuseCertificate('identity', 'the certificate was made for a proxy, to go to another server');
  }
  if (!extensions.has(SSH_IDENTITY_EXTENSION)) throw new GatehouseError('NOT_SUPPORTED', OLD_FORMAT_MESSAGE);
  const identity = readSshIdentity(extensions);
  if (identity.kind !== 'user') throw refuseCertificate('identity', 'the certificate is not of a user');
  return { identity, grant };
}

/** RSA certificates are offered under the name of the signature: `rsa-sha2-512-cert-v01@openssh.com`. */
function isCertificate(algorithm: string): boolean {
  return (
    keyAlgorithmOfCertificate(algorithm) !== undefined ||
    /^rsa-sha2-(?:256|512)-cert-v01@openssh\.com$/.test(algorithm)
  );
}
