import { createPublicKey } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { craftSshCertificate, makeKeys, makeSshAuthority, makeSshKey, refusalOf } from '#test/kit/certs.ts';
import { fingerprint, parsePublicKey, publicKeyFromKeyObject } from './public-key.ts';
import { WireWriter } from './wire.ts';

const keys = makeKeys();
const rsa = createPublicKey(keys.rsa).export({ format: 'jwk' });
const n = Buffer.from(rsa.n!, 'base64url');
const e = Buffer.from(rsa.e!, 'base64url');
const p256 = publicKeyFromKeyObject(keys.p256);
const point = p256.blob.subarray(-65);
const zero = Uint8Array.of(0);

describe('public keys', () => {
  test.each(Object.entries(keys))('ok: %s goes to wire form and back', (_, key) => {
    const made = publicKeyFromKeyObject(key);
    const read = parsePublicKey(made.blob);
    expect(read.algorithm).toBe(made.algorithm);
    expect(read.blob).toEqual(made.blob);
    expect(read.key.equals(createPublicKey(key))).toBe(true);
    expect(fingerprint(read)).toMatch(/^SHA256:[A-Za-z0-9+/]{43}$/);
  });

  test('ok: the key does not change with the buffer it was read from', () => {
    const blob = Buffer.from(p256.blob);
    const read = parsePublicKey(blob);
    blob.fill(0);
    expect(read.blob).toEqual(p256.blob);
  });

  const rsaBlob = (exponent: Uint8Array, modulus: Uint8Array): Uint8Array =>
    new WireWriter().string('ssh-rsa').string(exponent).string(modulus).finish();
  const positive = Buffer.concat([zero, n]);
  test.each([
    ['nothing', () => new Uint8Array(), 'malformed'],
    ['a length beyond the end', () => Uint8Array.of(255, 255, 255, 255, 1), 'too-large'],
    ['an unknown type', () => new WireWriter().string('ssh-dss').finish(), 'unsupported-key'],
    ['FIDO keys', () => new WireWriter().string('sk-ssh-ed25519@openssh.com').finish(), 'unsupported-key'],
    ['S1 a certificate', () => craftSshCertificate(makeSshAuthority()), 'key-is-certificate'],
    ['trailing bytes', () => Buffer.concat([makeSshKey().blob, zero]), 'trailing-bytes'],
    ['S33 more than 4 KiB', () => new Uint8Array(4097), 'too-large'],
    [
      'Ed25519 of 31 bytes',
      () => new WireWriter().string('ssh-ed25519').string(new Uint8Array(31)).finish(),
      'malformed',
    ],
    [
      'Ed25519 of small order',
      () => new WireWriter().string('ssh-ed25519').string(new Uint8Array(32)).finish(),
      'weak-key',
    ],
    ['RSA modulus with needless zero', () => rsaBlob(e, Buffer.concat([zero, positive])), 'malformed'],
    ['RSA modulus negative', () => rsaBlob(e, n), 'malformed'],
    ['RSA exponent with needless zero', () => rsaBlob(Buffer.concat([zero, e]), positive), 'malformed'],
    ['RSA exponent zero', () => rsaBlob(new Uint8Array(), positive), 'malformed'],
    ['RSA exponent 1', () => rsaBlob(Uint8Array.of(1), positive), 'bad-key'],
    ['RSA exponent 3', () => rsaBlob(Uint8Array.of(3), positive), 'bad-key'],
    ['RSA of 1024 bits', () => rsaBlob(e, positive.subarray(0, 129)), 'weak-key'],
    ['ECDSA with the name of another curve', () => p256Blob('nistp384', point), 'malformed'],
    [
      'ECDSA compressed',
      () => p256Blob('nistp256', Buffer.concat([Uint8Array.of(2), point.subarray(1, 33)])),
      'malformed',
    ],
    [
      'ECDSA off the curve',
      () => p256Blob('nistp256', Buffer.concat([point.subarray(0, 64), Uint8Array.of(point[64]! ^ 1)])),
      'bad-key',
    ],
    ['ECDSA at infinity', () => p256Blob('nistp256', zero), 'malformed'],
  ])('refuses: %s', (_, make, reason) => {
    expect(refusalOf(() => parsePublicKey(make()))).toBe(`BAD_REQUEST ${reason}`);
  });
});

function p256Blob(curve: string, q: Uint8Array): Uint8Array {
  return new WireWriter().string('ecdsa-sha2-nistp256').string(curve).string(q).finish();
}
