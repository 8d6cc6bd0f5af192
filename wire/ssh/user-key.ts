// The public key algorithms of user authentication: which key or certificate goes with which name, and the one
// signature that each name stands for. Both ends use it: the server to judge an offer, the client to make one.
import {
  CERTIFICATE_SUFFIX,
  isCertificateAlgorithm,
  keyAlgorithmOfCertificate,
  signatureAlgorithmsOf,
  SSH_KEY_ALGORITHMS,
  type SshKeyAlgorithm,
  type SshSignatureAlgorithm,
} from '#core/certs/ssh/algorithms.ts';
import { parseSshCertificate } from '#core/certs/ssh/certificate.ts';
import { parsePublicKey, type SshPublicKey } from '#core/certs/ssh/public-key.ts';
import { WireWriter } from '#core/certs/ssh/wire.ts';
import { refuseCertificate } from '#core/certs/refusal.ts';
import { MSG } from './messages.ts';

export interface UserAlgorithm {
  readonly keyAlgorithm: SshKeyAlgorithm;
  readonly isCertificate: boolean;
  /** The one that the signature blob must name. */
  readonly signature: SshSignatureAlgorithm;
}

const USER_ALGORITHMS: ReadonlyMap<string, UserAlgorithm> = new Map(
  SSH_KEY_ALGORITHMS.flatMap((keyAlgorithm) =>
    signatureAlgorithmsOf(keyAlgorithm).flatMap((signature): [string, UserAlgorithm][] => [
      [signature + CERTIFICATE_SUFFIX, { keyAlgorithm, isCertificate: true, signature }],
      [signature, { keyAlgorithm, isCertificate: false, signature }],
    ]),
  ),
);

/** Undefined for whatever is not taken, such as SHA-1 `ssh-rsa`. */
export function userAlgorithm(name: string): UserAlgorithm | undefined {
  return USER_ALGORITHMS.get(name);
}

/** The names under which a key of this blob type can be offered, the preferred first; none when it is not supported. */
export function userAlgorithmsOf(blobAlgorithm: string): readonly string[] {
  const isCertificate = isCertificateAlgorithm(blobAlgorithm);
  const keyAlgorithm = isCertificate ? keyAlgorithmOfCertificate(blobAlgorithm) : blobAlgorithm;
  return [...USER_ALGORITHMS]
    .filter(([, known]) => known.keyAlgorithm === keyAlgorithm && known.isCertificate === isCertificate)
    .map(([name]) => name);
}

/**
 * The key that signs for `blob`: the plain key itself, or the one inside the certificate. Throws CERTIFICATE_INVALID
 * when the blob is malformed or not of the algorithm's type. The certificate is not judged any further.
 */
export function signingKey(algorithm: UserAlgorithm, blob: Uint8Array): SshPublicKey {
  const key = algorithm.isCertificate
    ? parseSshCertificate(blob).subject
    : parsePublicKey(blob, refuseCertificate);
  if (key.algorithm === algorithm.keyAlgorithm) return key;
  throw refuseCertificate('wrong-type', 'the key is not of the type of its algorithm');
}

/** A publickey request; with the session id in front it is what gets signed (RFC 4252 section 7). */
export function publicKeyRequest(
  user: string,
  algorithm: string,
  blob: Uint8Array,
  isSigned: boolean,
): WireWriter {
  return new WireWriter(512)
    .raw(Uint8Array.of(MSG.userauthRequest))
    .string(user)
    .string('ssh-connection')
    .string('publickey')
    .raw(Uint8Array.of(isSigned ? 1 : 0))
    .string(algorithm)
    .string(blob);
}

/** What the signature of a publickey request is over. */
export function signedData(
  sessionId: Uint8Array,
  user: string,
  algorithm: string,
  blob: Uint8Array,
): Uint8Array {
  return new WireWriter(640)
    .string(sessionId)
    .raw(publicKeyRequest(user, algorithm, blob, true).view())
    .view();
}
