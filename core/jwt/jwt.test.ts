// Tokens that look right and are not: other algorithms, keys that a token brings along, spellings, foreign keys.
import { createHmac, createSign, generateKeyPairSync, sign, type KeyObject } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { parseJwks } from './jwks.ts';
import { parseJwt, verifyJwt } from './jwt.ts';

const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 });
const ec = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const other = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const jwk = (key: KeyObject, more: object = {}): object => ({ ...key.export({ format: 'jwk' }), ...more });
const setOf = (...keys: object[]): string => JSON.stringify({ keys });
const keys = parseJwks(setOf(jwk(rsa.publicKey, { kid: 'r' }), jwk(ec.publicKey, { kid: 'e' })));

const part = (value: unknown): string =>
  Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString('base64url');
function token(header: object, key: KeyObject = ec.privateKey, claims: unknown = { sub: 'a' }): string {
  const text = `${part(header)}.${part(claims)}`;
  const signature =
    key.asymmetricKeyType === 'rsa'
      ? sign('sha256', Buffer.from(text), key)
      : sign('sha256', Buffer.from(text), { key, dsaEncoding: 'ieee-p1363' });
  return `${text}.${signature.toString('base64url')}`;
}
const isGood = (text: string, known = keys): boolean => {
  const jwt = parseJwt(text);
  return jwt !== undefined && verifyJwt(jwt, known);
};

describe('tokens of other issuers', () => {
  it('ok: RS256 and ES256, with and without a key id', () => {
    expect(isGood(token({ alg: 'RS256', kid: 'r', typ: 'JWT' }, rsa.privateKey))).toBe(true);
    expect(isGood(token({ alg: 'ES256', kid: 'e' }))).toBe(true);
    expect(isGood(token({ alg: 'ES256' }))).toBe(true);
    expect(parseJwt(token({ alg: 'ES256', kid: 'e' }))?.claims).toEqual({ sub: 'a' });
  });

  it('S31 refuses: no signature, and an HMAC with the public key as its secret', () => {
    const none = `${part({ alg: 'none' })}.${part({ sub: 'a' })}`;
    expect([`${none}.`, none, `${none}.AA`].map((text) => parseJwt(text))).toEqual([
      undefined,
      undefined,
      undefined,
    ]);
    const text = `${part({ alg: 'HS256', kid: 'r' })}.${part({ sub: 'a' })}`;
    const pem = rsa.publicKey.export({ format: 'pem', type: 'spki' });
    const mac = createHmac('sha256', pem).update(text).digest('base64url');
    expect(isGood(`${text}.${mac}`)).toBe(false);
  });

  it.each([
    ['an algorithm that the key is not for', { alg: 'RS256', kid: 'e' }],
    ['PSS', { alg: 'PS256', kid: 'r' }],
    ['an algorithm in another case', { alg: 'es256', kid: 'e' }],
    ['a key id that nobody has', { alg: 'ES256', kid: 'x' }],
    ['the id of another key', { alg: 'ES256', kid: 'r' }],
    ['a key id that is no text', { alg: 'ES256', kid: 1 }],
    ['another type', { alg: 'ES256', kid: 'e', typ: 'at+jwt' }],
    ['critical fields', { alg: 'ES256', kid: 'e', crit: ['exp'] }],
    ['a payload that is not encoded', { alg: 'ES256', kid: 'e', b64: false }],
    ['S25 the address of keys', { alg: 'ES256', kid: 'e', jku: 'https://evil.example.com/jwks' }],
    ['S25 the address of a certificate', { alg: 'ES256', kid: 'e', x5u: 'https://evil.example.com' }],
    ['a key of its own', { alg: 'ES256', jwk: jwk(other.publicKey) }],
    ['a certificate of its own', { alg: 'ES256', kid: 'e', x5c: ['AAAA'] }],
  ])('refuses: %s', (_title, header) => {
    expect(isGood(token(header))).toBe(false);
  });

  it('refuses: the signature of another key, of other claims, in DER, and none', () => {
    expect(isGood(token({ alg: 'ES256', kid: 'e' }, other.privateKey))).toBe(false);
    const [head, , tail] = token({ alg: 'ES256', kid: 'e' }).split('.');
    expect(isGood(`${head}.${part({ sub: 'b' })}.${tail}`)).toBe(false);
    const text = `${head}.${part({ sub: 'a' })}`;
    const der = createSign('sha256').update(text).sign(ec.privateKey).toString('base64url');
    expect(isGood(`${text}.${der}`)).toBe(false);
    expect(isGood(`${text}.${Buffer.alloc(64).toString('base64url')}`)).toBe(false);
  });

  it('S15 refuses: other spellings of one token', () => {
    const text = token({ alg: 'ES256', kid: 'e' });
    for (const spelled of [`${text}=`, ` ${text}`, `${text}\n`, text.replaceAll('.', '..'), `${text}.AAAA`]) {
      expect(parseJwt(spelled)).toBeUndefined();
    }
    // The last letter of 64 bytes carries two bits that mean nothing.
    const stray = text.slice(0, -1) + String.fromCharCode(text.charCodeAt(text.length - 1) + 1);
    expect(isGood(stray)).toBe(false);
  });

  it('S33 refuses: what is too long, no object, or no text', () => {
    expect(parseJwt(token({ alg: 'ES256' }, ec.privateKey, { sub: 'a'.repeat(16_384) }))).toBeUndefined();
    for (const claims of ['[]', '1', 'null', '"a"', '{"a":1', '{"a":"\xff"}']) {
      const text = `${part({ alg: 'ES256' })}.${Buffer.from(claims, 'latin1').toString('base64url')}.AAAA`;
      expect(parseJwt(text)).toBeUndefined();
    }
  });
});

describe('key sets', () => {
  it('ok: keys for other things are left out', () => {
    const mixed = setOf(
      jwk(ec.publicKey, { kid: 'e' }),
      jwk(rsa.publicKey, { use: 'enc' }),
      jwk(rsa.publicKey, { alg: 'PS256' }),
      jwk(generateKeyPairSync('ed25519').publicKey),
      jwk(generateKeyPairSync('ec', { namedCurve: 'P-384' }).publicKey),
      { kty: 'new' },
    );
    expect(parseJwks(mixed)).toMatchObject([{ id: 'e', algorithm: 'ES256' }]);
  });

  it.each([
    ['nothing', ''],
    ['no set', '[]'],
    ['no keys', setOf()],
    ['none that fits', setOf({ kty: 'oct' })],
    ['a symmetric key', setOf({ kty: 'oct', k: 'AAAA' })],
    ['S36 a private key', setOf(jwk(ec.privateKey))],
    ['S31 a short RSA key', setOf(jwk(generateKeyPairSync('rsa', { modulusLength: 1024 }).publicKey))],
    ['an RSA exponent of one', setOf(jwk(rsa.publicKey, { e: 'AQ' }))],
    ['a point that is on no curve', setOf(jwk(ec.publicKey, { x: part('a'.repeat(32)) }))],
    ['S15 two keys with one id', setOf(jwk(ec.publicKey, { kid: 'e' }), jwk(other.publicKey, { kid: 'e' }))],
    ['S33 too many', setOf(...Array.from({ length: 65 }, () => jwk(ec.publicKey)))],
    ['S33 too much', setOf({ ...jwk(ec.publicKey), x5c: 'a'.repeat(65_536) })],
  ])('refuses: %s', (_title, text) => {
    expect(() => parseJwks(text)).toThrow(/^the keys /);
  });
});
