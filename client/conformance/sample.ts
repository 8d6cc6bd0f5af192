// Records for tests of stores, with authorities that can be read; and the certificates those are made of.
import { generateKeyPair, privateKeyPem } from '#core/certs/x509/keys.ts';
import { certificateToPem } from '#core/certs/x509/pem.ts';
import { selfSignedServer } from '#core/certs/x509/self-signed.ts';
import { sampleRecord } from '../credentials.fuzz.ts';
import type { HostRecord } from '../credentials.ts';

/** A certificate for 127.0.0.1 that vouches for itself, PEM. */
export function selfSigned(commonName: string): { certificate: string; privateKey: string } {
  const { privateKey } = generateKeyPair('ecdsa-p256');
  const now = Date.now();
  const certificate = selfSignedServer({
    privateKey,
    commonName,
    dnsNames: ['localhost'],
    ipAddresses: ['127.0.0.1'],
    notBefore: now - 3_600_000,
    notAfter: now + 86_400_000,
  });
  return { certificate: certificateToPem(certificate), privateKey: privateKeyPem(privateKey).reveal() };
}

/** Of generation 1. */
export function recordOf(hostId: string, authority: string, key = 'the-private-key-of-tls'): HostRecord {
  return {
    ...sampleRecord,
    tls_private_key: key,
    certificates: {
      ...sampleRecord.certificates,
      host_id: hostId,
      // What a real one says by its bytes: whose it is, of which cluster, and for which key.
      tls_certificate: JSON.stringify({ hostId, authority, key }),
      tls_authorities: { host: [authority], user: [] },
    },
  };
}
