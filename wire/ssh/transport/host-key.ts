// The host's proof in a key exchange: which algorithms a server's keys give, its signature, and the client's check of
// it. A certificate's name says how its key signs; the signature inside must be of exactly that algorithm.
import {
  CERTIFICATE_SUFFIX,
  isCertificateAlgorithm,
  type SshSignatureAlgorithm,
} from '#core/certs/ssh/algorithms.ts';
import { parseSshCertificate } from '#core/certs/ssh/certificate.ts';
import { parsePublicKey, publicKeyFromKeyObject } from '#core/certs/ssh/public-key.ts';
import { requireSshSignature, signSsh } from '#core/certs/ssh/signature.ts';
import { DISCONNECT } from '../messages.ts';
import type { SshKey } from '../ssh.ts';
import { SIGNATURE_ALGORITHMS, signaturesOfKey } from './algorithms.ts';
import { failure } from './failure.ts';

/** The names a server offers for its keys, in their order. */
export function hostKeyAlgorithms(keys: readonly SshKey[]): readonly string[] {
  return keys.flatMap((key) => algorithmsOf(key).map(({ name }) => name));
}

/** The blob of the key that was agreed on, and its signature over the exchange. */
export function proveHost(
  keys: readonly SshKey[],
  algorithm: string,
): { readonly blob: Uint8Array; sign(exchange: Uint8Array): Uint8Array } {
  for (const key of keys) {
    const signature = algorithmsOf(key).find(({ name }) => name === algorithm)?.signature;
    if (signature === undefined) continue;
    const blob = key.certificate ?? publicKeyFromKeyObject(key.privateKey).blob;
    return { blob, sign: (exchange) => signSsh(key.privateKey, signature, exchange) };
  }
  throw failure('INTERNAL', DISCONNECT.keyExchangeFailed, 'the host key that was agreed on is gone');
}

/**
 * Throws unless `signature` over `exchange` was made with the key in `blob` and by the algorithm that was agreed on.
 * Says nothing about whether the key is the right one. CERTIFICATE_INVALID.
 */
export function requireHostProof(
  algorithm: string,
  blob: Uint8Array,
  exchange: Uint8Array,
  signature: Uint8Array,
): void {
  const key = isCertificateAlgorithm(algorithm) ? parseSshCertificate(blob).subject : parsePublicKey(blob);
  // Of exactly this algorithm, which must also fit the type of the key.
  requireSshSignature(key, exchange, signature, [signatureOf(algorithm)]);
}

function signatureOf(algorithm: string): SshSignatureAlgorithm {
  const base = algorithm.endsWith(CERTIFICATE_SUFFIX)
    ? algorithm.slice(0, -CERTIFICATE_SUFFIX.length)
    : algorithm;
  const known = SIGNATURE_ALGORITHMS.find((name) => name === base);
  if (known !== undefined) return known;
  throw failure('NOT_SUPPORTED', DISCONNECT.keyExchangeFailed, 'the host key algorithm is not supported');
}

function algorithmsOf(key: SshKey): readonly { name: string; signature: SshSignatureAlgorithm }[] {
  const suffix = key.certificate === undefined ? '' : CERTIFICATE_SUFFIX;
  return signaturesOfKey(key.privateKey).map((signature) => ({ name: `${signature}${suffix}`, signature }));
}
