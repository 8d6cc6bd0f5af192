// Fuzz target: the public keys that clients send, in both formats.
import { publicKeyLine } from '#core/certs/ssh/lines.ts';
import { publicKeyFromKeyObject } from '#core/certs/ssh/public-key.ts';
import { generateKeyPair, publicKeyPem } from '#core/certs/x509/keys.ts';
import { readSubjectKeys } from './subject-keys.ts';

const { publicKey } = generateKeyPair('ecdsa-p256');
const line = publicKeyLine(publicKeyFromKeyObject(publicKey), 'x');
const pem = publicKeyPem(publicKey);

export const fuzz = {
  name: 'subject-keys',
  seeds: [Buffer.from(line), Buffer.from(pem), Buffer.from(`restrict ${line}`)],
  run(input: Uint8Array): void {
    const text = Buffer.from(input).toString('utf8');
    readSubjectKeys(
      text.includes('BEGIN')
        ? { ssh_public_key: line, tls_public_key: text }
        : { ssh_public_key: text, tls_public_key: pem },
    );
  },
};
