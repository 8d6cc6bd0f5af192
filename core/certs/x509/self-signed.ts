// A server certificate that vouches for itself, for a web port that nobody gave one. It is no authority: with its key
// nothing else can be signed that anybody would take. Apart from issue.ts, which only authorities may use.
import { createPublicKey, type KeyObject } from 'node:crypto';
import { refuseInput } from '../refusal.ts';
import { issueX509 } from './issue.ts';
import { derName } from './name.ts';
import { chooseAlgorithm } from './signature-algorithm.ts';
import { keyIdOf, publicKeyInfo } from './spki.ts';

export interface SelfSignedServer {
  readonly privateKey: KeyObject;
  readonly commonName: string;
  readonly dnsNames: readonly string[];
  readonly ipAddresses: readonly string[];
  /** Milliseconds since the epoch. */
  readonly notBefore: number;
  readonly notAfter: number;
}

/** The DER of the certificate. BAD_REQUEST for names that are none. */
export function selfSignedServer({ privateKey, commonName, ...request }: SelfSignedServer): Uint8Array {
  const publicKey = createPublicKey(privateKey);
  const info = publicKeyInfo(publicKey, refuseInput);
  const subject = { commonName };
  return issueX509({
    ...request,
    subject,
    publicKey,
    extKeyUsage: ['serverAuth'],
    issuer: {
      name: derName(subject),
      keyId: keyIdOf(info),
      privateKey,
      algorithm: chooseAlgorithm(info.family, undefined, refuseInput),
    },
  });
}
