// Fuzz target: tokens of other issuers. Besides not failing, what is read must be spelled in one way only, and nothing
// but the one text that was signed may verify.
import { sign } from 'node:crypto';
import { generateKeyPair } from '../certs/x509/keys.ts';
import { parseJwks } from './jwks.ts';
import { parseJwt, verifyJwt } from './jwt.ts';

const { publicKey, privateKey } = generateKeyPair('ecdsa-p256');
const keys = parseJwks(JSON.stringify({ keys: [{ ...publicKey.export({ format: 'jwk' }), kid: 'k' }] }));
const encode = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');
const text = `${encode({ alg: 'ES256', kid: 'k' })}.${encode({ sub: 'a', aud: ['b'], exp: 1 })}`;
const signature = sign('sha256', Buffer.from(text), { key: privateKey, dsaEncoding: 'ieee-p1363' });
const token = `${text}.${signature.toString('base64url')}`;

export const fuzz = {
  name: 'token of another issuer',
  seeds: [new Uint8Array(Buffer.from(token))],
  run(input: Uint8Array): void {
    const given = Buffer.from(input).toString('latin1');
    const jwt = parseJwt(given);
    if (jwt === undefined) return;
    const spelled = `${Buffer.from(jwt.signed).toString('ascii')}.${Buffer.from(jwt.signature).toString('base64url')}`;
    if (spelled !== given) throw new Error('two spellings of one token');
    if (verifyJwt(jwt, keys) && Buffer.from(jwt.signed).toString('ascii') !== text) throw new Error('forged');
  },
};
