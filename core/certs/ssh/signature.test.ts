import { describe, expect, test } from 'vitest';
import { makeKeys, refusalOf } from '#test/kit/certs.ts';
import { signatureAlgorithmsOf } from './algorithms.ts';
import { publicKeyFromKeyObject } from './public-key.ts';
import { requireSshSignature, signSsh } from './signature.ts';
import { WireReader, WireWriter } from './wire.ts';
import { refuseInput } from '../refusal.ts';

const keys = makeKeys();
const data = Buffer.from('session id and request');
const cases = Object.entries(keys).flatMap(([name, privateKey]) => {
  const key = publicKeyFromKeyObject(privateKey);
  return signatureAlgorithmsOf(key.algorithm).map((algorithm) => ({ name, privateKey, key, algorithm }));
});
const rewrap = (algorithm: string, blob: Uint8Array): Uint8Array => {
  const reader = new WireReader(blob, refuseInput);
  reader.text('algorithm', 64);
  return new WireWriter().string(algorithm).string(reader.bytes('value', 4096)).finish();
};

describe('signatures', () => {
  test.each(cases)('ok: $name with $algorithm', ({ privateKey, key, algorithm }) => {
    // Many rounds, because ECDSA values vary in length.
    for (let round = 0; round < 40; round++) {
      const signature = signSsh(privateKey, algorithm, data);
      requireSshSignature(key, data, signature, [algorithm]);
    }
  });

  test.each(cases)(
    'S2 refuses: $algorithm over other data, by another key, cut or longer',
    ({ privateKey, key, algorithm }) => {
      const signature = signSsh(privateKey, algorithm, data);
      const other = {
        ...key,
        key: publicKeyFromKeyObject(keys[key.algorithm === 'ssh-ed25519' ? 'ed25519' : 'p256']).key,
      };
      expect(refusalOf(() => requireSshSignature(key, Buffer.from('another session'), signature))).toBe(
        'CERTIFICATE_INVALID bad-signature',
      );
      if (key.algorithm !== 'ssh-ed25519' && key.algorithm !== 'ecdsa-sha2-nistp256') {
        expect(refusalOf(() => requireSshSignature(other, data, signature))).not.toBe('accepted');
      }
      expect(refusalOf(() => requireSshSignature(key, data, signature.subarray(0, -1)))).toBe(
        'CERTIFICATE_INVALID malformed',
      );
      const longer = Buffer.concat([signature, Uint8Array.of(0)]);
      expect(refusalOf(() => requireSshSignature(key, data, longer))).toBe(
        'CERTIFICATE_INVALID trailing-bytes',
      );
      expect(refusalOf(() => requireSshSignature(key, data, new Uint8Array()))).toBe(
        'CERTIFICATE_INVALID malformed',
      );
    },
  );

  test('refuses: SHA-1 ssh-rsa, another algorithm than the one negotiated, one that does not fit the key', () => {
    const rsa = publicKeyFromKeyObject(keys.rsa);
    const signature = signSsh(keys.rsa, 'rsa-sha2-256', data);
    const refused = 'CERTIFICATE_INVALID signature-algorithm';
    expect(refusalOf(() => requireSshSignature(rsa, data, rewrap('ssh-rsa', signature)))).toBe(refused);
    expect(refusalOf(() => requireSshSignature(rsa, data, signature, ['rsa-sha2-512']))).toBe(refused);
    expect(refusalOf(() => requireSshSignature(rsa, data, signature, ['ssh-ed25519', 'rsa-sha2-512']))).toBe(
      refused,
    );
    const p256 = publicKeyFromKeyObject(keys.p256);
    expect(
      refusalOf(() => requireSshSignature(p256, data, rewrap('ssh-ed25519', signature), ['ssh-ed25519'])),
    ).toBe(refused);
  });

  test('refuses: ECDSA values that are zero, negative, padded or too long', () => {
    const key = publicKeyFromKeyObject(keys.p256);
    const make = (r: Uint8Array, s: Uint8Array): Uint8Array =>
      new WireWriter()
        .string('ecdsa-sha2-nistp256')
        .nested((inner) => inner.string(r).string(s))
        .finish();
    const one = Uint8Array.of(1);
    const bad = [
      new Uint8Array(),
      Uint8Array.of(0),
      Uint8Array.of(0x80),
      Uint8Array.of(0, 1),
      new Uint8Array(40).fill(1),
    ];
    for (const value of bad) {
      expect(refusalOf(() => requireSshSignature(key, data, make(value, one)))).toMatch(
        /malformed|too-large/,
      );
      expect(refusalOf(() => requireSshSignature(key, data, make(one, value)))).toMatch(
        /malformed|too-large/,
      );
    }
    expect(refusalOf(() => requireSshSignature(key, data, make(one, one)))).toBe(
      'CERTIFICATE_INVALID bad-signature',
    );
  });
});
