// Fuzz target of the identity file: any bytes give a result or a GatehouseError.
import { parseIdentityFile } from './identity-file.ts';

const seed = (text: string): Uint8Array => new TextEncoder().encode(text);

export const fuzz = {
  name: 'cli identity file',
  seeds: [
    seed(''),
    seed('-----BEGIN PRIVATE KEY-----\nMC4C\n-----END PRIVATE KEY-----\n'),
    seed(
      '-----BEGIN PRIVATE KEY-----\nMC4C\n-----END PRIVATE KEY-----\n-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n',
    ),
    seed('ssh-ed25519-cert-v01@openssh.com AAAA x\n@cert-authority * ssh-ed25519 AAAA\n'),
  ],
  run(input: Uint8Array): void {
    parseIdentityFile(new TextDecoder().decode(input));
  },
};
