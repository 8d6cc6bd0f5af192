// Fuzz target: OpenSSH certificates, read and verified.
import { generateKeyPair } from '../x509/keys.ts';
import { issueSshCertificate, sshAuthority } from './issue.ts';
import { publicKeyFromKeyObject } from './public-key.ts';
import { verifySshCertificate } from './verify.ts';

const START = Date.UTC(2026, 0, 1);
const END = Date.UTC(2027, 0, 1);

const algorithms = ['ed25519', 'ecdsa-p256', 'rsa-2048'] as const;
const authorities = algorithms.map((algorithm) => sshAuthority(generateKeyPair(algorithm).privateKey));
const seeds = authorities.map((authority, i) =>
  issueSshCertificate({
    subject: publicKeyFromKeyObject(generateKeyPair(algorithms[i] ?? 'ed25519').publicKey),
    type: i === 0 ? 'host' : 'user',
    keyId: 'joe',
    principals: ['joe', 'root'],
    validAfter: START,
    validBefore: END,
    criticalOptions: i === 0 ? {} : { 'force-command': 'id', 'source-address': '10.0.0.0/8,::1' },
    extensions: i === 0 ? {} : { 'permit-pty': '', 'roles@gatehouse.dev': '["dev"]' },
    authority,
  }),
);

export const fuzz = {
  name: 'ssh certificate',
  seeds,
  run(input: Uint8Array): void {
    verifySshCertificate(input, {
      type: 'user',
      authorities: authorities.map(({ publicKey }) => publicKey),
      principal: 'joe',
      now: START,
      sourceAddress: '::1',
    });
  },
};
