// The access keys that programs on this machine sign with: made for one run of the proxy, known to nobody else, worth
// nothing at AWS.
import { randomBytes } from 'node:crypto';
import type { SigningCredentials } from '#core/aws/sigv4.ts';
import { Secret } from '#core/secret.ts';

const LETTERS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567';
const ID_LETTERS = 16;
const SECRET_BYTES = 30;

export function makeLocalKeys(): SigningCredentials {
  const id = Array.from(randomBytes(ID_LETTERS), (byte) => LETTERS[byte % LETTERS.length]).join('');
  // Of the length that programs expect of an access key.
  return {
    accessKeyId: `GATE${id}`,
    secretAccessKey: new Secret(randomBytes(SECRET_BYTES).toString('base64url')),
  };
}
