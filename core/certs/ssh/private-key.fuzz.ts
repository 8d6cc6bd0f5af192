// Fuzz target: OpenSSH private key files, given as the bytes inside the PEM.
import { Secret } from '../../secret.ts';
import { generateKeyPair } from '../x509/keys.ts';
import { openSshPrivateKey, parseOpenSshPrivateKey } from './private-key.ts';

const BEGIN = '-----BEGIN OPENSSH PRIVATE KEY-----\n';
const END = '\n-----END OPENSSH PRIVATE KEY-----\n';

export const fuzz = {
  name: 'ssh private key',
  seeds: (['ed25519', 'ecdsa-p256', 'rsa-2048'] as const).map((algorithm) => {
    const pem = openSshPrivateKey(generateKeyPair(algorithm).privateKey, 'joe').reveal();
    return new Uint8Array(Buffer.from(pem.slice(BEGIN.length, -END.length), 'base64'));
  }),
  run(input: Uint8Array): void {
    parseOpenSshPrivateKey(new Secret(BEGIN + Buffer.from(input).toString('base64') + END));
  },
};
