// Fuzz target: X.509 certificates, as DER and as PEM text.
import { identityExtension } from './identity.ts';
import { issueSelfSignedCa, issueX509, x509Issuer } from './issue.ts';
import { generateKeyPair } from './keys.ts';
import { parseX509 } from './parse.ts';
import { certificatesFromPem, certificateToPem } from './pem.ts';
import { verifyX509 } from './verify.ts';

const START = Date.UTC(2026, 0, 1);
const END = Date.UTC(2027, 0, 1);
const LATE = Date.UTC(2060, 0, 1);

const pair = generateKeyPair('ecdsa-p256');
const caDer = issueSelfSignedCa({ ...pair, subject: { commonName: 'ca' }, notBefore: START, notAfter: LATE });
const authorities = [parseX509(caDer)];
const leaf = issueX509({
  subject: { commonName: 'joe', organization: ['dev'] },
  publicKey: generateKeyPair('ed25519').publicKey,
  notBefore: START,
  notAfter: END,
  extKeyUsage: ['clientAuth'],
  dnsNames: ['a.example.com'],
  ipAddresses: ['10.0.0.1', '::1'],
  uris: ['urn:a:b'],
  emails: ['joe@example.com'],
  extensions: [identityExtension({ kind: 'user' })],
  issuer: x509Issuer(parseX509(caDer), pair.privateKey),
});

export const fuzz = {
  name: 'x509 certificate',
  seeds: [caDer, leaf, Buffer.from(certificateToPem(leaf))] as Uint8Array[],
  run(input: Uint8Array): void {
    if (input[0] === 0x2d)
      for (const der of certificatesFromPem(Buffer.from(input).toString('latin1'))) parseX509(der);
    else verifyX509(input, { authorities, purpose: 'clientAuth', now: START });
  },
};
