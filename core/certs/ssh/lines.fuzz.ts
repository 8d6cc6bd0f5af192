// Fuzz target: one-line keys and certificates. Besides not failing, a key that is read must be written the same again.
import { generateKeyPair } from '../x509/keys.ts';
import { parseSshCertificateLine } from './certificate.ts';
import { parseAuthorizedKey, publicKeyLine } from './lines.ts';
import { publicKeyFromKeyObject } from './public-key.ts';

const lines = (['ed25519', 'ecdsa-p256', 'rsa-2048'] as const).map((algorithm) =>
  publicKeyLine(publicKeyFromKeyObject(generateKeyPair(algorithm).publicKey), 'joe@laptop'),
);

export const fuzz = {
  name: 'ssh public key line',
  seeds: lines.map((line) => new Uint8Array(Buffer.from(line))),
  run(input: Uint8Array): void {
    const text = Buffer.from(input).toString('utf8');
    if (text.includes('-cert-v01@')) {
      parseSshCertificateLine(text);
      return;
    }
    const { key } = parseAuthorizedKey(text);
    if (!text.includes(publicKeyLine(key).split(' ')[1] ?? ' '))
      throw new Error('the key was not read as written');
  },
};
