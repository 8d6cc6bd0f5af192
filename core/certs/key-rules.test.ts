import { createPublicKey, generateKeyPairSync, type JsonWebKey, type KeyObject } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { makeKeys, refusalOf } from '#test/kit/certs.ts';
import { requireSoundKey } from './key-rules.ts';
import { refuseInput } from './refusal.ts';
import { parsePublicKeyInfo, publicKeyInfo } from './x509/spki.ts';

const keys = makeKeys();
const fromJwk = (jwk: JsonWebKey): KeyObject => createPublicKey({ key: jwk, format: 'jwk' });
const refusal = (key: KeyObject): string => refusalOf(() => requireSoundKey(key, refuseInput));
const rsaJwk = createPublicKey(keys.rsa).export({ format: 'jwk' });
const withExponent = (e: string): KeyObject =>
  fromJwk({ ...rsaJwk, e: Buffer.from(e, 'hex').toString('base64url') });
const edPoint = (hex: string): KeyObject =>
  fromJwk({ kty: 'OKP', crv: 'Ed25519', x: Buffer.from(hex, 'hex').toString('base64url') });

describe('keys', () => {
  test('ok: every supported family, private and public', () => {
    const families = Object.values(keys).map((key) => requireSoundKey(key, refuseInput));
    expect(families).toEqual(['ed25519', 'ecdsa-p256', 'ecdsa-p384', 'ecdsa-p521', 'rsa']);
    expect(requireSoundKey(createPublicKey(keys.rsa), refuseInput)).toBe('rsa');
  });

  test.each([
    ['secp256k1', () => generateKeyPairSync('ec', { namedCurve: 'secp256k1' }).publicKey, 'unsupported-key'],
    ['P-224', () => generateKeyPairSync('ec', { namedCurve: 'P-224' }).publicKey, 'unsupported-key'],
    ['X25519', () => generateKeyPairSync('x25519').publicKey, 'unsupported-key'],
    ['Ed448', () => generateKeyPairSync('ed448').publicKey, 'unsupported-key'],
    ['RSA-PSS', () => generateKeyPairSync('rsa-pss', { modulusLength: 2048 }).publicKey, 'unsupported-key'],
    ['RSA 1024', () => generateKeyPairSync('rsa', { modulusLength: 1024 }).publicKey, 'weak-key'],
    ['RSA 9216', () => fromJwk({ ...rsaJwk, n: `${'_'.repeat(1535)}w` }), 'weak-key'],
    ['RSA exponent 1', () => withExponent('01'), 'bad-key'],
    ['RSA exponent 3', () => withExponent('03'), 'bad-key'],
    ['RSA exponent even', () => withExponent('010002'), 'bad-key'],
    ['RSA exponent above 2^32', () => withExponent('0100000001'), 'bad-key'],
    ['Ed25519 zero', () => edPoint('00'.repeat(32)), 'weak-key'],
    ['Ed25519 identity with sign bit', () => edPoint(`01${'00'.repeat(30)}80`), 'weak-key'],
    [
      'Ed25519 order 8',
      () => edPoint('26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05'),
      'weak-key',
    ],
    ['Ed25519 order 2', () => edPoint(`ec${'ff'.repeat(30)}ff`), 'weak-key'],
    ['Ed25519 y = p', () => edPoint(`ed${'ff'.repeat(30)}7f`), 'bad-key'],
    ['Ed25519 y = p + 1', () => edPoint(`ee${'ff'.repeat(31)}`), 'bad-key'],
  ])('refuses: %s', (_, make, reason) => {
    expect(refusal(make())).toBe(`BAD_REQUEST ${reason}`);
  });
});

describe('public key infos', () => {
  test('refuses: explicit curve parameters (CVE-2020-0601)', () => {
    const key = generateKeyPairSync('ec', { namedCurve: 'P-256', paramEncoding: 'explicit' }).publicKey;
    const spki = key.export({ type: 'spki', format: 'der' });
    expect(refusalOf(() => parsePublicKeyInfo(spki, refuseInput))).toMatch(
      /^BAD_REQUEST (bad-key|unsupported-key)$/,
    );
    expect(refusalOf(() => publicKeyInfo(key, refuseInput))).toMatch(
      /^BAD_REQUEST (bad-key|unsupported-key)$/,
    );
  });

  test('refuses: a compressed point, a point off the curve, bytes after the end, no key', () => {
    const spki = publicKeyInfo(keys.p256, refuseInput).der;
    const off = Uint8Array.from(spki);
    off[80]! ^= 1;
    const compressed = Buffer.concat([
      Buffer.from('3039301306072a8648ce3d020106082a8648ce3d030107032200', 'hex'),
      Uint8Array.of(2 + (spki.at(-1)! & 1)),
      spki.subarray(27, 59),
    ]);
    const inputs = [off, compressed, Buffer.concat([spki, Uint8Array.of(0)]), new Uint8Array()];
    for (const input of inputs)
      expect(refusalOf(() => parsePublicKeyInfo(input, refuseInput))).toBe('BAD_REQUEST bad-key');
  });
});
