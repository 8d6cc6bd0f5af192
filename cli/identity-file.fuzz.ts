// Fuzz target of the identity file: any bytes give a result or a GatehouseError.
import { generateKeyPair, privateKeyPem } from '#core/certs/x509/keys.ts';
import { certificateToPem } from '#core/certs/x509/pem.ts';
import { craftX509 } from '#test/kit/certs.ts';
import { formatIdentityFile, parseIdentityFile } from './identity-file.ts';

const { privateKey } = generateKeyPair('ecdsa-p256');
const whole = formatIdentityFile({
  privateKey: privateKeyPem(privateKey),
  tlsCertificate: certificateToPem(craftX509(privateKey)),
  tlsAuthorities: [certificateToPem(craftX509(generateKeyPair('ecdsa-p256').privateKey))],
  sshCertificate: 'ssh-ed25519-cert-v01@openssh.com AAAA joe',
  knownHosts: ['@cert-authority * ssh-ed25519 AAAA'],
});

export const fuzz = {
  name: 'cli identity file',
  seeds: [whole, whole.replaceAll('\n', '\r\n'), ''].map((text) => new TextEncoder().encode(text)),
  run(input: Uint8Array): void {
    parseIdentityFile(new TextDecoder().decode(input));
  },
};
