// Fuzz target: the identity inside a certificate. Besides not failing, what is read must be written the same again.
import { decodeIdentity, encodeIdentity } from './identity.ts';

export const fuzz = {
  name: 'x509 identity',
  seeds: [
    encodeIdentity({ kind: 'user' }),
    encodeIdentity({ kind: 'host', roles: ['node'], traits: { a: [1, -2.5, null, true] } } as {
      kind: string;
    }),
  ],
  run(input: Uint8Array): void {
    const identity = decodeIdentity(input);
    if (!Buffer.from(encodeIdentity(identity)).equals(input))
      throw new Error('the identity was not read as written');
  },
};
