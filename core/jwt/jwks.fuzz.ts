// Fuzz target: key sets of other issuers. Whatever comes, there is a short list of good keys or one BAD_REQUEST.
import { GatehouseError } from '../errors/error.ts';
import { generateKeyPair } from '../certs/x509/keys.ts';
import { parseJwks } from './jwks.ts';

const keys = (['rsa-2048', 'ecdsa-p256'] as const).map((algorithm, index) => ({
  ...generateKeyPair(algorithm).publicKey.export({ format: 'jwk' }),
  kid: String(index),
  use: 'sig',
}));

export const fuzz = {
  name: 'key set of another issuer',
  seeds: [new Uint8Array(Buffer.from(JSON.stringify({ keys })))],
  run(input: Uint8Array): void {
    try {
      for (const { key, algorithm } of parseJwks(Buffer.from(input).toString('utf8'))) {
        if (key.type !== 'public') throw new Error('a key that is not public');
        if ((key.asymmetricKeyType === 'rsa') !== (algorithm === 'RS256'))
          throw new Error('the wrong algorithm');
      }
    } catch (error) {
      if (!(error instanceof GatehouseError && error.code === 'BAD_REQUEST')) throw error;
    }
  },
};
