import { createPrivateKey, createPublicKey, type KeyObject } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { makeKeys, refusalOf } from '#test/kit/certs.ts';
import { Secret } from '#core/secret.ts';
import { openSshPrivateKey, parseOpenSshPrivateKey } from './private-key.ts';

const keys = makeKeys();
const damage = (pem: string, edit: (bytes: Buffer) => Buffer): Secret => {
  const lines = pem.trim().split('\n');
  const bytes = edit(Buffer.from(lines.slice(1, -1).join(''), 'base64'));
  return new Secret([lines[0], bytes.toString('base64'), lines.at(-1)].join('\n'));
};

describe('OpenSSH private keys', () => {
  test.each(Object.entries(keys))('ok: %s is written and read back', (_, key) => {
    const pem = openSshPrivateKey(key, 'joe');
    expect(String(pem)).toBe('[redacted]');
    expect(parseOpenSshPrivateKey(pem).equals(key)).toBe(true);
  });

  test('ok: an ECDSA key whose private value begins with zero bytes', () => {
    const { x, y } = createPublicKey(keys.p256).export({ format: 'jwk' });
    expect(x).toBeDefined();
    // d = 1: the public key is the base point.
    const d = Buffer.alloc(32);
    d[31] = 1;
    const base: KeyObject = createPrivateKey({
      format: 'jwk',
      key: {
        kty: 'EC',
        crv: 'P-256',
        d: d.toString('base64url'),
        x: Buffer.from('6b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296', 'hex').toString(
          'base64url',
        ),
        y: Buffer.from('4fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5', 'hex').toString(
          'base64url',
        ),
      },
    });
    expect(y).toBeDefined();
    expect(parseOpenSshPrivateKey(openSshPrivateKey(base)).equals(base)).toBe(true);
  });

  test.each(Object.entries(keys))('refuses: any byte of %s changed, without another exception', (_, key) => {
    const pem = openSshPrivateKey(key).reveal();
    const length = Buffer.from(pem.split('\n').slice(1, -2).join(''), 'base64').length;
    const step = Math.max(1, Math.floor(length / 150));
    for (let at = 0; at < length; at += step) {
      const changed = damage(pem, (bytes) => {
        bytes[at]! ^= 0x01;
        return bytes;
      });
      // The check numbers, comment and padding are not covered by anything; nothing else may pass with another key.
      const outcome = refusalOf(() => expect(parseOpenSshPrivateKey(changed).equals(key)).toBe(true));
      expect(outcome).toMatch(/^(accepted|BAD_REQUEST [a-z-]+)$/);
    }
  });

  test('refuses: an encrypted key, PKCS #8, a private key of somebody else', () => {
    const pem = openSshPrivateKey(keys.ed25519).reveal();
    const encrypted = damage(pem, (bytes) =>
      Buffer.concat([bytes.subarray(0, 19), Buffer.from('aes'), bytes.subarray(22)]),
    );
    expect(refusalOf(() => parseOpenSshPrivateKey(encrypted))).toBe('BAD_REQUEST unsupported-key');
    const pkcs8 = new Secret(String(keys.ed25519.export({ type: 'pkcs8', format: 'pem' })));
    expect(refusalOf(() => parseOpenSshPrivateKey(pkcs8))).toBe('BAD_REQUEST malformed');
    const mixed = damage(pem, (bytes) => {
      bytes[70]! ^= 1;
      return bytes;
    });
    expect(refusalOf(() => parseOpenSshPrivateKey(mixed))).toBe('BAD_REQUEST bad-key');
    expect(refusalOf(() => parseOpenSshPrivateKey(new Secret('x'.repeat(20_000))))).toBe(
      'BAD_REQUEST malformed',
    );
  });
});
