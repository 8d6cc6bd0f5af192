import { generateKeyPairSync } from 'node:crypto';
import { expect, it } from 'vitest';
import { parseJwks } from './jwks.ts';
import { parseJwt, verifyJwt } from './jwt.ts';
import { publicJwk, signJwt } from './sign.ts';

const pair = () => generateKeyPairSync('ec', { namedCurve: 'P-256' });

it('ok: a token is verified by the published key, and read as it was written', () => {
  const { privateKey, publicKey } = pair();
  const token = signJwt({ sub: 'joe', roles: ['dev'] }, privateKey);
  const keys = parseJwks(JSON.stringify({ keys: [publicJwk(publicKey)] }));
  const parsed = parseJwt(token);
  if (parsed === undefined) throw new Error('it must be a token');
  expect(verifyJwt(parsed, keys)).toBe(true);
  expect(parsed.claims).toEqual({ sub: 'joe', roles: ['dev'] });
});

it('refuses: another key, and a changed token', () => {
  const { privateKey, publicKey } = pair();
  const token = signJwt({ sub: 'joe' }, privateKey);
  const others = parseJwks(JSON.stringify({ keys: [publicJwk(pair().publicKey)] }));
  const own = parseJwks(JSON.stringify({ keys: [publicJwk(publicKey)] }));
  const [head = '', , tail = ''] = token.split('.');
  const body = Buffer.from(JSON.stringify({ sub: 'eve' })).toString('base64url');
  expect(verifyJwt(parseJwt(token)!, others)).toBe(false);
  expect(verifyJwt(parseJwt(`${head}.${body}.${tail}`)!, own)).toBe(false);
});
